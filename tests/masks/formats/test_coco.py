from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as pycoco
from support.coco_files import L_POLYGON, annotation, attach, dataset
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core import files
from xray.core.errors import ConfigError, Rejected, XrayError
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.formats.coco import Coco
from xray.masks.reading.outlines import decode_counts
from xray.sources.base import Candidate

SIZE = [HEIGHT, WIDTH]
COCO = Coco(file="unused.json")


def compressed_rle(mask: Mask) -> dict[str, Any]:
    rle = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def rle(mask: Mask) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *ends, mask.size]).tolist()}


def image_annotation(*segmentations: Any, width: Any = WIDTH, height: Any = HEIGHT) -> bytes:
    return json.dumps({"width": width, "height": height, "segmentations": segmentations}).encode()


SQUARE = np.pad(np.ones((4, 10), bool), ((0, HEIGHT - 4), (WIDTH - 10, 0)))
SQUARE_POLYGON = [50, 0, 60, 0, 60, 4, 50, 4]


def test_polygons_and_runs_give_the_same_mask_and_are_united(mask: Mask, photo: Decoded) -> None:
    for more in ([SQUARE_POLYGON], compressed_rle(SQUARE), rle(SQUARE)):
        assert (COCO.read(image_annotation([L_POLYGON], more), photo)[0] == (mask | SQUARE)).all()
    assert (COCO.read(image_annotation([L_POLYGON, SQUARE_POLYGON]), photo)[0] == (mask | SQUARE)).all()


def test_the_candidate_holds_the_annotation_of_the_categories(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    grass = annotation([SQUARE_POLYGON], category_id=2, bbox=[0, 0, 5, 5])
    annotations = [annotation([L_POLYGON], bbox=[10, 5, 30, 25]), grass]
    coco = Coco(file=dataset(tmp_path, annotations), categories=("fox",))
    result = attach(coco)
    assert result.boxes == ((10, 5, 40, 30),)
    assert result.mask_uri is not None
    (tmp_path / "instances.json").unlink()  # workers do not read it
    assert (coco.read(files.read_bytes(result.mask_uri), photo)[0] == mask).all()
    with pytest.raises(XrayError, match=r"'foxx'.*'fox'"):
        attach(Coco(file=dataset(tmp_path, []), categories=("foxx",)))


def test_each_annotation_gives_its_box(tmp_path: Path) -> None:
    boxes = [annotation(bbox=[10, 5, 30, 25]), annotation(bbox=[0, 20, 5, 15.5]), annotation()]
    result = attach(Coco(file=dataset(tmp_path, boxes)))
    assert result.boxes == ((10, 5, 40, 30), (0, 20, 5, 35.5))
    assert result.mask_uri is None


def test_images_are_found_by_path_or_by_a_unique_name(tmp_path: Path) -> None:
    image = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": n, "file_name": name, **image} for n, name in enumerate(["a/x.jpg", "b/x.jpg", "b/y z.jpg"])]
    coco = Coco(file=dataset(tmp_path, [annotation(bbox=[n, 0, 1, 1], image_id=n) for n in range(3)], images=images))
    keys = ["b/x.jpg", "x.jpg", "y z.jpg", "c/y%20z.jpg", "none.jpg"]
    boxes = [attach(coco, key).boxes for key in keys]
    assert boxes == [((1, 0, 2, 1),), (), ((2, 0, 3, 1),), ((2, 0, 3, 1),), ()]
    assert attach(coco, "none.jpg", mask_uri="file:///source.png").mask_uri is None


@pytest.mark.parametrize("content", [None, b"", b'{"images": [{}], "annotations": []}'])
def test_a_file_that_is_no_dataset_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "instances.json").write_bytes(content)
    with pytest.raises(XrayError, match=r"instances\.json"):
        attach(Coco(file=str(tmp_path / "instances.json")))


