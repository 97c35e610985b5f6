from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core.errors import Rejected
from xray.core.images import Decoded, encode
from xray.masks import Mask
from xray.masks.formats import labelme
from xray.masks.formats.labelme import Labelme

L_SHAPE = [(10, 5), (19, 5), (19, 25), (39, 25), (39, 29), (10, 29)]


def drawing(*shapes: dict[str, Any], width: Any = WIDTH, height: Any = HEIGHT) -> bytes:
    return json.dumps({"imageWidth": width, "imageHeight": height, "shapes": shapes}).encode()


def shape(points: Any, kind: Any = "polygon", label: Any = "fox") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind}


def test_shapes_are_filled_and_united(mask: Mask, photo: Decoded) -> None:
    assert (Labelme().read(drawing(shape(L_SHAPE)), photo)[0] == mask).all()
    rectangles = shape([(19.2, 28.9), (10, 5)], "rectangle"), shape([(10, 25), (39, 29)], "rectangle")
    assert (Labelme().read(drawing(*rectangles), photo)[0] == mask).all()
    circle, _ = Labelme().read(drawing(shape([(30, 20), (30, 30)], "circle")), photo)
    assert circle[20, 20:41].all()
    assert abs(circle.sum() / (np.pi * 10**2) - 1) < 0.05


def test_labels_select_the_object(mask: Mask, photo: Decoded) -> None:
    without_area = shape([(3, 3)], "point", "cat"), shape([(3, 3), (9, 9)], "line", "cat")
    data = drawing(shape(L_SHAPE), shape([(0, 0), (59, 39)], "rectangle", "grass"), *without_area)
    assert (Labelme(labels=("fox",)).read(data, photo)[0] == mask).all()
    assert Labelme().read(data, photo)[0].all()
    for label in ("cat", "dog"):
        assert not Labelme(labels=(label,)).read(data, photo)[0].any()


def test_points_are_prompts_for_a_refiner(tmp_path: Path, photo: Decoded) -> None:
    beside = {**shape([(50, 3)], "point"), "flags": {"negative": True, "hard": False}}
    more = {**shape([(12, 7.5), (13, 9)], "points"), "flags": {}}
    data = drawing(shape([(11, 6)], "point"), beside, more, shape([(1, 1)], "point", "grass"))
    (tmp_path / "a.json").write_bytes(data)
    (tmp_path / "bad.json").write_bytes(b"{")
    photos = [candidate("a.jpg"), candidate("none.jpg"), candidate("bad.jpg")]
    annotated, none, bad = Labelme(root=str(tmp_path), labels=("fox",)).attach(photos)
    assert annotated.points == ((11, 6, True), (50, 3, False), (12, 7.5, True), (13, 9, True))
    assert (none.points, none.problem) == ((), "")
    assert (bad.points, bad.problem.partition(":")[0]) == ((), "corrupt_mask")
    assert (1, 1, True) in next(iter(Labelme(root=str(tmp_path)).attach(photos))).points
    with pytest.raises(Rejected, match="missing_mask"):
        Labelme().read(data, photo)
    assert Labelme().read(drawing(shape(L_SHAPE), beside), photo)[0].any()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b'{"imageWidth": 60, "imageHeight": 40}',
        drawing(width=-60),
        drawing(shape(L_SHAPE, "mask")),
        drawing(shape([(1, 2, 3)] * 3)),
        drawing(shape([(1, 2)] * 2)),
        drawing(shape([], "circle")),
        drawing(shape([(1, 2)] * 3, "rectangle")),
        drawing(shape([(1e300, 2)] * 3)),
        drawing({**shape(L_SHAPE), "flags": [1]}),
    ],
)
def test_bad_drawings_are_corrupt_masks(data: bytes, photo: Decoded) -> None:
    with pytest.raises(Rejected, match="corrupt_mask: labelme"):
        Labelme().read(data, photo)


