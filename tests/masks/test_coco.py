from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as pycoco

from xray.core import files
from xray.core.errors import Rejected, XrayError
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.coco import Coco, run_lengths
from xray.sources.base import Candidate

HEIGHT, WIDTH = 40, 60

L_POLYGON = [10.0, 5.0, 20.0, 5.0, 20.0, 25.0, 40.0, 25.0, 40.0, 30.0, 10.0, 30.0]
ANNOTATIONS = Coco(file="unused.json")


def candidate(key: str, uri: str = "file:///photos/x.jpg", **more: Any) -> Candidate:
    return Candidate(key=key, category="c", uri=uri, **more)


def compressed(mask: Mask) -> dict[str, Any]:
    found = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


def runs(mask: Mask) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *ends, mask.size]).tolist()}


def outline(*segmentations: Any, width: Any = WIDTH, height: Any = HEIGHT) -> bytes:
    return json.dumps({"width": width, "height": height, "segmentations": segmentations}).encode()


def thing(segmentation: Any = None, **more: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, "segmentation": segmentation, **more}


def dataset(folder: Path, things: list[Any], **more: Any) -> Coco:
    content = {
        "images": [{"id": 1, "file_name": "val/fox.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": things,
        "categories": [{"id": 1, "name": "fox"}, {"id": 2, "name": "grass"}],
    } | more
    (folder / "instances.json").write_text(json.dumps(content))
    return Coco(file=str(folder / "instances.json"))


def attached(annotations: Coco, key: str = "val/fox.jpg", **more: Any) -> Candidate:
    (found,) = annotations.attach([candidate(key, **more)])
    return found


def test_polygons_and_run_lengths_give_the_same_mask(mask: Mask, photo: Decoded) -> None:
    for segmentation in ([L_POLYGON], compressed(mask), runs(mask)):
        found, notes = ANNOTATIONS.read(outline(segmentation), photo)
        assert notes == ()
        assert found.dtype == bool
        assert (found == mask).all()


def test_all_annotations_of_an_image_are_united(mask: Mask, photo: Decoded) -> None:
    square = np.zeros_like(mask)
    square[0:4, 50:60] = True
    assert (ANNOTATIONS.read(outline([L_POLYGON], compressed(square)), photo)[0] == (mask | square)).all()
    two = [L_POLYGON, [50, 0, 60, 0, 60, 4, 50, 4]]
    assert (ANNOTATIONS.read(outline(two), photo)[0] == (mask | square)).all()


def test_the_annotation_travels_in_the_candidate(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    square = compressed(np.pad(np.ones((5, 5), bool), ((0, 35), (0, 55))))
    things = [thing([L_POLYGON], bbox=[10, 5, 30, 25]), thing(square, category_id=2, bbox=[0, 0, 5, 5])]
    annotations = dataset(tmp_path, things)
    found = attached(annotations.__class__(file=annotations.file, categories=("fox",)))
    assert found.boxes == ((10, 5, 40, 30),)
    assert found.mask_uri is not None
    assert found.mask_uri.startswith("data:application/json;base64,")
    (tmp_path / "instances.json").unlink()  # workers never read it
    assert (annotations.read(files.read_bytes(found.mask_uri), photo)[0] == mask).all()


def test_each_annotation_gives_its_box(tmp_path: Path) -> None:
    found = attached(dataset(tmp_path, [thing(bbox=[10, 5, 30, 25]), thing(bbox=[0, 20, 5, 15.5]), thing()]))
    assert found.boxes == ((10, 5, 40, 30), (0, 20, 5, 35.5))
    assert found.mask_uri is None


def test_images_are_found_by_path_or_by_a_name_that_only_one_has(tmp_path: Path) -> None:
    image = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": n, "file_name": name, **image} for n, name in enumerate(["a/x.jpg", "b/x.jpg", "b/y z.jpg"])]
    things = [thing(bbox=[n, 0, 1, 1], image_id=n) for n in range(3)]
    annotations = dataset(tmp_path, things, images=images)
    keys = ["b/x.jpg", "x.jpg", "y z.jpg", "c/y%20z.jpg", "none.jpg"]
    boxes = [attached(annotations, key, mask_uri="file:///source.png").boxes for key in keys]
    assert boxes == [((1, 0, 2, 1),), (), ((2, 0, 3, 1),), ((2, 0, 3, 1),), ()]
    assert attached(annotations, "none.jpg", mask_uri="file:///source.png").mask_uri is None


def test_an_unknown_category_is_named(tmp_path: Path) -> None:
    annotations = dataset(tmp_path, [])
    with pytest.raises(XrayError, match="unknown COCO category 'foxx'; did you mean 'fox'"):
        attached(Coco(file=annotations.file, categories=("foxx",)))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 10_000, b'{"images": [{}], "annotations": []}'])
def test_a_file_that_is_no_dataset_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "instances.json").write_bytes(content)
    with pytest.raises(XrayError, match=r"cannot read COCO annotations .*instances\.json"):
        attached(Coco(file=str(tmp_path / "instances.json")))
    with pytest.raises(XrayError, match="missing_file"):
        attached(Coco(file=str(tmp_path / "nowhere.json")))