def test_a_bad_box_is_a_problem_of_its_image_only(tmp_path: Path) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation(bbox=[0, 0, float("nan"), 1])]))
    assert (attach(coco).problem.partition(":")[0], attach(coco).boxes) == ("corrupt_mask", ())
    assert attach(coco, problem="duplicate_id").problem == "duplicate_id"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        image_annotation(width=0),
        image_annotation([[1, 2, 3, 4, 5, 6, 7]]),
        image_annotation([[1, 2, 3, 4, 5, float("inf")]]),
        image_annotation({"counts": [HEIGHT * WIDTH]}),
        image_annotation({"size": SIZE, "counts": []}),
        image_annotation({"size": SIZE, "counts": "ooooo"}),
        image_annotation({"size": SIZE, "counts": "o" * 13}),
        image_annotation({"size": SIZE, "counts": "PPYo" * 20}),
        image_annotation({"size": SIZE, "counts": "\U0001f98a"}),
        image_annotation({"size": SIZE, "counts": [-1, HEIGHT * WIDTH + 1]}),
        image_annotation({"size": SIZE, "counts": [10**30]}),
        image_annotation({"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]}),
    ],
)
def test_bad_annotations_are_corrupt_masks(data: bytes, photo: Decoded) -> None:
    with pytest.raises(Rejected, match="corrupt_mask: coco"):
        COCO.read(data, photo)


def test_polygons_far_outside_of_the_image_are_clipped(photo: Decoded) -> None:
    far = [-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300]
    assert COCO.read(image_annotation([far]), photo)[0].all()
    with pytest.raises(Rejected, match="mask_wrong_size"):  # before any memory is allocated
        COCO.read(image_annotation([L_POLYGON], height=10**9), photo)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), density=st.floats(0, 1))