def test_shapes_far_outside_of_the_image_are_clipped(photo: Decoded) -> None:
    far = [(-1e5, -1e5), (1e5, -1e5), (1e5, 1e5), (-1e5, 1e5)]
    assert Labelme().read(drawing(shape(far)), photo)[0].all()
    assert Labelme().read(drawing(shape([(0, 0), (1e5, 1e5)], "circle")), photo)[0].all()
    assert not Labelme().read(drawing(shape([(1e5, 1e5), (1e5, 9e4)], "circle")), photo)[0].any()
    with pytest.raises(Rejected, match="mask_wrong_size"):  # before any memory is allocated
        Labelme().read(drawing(shape(L_SHAPE), height=10**9), photo)


def test_masks_of_ai_tools_are_pasted_at_their_corner(photo: Decoded) -> None:
    part = np.zeros((4, 6), np.uint8)
    part[1:, 2:] = 255
    encoded = base64.b64encode(encode(part, "png")).decode()
    mask, _ = Labelme().read(drawing(shape([(3, 2), (8, 5)], "mask") | {"mask": encoded}), photo)
    expected = np.zeros_like(mask)
    expected[3:6, 5:9] = True
    assert np.array_equal(mask, expected)
    for corner, size in (((-2, -1), 12), ((WIDTH - 3, HEIGHT - 2), 1), ((-3, 0), 9)):
        clipped, _ = Labelme().read(drawing(shape([corner, (9, 9)], "mask") | {"mask": encoded}), photo)
        assert clipped.sum() == size
    for damaged in ({"mask": "AAAA"}, {"mask": None}, {"mask": encoded, "points": [[1e4, 1e4], [2e4, 2e4]]}):
        with pytest.raises(Rejected, match="corrupt_mask"):
            Labelme().read(drawing(shape([(3, 2), (8, 5)], "mask") | damaged), photo)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read_and_other_encodings_are_named(encoding: str, photo: Decoded) -> None:
    text = drawing(shape(L_SHAPE)).decode()
    assert Labelme().read(text.encode(encoding), photo)[0].any()
    with pytest.raises(Rejected, match="UTF-8"):
        Labelme().read(text.replace("fox", "F\xfcchsin").encode("cp1252") + b"\xfc", photo)


@pytest.mark.parametrize(
    "shapes",
    [
        [shape([(step % WIDTH, step % 39) for step in range(50_000)])],
        [shape([(0, 0), (WIDTH, HEIGHT)], "rectangle")] * 600,
        [shape([(1, 1), (2, 2)], "circle")] * 20_001,
    ],
)
def test_drawings_that_would_take_minutes_are_refused(shapes: list[Any], tmp_path: Path, photo: Decoded) -> None:
    data = drawing(*shapes)
    with pytest.raises(Rejected, match="corrupt_mask"):
        Labelme().read(data, photo)
    (tmp_path / "a.json").write_bytes(data)
    (one,) = Labelme(root=str(tmp_path)).attach([candidate("a.jpg")])
    assert one.problem.startswith("corrupt_mask: labelme: ")


def test_an_image_of_hundreds_of_digits_costs_its_photograph(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(drawing(shape(L_SHAPE), width=10**350))
    (one,) = Labelme(root=str(tmp_path)).attach([candidate("x.jpg")])
    assert one.problem.startswith("corrupt_mask")


def test_masks_of_more_pixels_than_can_be_read_in_seconds_are_left_out(
    monkeypatch: pytest.MonkeyPatch, photo: Decoded
) -> None:
    monkeypatch.setattr(labelme, "_MAX_MASKS", 250)
    encoded = base64.b64encode(encode(np.full((10, 10), 255, np.uint8), "png")).decode()
    shapes = [shape([(10 * x, 0), (10 * x + 1, 1)], "mask") | {"mask": encoded} for x in range(4)]
    mask, notes = Labelme().read(drawing(*shapes), photo)
    assert mask.sum() == 200
    assert notes == ("mask_parts_left_out",)
