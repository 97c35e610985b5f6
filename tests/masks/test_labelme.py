from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.labelme import Labelme
from xray.sources.base import Candidate

HEIGHT, WIDTH = 40, 60

L_SHAPE = [(10, 5), (19, 5), (19, 25), (39, 25), (39, 29), (10, 29)]


def candidate(key: str, uri: str, **more: Any) -> Candidate:
    return Candidate(key=key, category="c", uri=uri, **more)


def drawing(*shapes: dict[str, Any], width: Any = WIDTH, height: Any = HEIGHT, **more: Any) -> bytes:
    return json.dumps({"imageWidth": width, "imageHeight": height, "shapes": shapes, **more}).encode()


def shape(points: Any, kind: Any = "polygon", label: Any = "fox") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind}


def test_shapes_are_filled_and_united(mask: Mask, photo: Decoded) -> None:
    polygon, notes = Labelme().read(drawing(shape(L_SHAPE)), photo)
    assert notes == ()
    assert polygon.dtype == bool
    assert (polygon == mask).all()
    corners = shape([(19.2, 28.9), (10, 5)], "rectangle"), shape([(10, 25), (39, 29)], "rectangle")
    assert (Labelme().read(drawing(*corners), photo)[0] == mask).all()
    circle, _ = Labelme().read(drawing(shape([(30, 20), (30, 30)], "circle")), photo)
    assert circle[20, 20:41].all()
    assert circle[10:31, 30].all()
    assert abs(circle.sum() / (np.pi * 10**2) - 1) < 0.05


def test_labels_choose_the_object(mask: Mask, photo: Decoded) -> None:
    data = drawing(shape(L_SHAPE), shape([(0, 0), (59, 39)], "rectangle", "grass"))
    assert (Labelme(labels=("fox",)).read(data, photo)[0] == mask).all()
    assert Labelme().read(data, photo)[0].all()
    assert not Labelme(labels=("cat",)).read(data, photo)[0].any()


def test_points_and_lines_have_no_area(photo: Decoded) -> None:
    data = drawing(shape([(3, 3)], "point"), shape([(3, 3), (9, 9)], "line"), shape(L_SHAPE, "linestrip"))
    assert not Labelme().read(data, photo)[0].any()


def test_points_are_for_a_refiner(tmp_path: Path, photo: Decoded) -> None:
    beside = {**shape([(50, 3)], "point"), "flags": {"negative": True, "hard": False}}
    more = {**shape([(12, 7.5), (13, 9)], "points"), "flags": {}}
    grass = shape([(1, 1)], "point", "grass")
    data = drawing(shape([(11, 6)], "point"), beside, more, grass)
    (tmp_path / "a.json").write_bytes(data)
    photos = [candidate("a.jpg", "file:///a.jpg"), candidate("b.jpg", "file:///b.jpg")]
    found, none = Labelme(root=str(tmp_path), labels=("fox",)).attach(photos)
    assert found.points == ((11, 6, True), (50, 3, False), (12, 7.5, True), (13, 9, True))
    assert none.points == ()
    (everything, _) = Labelme(root=str(tmp_path)).attach(photos)
    assert (1, 1, True) in everything.points
    with pytest.raises(Rejected, match="missing_mask: labelme: nothing but points"):
        Labelme().read(data, photo)
    assert Labelme().read(drawing(shape(L_SHAPE), beside), photo)[0].any()


def test_a_damaged_drawing_is_a_problem_of_its_photo_alone(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{")
    (tmp_path / "b.json").write_bytes(drawing(shape([(3, 3)], "point")))
    bad, good = Labelme(root=str(tmp_path)).attach([candidate(f"{k}.jpg", "file:///x.jpg") for k in "ab"])
    assert (bad.problem, bad.points) == ("corrupt_mask", ())
    assert (good.problem, good.points) == ("", ((3, 3, True),))


def test_drawn_on_an_image_that_lies_on_its_side(mask: Mask, turned: tuple[Decoded, Mask]) -> None:
    rows, columns = np.nonzero(turned[1])
    dots = [shape([(x, y), (x, y)], "rectangle") for y, x in zip(rows.tolist(), columns.tolist(), strict=True)]
    found, notes = Labelme().read(drawing(*dots, width=HEIGHT, height=WIDTH), turned[0])
    assert notes == ("mask_rotated_by_exif",)
    assert (found == mask).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b'{"imageWidth": 60, "imageHeight": 40}',
        drawing(width=None),
        drawing(width="wide"),
        drawing(width=-60),
        drawing(shape(L_SHAPE, "mask")),
        drawing(shape(L_SHAPE, None)),
        drawing(shape("points")),
        drawing(shape([(1, 2, 3)] * 3)),
        drawing(shape([(1, 2)] * 2)),
        drawing(shape([], "circle")),
        drawing(shape([(1, 2)] * 3, "rectangle")),
        drawing(shape([(float("nan"), 2)] * 3)),
        drawing(shape([(float("inf"), 2)] * 2, "circle")),
        drawing(shape([(1e300, 2)] * 3)),
        drawing({"points": L_SHAPE}),
        drawing({**shape(L_SHAPE), "flags": [1]}),
        drawing(shape(L_SHAPE, label=7)),
        b'{"imageWidth": 60, "imageHeight": 40, "shapes": [[]]}',
    ],
)
def test_hostile_json_is_a_corrupt_mask(data: bytes, photo: Decoded) -> None:
    with pytest.raises(Rejected) as caught:
        Labelme().read(data, photo)
    assert caught.value.reason == "corrupt_mask"
    assert caught.value.detail.startswith("labelme: ")
    assert len(caught.value.detail) < 300


def test_shapes_far_outside_of_the_image_do_no_harm(photo: Decoded) -> None:
    far = [(-1e5, -1e5), (1e5, -1e5), (1e5, 1e5), (-1e5, 1e5)]
    assert Labelme().read(drawing(shape(far)), photo)[0].all()
    assert Labelme().read(drawing(shape([(0, 0), (1e5, 1e5)], "circle")), photo)[0].all()
    assert not Labelme().read(drawing(shape([(1e5, 1e5), (1e5, 9e4)], "circle")), photo)[0].any()


def test_the_size_in_the_json_is_checked(photo: Decoded) -> None:
    for size in ({"width": 61}, {"height": 10**9}, {"width": HEIGHT, "height": WIDTH}):
        with pytest.raises(Rejected) as caught:
            Labelme().read(drawing(shape(L_SHAPE), **size), photo)
        assert caught.value.reason == "mask_wrong_size"
    with pytest.raises(Rejected) as caught:
        Labelme().read(None, photo)
    assert caught.value.reason == "missing_mask"


def test_paired_beside_the_photo_or_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    for name in ("a b.jpg", "a b.json", "c.jpg", "drawn/c.json"):
        (tmp_path / name).write_bytes(b"")
    paths = (tmp_path / "a b.jpg", tmp_path / "c.jpg")
    photos = [candidate(path.name, path.as_uri(), mask_uri="file:///m.png") for path in paths]
    cell = candidate("x", f"{tmp_path.as_uri()}/a%20b.parquet#row=1")
    beside = [found.mask_uri for found in Labelme().attach([*photos, cell])]
    assert beside == [(tmp_path / "a b.json").as_uri(), None, None]
    foldered = [found.mask_uri for found in Labelme(root=str(tmp_path / "drawn")).attach(photos)]
    assert foldered == [None, (tmp_path / "drawn/c.json").as_uri()]