@pytest.mark.parametrize("box", [[1, 2, 3], "box", [1, 2, 3, None], [0, 0, float("nan"), 1], {"x": 1}])
def test_a_hostile_box_is_a_problem_of_its_image_alone(tmp_path: Path, box: Any) -> None:
    found = attached(dataset(tmp_path, [thing(bbox=box)]))
    assert found.problem == "corrupt_mask"
    assert found.boxes == ()
    assert attached(dataset(tmp_path, [thing(bbox=box)]), problem="duplicate_id").problem == "duplicate_id"


SIZE = [HEIGHT, WIDTH]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"\xff",
        outline(width=0),
        b'{"width": 60, "height": 40}',
        outline("polygon"),
        outline([[1, 2, 3, 4]]),
        outline([[1, 2, 3, 4, 5, 6, 7]]),
        outline([[1, 2, 3, 4, 5, None]]),
        outline([[1, 2, 3, 4, 5, float("inf")]]),
        outline([1, 2, 3, 4, 5, 6]),
        outline({"counts": [HEIGHT * WIDTH]}),
        outline({"size": SIZE, "counts": None}),
        outline({"size": SIZE, "counts": []}),
        outline({"size": SIZE, "counts": ""}),
        outline({"size": SIZE, "counts": "1"}),
        outline({"size": SIZE, "counts": "ooooo"}),
        outline({"size": SIZE, "counts": "o" * 10**6}),
        outline({"size": SIZE, "counts": "PPYo" * 20}),
        outline({"size": SIZE, "counts": "\U0001f98a"}),
        outline({"size": SIZE, "counts": [HEIGHT * WIDTH + 1]}),
        outline({"size": SIZE, "counts": [-1, HEIGHT * WIDTH + 1]}),
        outline({"size": SIZE, "counts": [10**30]}),
        outline({"size": [10**9, 10**9], "counts": [10**18]}),
        outline({"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]}),
    ],
)
def test_hostile_annotations_are_corrupt_masks(data: bytes, photo: Decoded) -> None:
    with pytest.raises(Rejected) as caught:
        ANNOTATIONS.read(data, photo)
    assert caught.value.reason == "corrupt_mask"
    assert caught.value.detail.startswith("COCO: ")


def test_size_and_absence(photo: Decoded) -> None:
    with pytest.raises(Rejected, match=r"mask_wrong_size: mask 60×1000000000, image 60×40"):
        ANNOTATIONS.read(outline([L_POLYGON], height=10**9), photo)
    with pytest.raises(Rejected, match="missing_mask"):
        ANNOTATIONS.read(None, photo)


def test_polygons_far_outside_of_the_image_do_no_harm(photo: Decoded) -> None:
    far = [-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300]
    assert ANNOTATIONS.read(outline([far]), photo)[0].all()


def test_drawn_on_an_image_that_lies_on_its_side(mask: Mask, turned: tuple[Decoded, Mask]) -> None:
    found, notes = ANNOTATIONS.read(outline(compressed(turned[1]), width=HEIGHT, height=WIDTH), turned[0])
    assert notes == ("mask_rotated_by_exif",)
    assert (found == mask).all()


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0, 1))
def test_run_lengths_are_what_pycocotools_writes(seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < density
    assert run_lengths(compressed(mask)["counts"]) == runs(mask)["counts"]


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_any_string_is_run_lengths_or_a_value_error(text: str) -> None:
    try:
        counts = run_lengths(text)
    except ValueError:
        return
    assert all(isinstance(count, int) for count in counts)