def test_counts_of_pycocotools_are_decoded(seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < density
    assert decode_counts(compressed_rle(mask)["counts"]) == rle(mask)["counts"]


def test_annotations_of_the_photographs_own_category_count(tmp_path: Path, photo: Decoded) -> None:
    """Two ids have the name of the photograph's category; a third is somebody beside it. The path is of Windows."""
    half = [[0, 0, 30, 0, 30, 40, 0, 40]]
    rest = [[30, 0, 60, 0, 60, 40, 30, 40]]
    content = {
        "images": [{"id": 1, "file_name": "images\\red fox\\1.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "segmentation": half},
            {"image_id": 1, "category_id": 5, "segmentation": [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]},
            {"image_id": 1, "category_id": 3, "segmentation": rest},
        ],
        "categories": [{"id": 1, "name": "Red_Fox"}, {"id": 5, "name": "red fox"}, {"id": 3, "name": "person"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    coco = Coco(file=str(tmp_path / "coco.json"))
    for category, expected in (("red fox", WIDTH // 2), ("person", WIDTH // 2), ("cello", WIDTH)):
        (candidate,) = coco.attach([Candidate("red fox/1.jpg", category, "file:///1.jpg")])
        mask, notes = coco.read(files.read_bytes(candidate.mask_uri or ""), photo)
        assert mask.any(axis=0).sum() == expected
        assert notes == (() if category == "person" else ("mask_parts_left_out",))
        assert candidate.drawn_on == (WIDTH, HEIGHT)


def image(name: str, number: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, **more}


def mask_of(coco: Coco, one: Candidate, photo: Decoded) -> Mask:
    return coco.read(files.read_bytes(one.mask_uri or ""), photo)[0]


@pytest.mark.parametrize(
    "bad",
    [
        annotation(bbox=[1, 2, -3, 4]), annotation(bbox=[1, 2, 0, 4]), annotation(bbox=[70, 2, 3, 4]),
        annotation(bbox="abc"), annotation(bbox=[1, 2, 3]), annotation(bbox={}), annotation("abc"),
        annotation({"size": SIZE, "counts": "b'PP'"}), annotation([["a"]]), {"bbox": [1, 2, 3, 4]}, None, "x", [],
        annotation([[1, 2, 3]]), annotation({"size": SIZE, "counts": None}),
    ],
)  # fmt: skip
def test_a_bad_annotation_costs_only_itself(bad: Any, tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation([L_POLYGON], bbox=[10, 5, 30, 25]), bad]))
    one = attach(coco)
    assert (one.boxes, one.problem) == (((10, 5, 40, 30),), "")
    assert (mask_of(coco, one, photo) == mask).all()
    left_out = coco.read(files.read_bytes(one.mask_uri or ""), photo)[1] == ("mask_parts_left_out",)
    assert left_out or any("left out" in note for note in coco.notes())


def test_crowds_count_only_where_nothing_else_does(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    crowd = annotation(rle(SQUARE), iscrowd=1)
    coco = Coco(file=dataset(tmp_path, [annotation([L_POLYGON], iscrowd=0), crowd]))
    assert (mask_of(coco, attach(coco), photo) == mask).all()
    coco = Coco(file=dataset(tmp_path, [crowd]))
    assert (mask_of(coco, attach(coco), photo) == SQUARE).all()


def test_an_image_may_be_listed_twice_and_in_several_files(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    half = [0, 0, 30, 0, 30, 40, 0, 40]
    for split, polygon in (("train", L_POLYGON), ("valid", half)):
        (tmp_path / split).mkdir()
        dataset(tmp_path / split, [annotation([polygon])], images=[image("x.jpg")])
    coco = Coco(file=str(tmp_path / "*" / "instances.json"))
    photos = [candidate(f"{split}/x.jpg", uri=(tmp_path / split / "x.jpg").as_uri()) for split in ("train", "valid")]
    train, valid = coco.attach(photos)
    assert (mask_of(coco, train, photo) == mask).all()
    assert mask_of(coco, valid, photo)[:, :30].all()
    both = [annotation([L_POLYGON]), annotation(rle(SQUARE), image_id="2")]
    coco = Coco(file=dataset(tmp_path, both, images=[image("x.jpg"), image("./x.jpg", 2)]))
    assert (mask_of(coco, attach(coco, "x.jpg"), photo) == (mask | SQUARE)).all()


def test_what_no_photograph_uses_is_counted_and_named(tmp_path: Path) -> None:
    images = [image("fox.jpg"), image("wolf.jpg", 2), image("bear.jpg", 3, width=None), {"id": 4}, None]
    coco = Coco(file=dataset(tmp_path, [annotation(bbox=[1, 2, 3, 4]), annotation(image_id=99)], images=images))
    assert attach(coco, "fox.jpg").boxes
    notes = " ".join(coco.notes())
    assert "2 of 3 images" in notes
    assert "wolf.jpg" in notes
    assert "1 COCO annotations belong to no image" in notes
    assert "2 COCO entries of `images`" in notes
    assert attach(coco, "bear.jpg").problem.startswith("corrupt_mask")


def test_boxes_of_two_corners_are_refused_unless_the_recipe_says_so(tmp_path: Path) -> None:
    corners = [[20, 10, 55, 38], [30, 20, 58, 39]]
    coco = Coco(file=dataset(tmp_path, [annotation(bbox=bbox) for bbox in corners]))
    with pytest.raises(ConfigError, match=r"2 of 2 boxes .* 20, 10, 55, 38 .*60×40.*`boxes: xyxy`"):
        attach(coco)
    assert attach(Coco(file=coco.file, boxes="xyxy")).boxes == tuple(map(tuple, corners))
    assert len(attach(Coco(file=coco.file, boxes="xywh")).boxes) == 2
    attach(coco := Coco(file=dataset(tmp_path, [annotation(bbox=[20, 10, 35, 28])])))
    assert not any("xyxy" in note for note in coco.notes())


@pytest.mark.parametrize(("box", "noted"), [([0.2, 0.1, 0.5, 0.4], True), ([0, 0, 1, 1], False)])
def test_boxes_of_shares_are_noted_and_placeholders_beside_outlines_are_not(
    tmp_path: Path, box: list[float], noted: bool
) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation(bbox=box, segmentation=[[0, 0, 30, 0, 30, 40, 0, 40]])]))
    attach(coco)
    assert any("shares" in note for note in coco.notes()) is noted


def test_panoptic_files_are_refused_with_advice(tmp_path: Path) -> None:
    panoptic = [
        {"image_id": 1, "file_name": "x.png", "segments_info": [{"id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}
    ]
    with pytest.raises(XrayError, match="panoptic"):
        attach(Coco(file=dataset(tmp_path, panoptic)))


HALF, REST = [0, 0, 30, 0, 30, 40, 0, 40], [30, 0, 60, 0, 60, 40, 30, 40]


@pytest.mark.parametrize(
    ("label", "stated"),
    [
        ("Vulpes vulpes", False), ("n02119022", False), ("redfox", False), ("Red-Fox", False),
        ("foxes", True), ("object", True), ("277", True),
    ],
)  # fmt: skip
def test_objects_of_other_categories_do_not_count(label: str, stated: bool, tmp_path: Path, photo: Decoded) -> None:
    """Labels say a category by their meaning, too; where none does, the labels of other categories are left out."""
    both = [annotation([HALF]), annotation([REST], category_id=2), annotation([REST], category_id=2, image_id=2)]
    images = [image("1.jpg"), image("2.jpg", 2), image("3.jpg", 3)]
    both += [annotation([REST], category_id=2, image_id=3)]
    names = [{"id": 1, "name": label}, {"id": 2, "name": "cello"}]
    coco = Coco(file=dataset(tmp_path, both, images=images, categories=names))
    photos = [Candidate(f"{name}.jpg", category, f"file:///{name}.jpg") for name, category in
              (("1", "red fox"), ("2", "cello"), ("3", "red fox"))]  # fmt: skip
    fox, cello, other = coco.attach(photos)
    assert [mask_of(coco, one, photo).any(axis=0).tolist() for one in (fox, cello)] == [
        [True] * 30 + [False] * 30, [False] * 30 + [True] * 30
    ]  # fmt: skip
    assert other.mask_uri is None
    assert any(label in note for note in coco.notes()) == stated


@pytest.mark.parametrize(("used", "listed"), [((0, 1), (1, 2)), ((1, 2), (0, 1))])
def test_category_ids_counted_from_another_start_are_refused(
    used: tuple[int, int], listed: tuple[int, int], tmp_path: Path
) -> None:
    names = [{"id": number, "name": name} for number, name in zip(listed, ("fox", "grass"), strict=True)]
    file = dataset(tmp_path, [annotation([HALF], category_id=number) for number in used], categories=names)
    with pytest.raises(XrayError, match=f"{used[0]}–{used[1]}.*{listed[0]}–{listed[1]}"):
        attach(Coco(file=file))


def test_a_single_unknown_category_id_costs_only_itself(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation([L_POLYGON]), annotation([HALF], category_id=9)]))
    (fox,) = coco.attach([Candidate("val/fox.jpg", "fox", "file:///1.jpg")])
    assert (mask_of(coco, fox, photo) == mask).all()


def test_an_image_that_different_photographs_match_belongs_to_none(tmp_path: Path) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation([HALF])], images=[image("1.jpg")]))
    photos = []
    for name, data in (("fox/train", b"one"), ("fox/val", b"two"), ("fox/copies", b"one")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_bytes(data)
        photos.append(candidate(f"{name}/1.jpg", uri=(tmp_path / name / "1.jpg").as_uri()))
    assert [one.mask_uri for one in coco.attach(photos)] == [None] * 3
    assert any("fox/val/1.jpg" in note for note in coco.notes())
    assert all(one.mask_uri for one in coco.attach([photos[0], photos[2]])), "copies of one photograph"


def test_objects_of_other_lists_are_no_annotations(tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    path = Path(dataset(tmp_path, [annotation([L_POLYGON])]))
    content = json.loads(path.read_bytes())
    content |= {"predictions": [annotation([SQUARE_POLYGON], bbox=[0, 0, 5, 5])], "categories": 5}
    path.write_text(json.dumps(content))
    result = attach(Coco(file=str(path)))
    assert result.mask_uri is not None
    assert result.boxes == ()
    assert (COCO.read(files.read_bytes(result.mask_uri), photo)[0] == mask).all()


def test_a_placeholder_box_does_not_refuse_a_mask(tmp_path: Path, photo: Decoded) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation(rle(SQUARE), bbox=[0, 0, 1, 1])]))
    one = attach(coco)
    assert one.problem == ""
    assert (mask_of(coco, one, photo) == SQUARE).all()
