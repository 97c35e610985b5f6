"""Exports of annotation tools: the photograph's own object, whatever the tool; bad parts cost only themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as pycoco
from support.brush import encode_brush
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core import files
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.core.plugins import build, settings_of
from xray.masks import Annotations, Mask
from xray.masks.fitting import read_mask
from xray.masks.formats.coco import Coco
from xray.masks.formats.cvat import Cvat
from xray.masks.formats.label_studio import LabelStudio
from xray.masks.formats.labelme import Labelme
from xray.masks.formats.segment_anything import SegmentAnything
from xray.masks.formats.voc import Voc
from xray.masks.formats.voc_masks import VocMasks, voc_colour
from xray.masks.formats.yolo import Yolo
from xray.sources.base import Candidate

FOX, PERSON = (5, 5, 25, 35), (30, 10, 50, 30)  # x0, y0, x1, y1
SHAPES = {"Red_Fox": FOX, "person": PERSON}


def corners(box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    x0, y0, x1, y1 = box
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def polygon(box: tuple[int, int, int, int]) -> list[tuple[float, float]]:
    """Return the box with a fifth point, so that it is no oriented box."""
    return [*corners(box), (box[0], (box[1] + box[3]) / 2)]


def area(box: tuple[int, int, int, int], width: int = WIDTH, height: int = HEIGHT) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def runs(mask: Mask) -> dict[str, Any]:
    rle = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def save(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    path.write_bytes(data)
    return str(path)


def coco(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    content = {
        "images": [{"id": "7", "coco_url": "http://host/val/x.jpg?token=1", "width": width, "height": height}],
        "annotations": [
            {"image_id": 7, "category_id": str(number), "segmentation": [[v for p in polygon(box) for v in p]]}
            for number, box in enumerate(SHAPES.values())
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(SHAPES)],
    }
    return Coco(file=save(folder / "labels.json", content))


def yolo(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    save(folder / "data.yaml", "names: {0: Red_Fox, 1: person}\nnc: 2\n")
    lines = [
        f"{number} " + " ".join(f"{x / width} {y / height}" for x, y in polygon(box))
        for number, box in enumerate(SHAPES.values())
    ]
    save(folder / "train/labels/x.txt", "\n".join([*lines, ""]))
    return Yolo(root=str(folder / "train/labels"))


def percent(box: tuple[int, int, int, int], width: int, height: int) -> list[list[float]]:
    return [[100 * x / width, 100 * y / height] for x, y in polygon(box)]


def label_studio(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    fox = {"points": percent(FOX, width, height), "polygonlabels": ["Red_Fox"]}
    brush = {"format": "rle", "rle": list(encode_brush(area(PERSON, width, height))), "brushlabels": ["person"]}
    old = {"result": [{**size, "value": {"points": [[0, 0], [9, 0], [9, 9]], "polygonlabels": ["Red_Fox"]}}]}
    new = {"result": [{**size, "type": "polygonlabels", "value": fox}, {**size, "type": "brushlabels", "value": brush}]}
    cancelled = {"was_cancelled": True, "result": []}
    task = {"data": {"text": "hello", "image": "/data/upload/4/8a7bcdef-x.jpg"}, "annotations": [old, new, cancelled]}
    return LabelStudio(file=save(folder / "export.json", [task]))


def label_studio_min(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    size = {"original_width": width, "original_height": height}
    boxes = [{**size, "points": percent(box, width, height), "polygonlabels": [name]} for name, box in SHAPES.items()]
    return LabelStudio(
        file=save(folder / "min.json", [{"image": "/data/local-files/?d=a/x.jpg", "label": boxes, "id": 1}])
    )


def cvat(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    points = ";".join(f"{x},{y}" for x, y in polygon(FOX))
    x0, y0, x1, y1 = PERSON
    mask = f'<mask label="person" rle="0, {(x1 - x0) * (y1 - y0)}" left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>'
    text = f"""<?xml version="1.0"?><annotations><version>1.1</version>
    <image id="0" name="images/x.jpg" width="{width}" height="{height}"><tag label="night"/>
    <polygon label="Red_Fox" points="{points}"/>{mask}<polyline label="person" points="1,1;2,2"/></image></annotations>"""
    return Cvat(file=save(folder / "annotations.xml", text))


def labelme(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    """As X-AnyLabeling writes it; labelme fills the outline, too."""
    shapes = [
        {
            "label": name,
            "points": [[x0, y0], [x1 - 1, y1 - 1]],
            "shape_type": "rectangle",
            "flags": None,
            "group_id": None,
        }
        | {"description": None, "difficult": False, "mask": None, "attributes": {}}
        for name, (x0, y0, x1, y1) in SHAPES.items()
    ]
    content = {
        "imageWidth": width,
        "imageHeight": height,
        "imagePath": "..\\x.jpg",
        "imageData": None,
        "shapes": shapes,
    }
    save(folder / "x.json", content)
    return Labelme(root=str(folder))


def voc(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    objects = ""
    for name, box in SHAPES.items():
        points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(polygon(box), 1))
        objects += f"<object><name>{name}</name><polygon>{points}</polygon></object>"
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    save(folder / "x.xml", f"<annotation>{size}{objects}</annotation>")
    return Voc(root=str(folder))


def voc_masks(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    save(
        folder / "labelmap.txt",
        "# label:color_rgb:parts:actions\nRed_Fox:250,50,83::\nperson:0,0,9::\nbackground:0,0,0::\n",
    )
    image = np.zeros((height, width, 3), np.uint8)
    image[area(FOX, width, height)] = (250, 50, 83)
    image[area(PERSON, width, height)] = (0, 0, 9)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    save(folder / "SegmentationClass/x.png", stream.getvalue())
    return VocMasks(root=str(folder))


TOOLS = [coco, yolo, label_studio, label_studio_min, cvat, labelme, voc, voc_masks]
Tool = Callable[..., Annotations]


def attach(annotations: Annotations, category: str = "red fox", **more: Any) -> Candidate:
    (one,) = annotations.attach([replace(candidate("fox/x.jpg", **more), category=category)])
    return one


def read(annotations: Annotations, one: Candidate, photo: Decoded) -> tuple[Mask, tuple[str, ...]]:
    return read_mask(annotations, files.read_bytes(one.mask_uri) if one.mask_uri else None, photo)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_object_is_what_has_the_photographs_category(tool: Tool, tmp_path: Path, photo: Decoded) -> None:
    annotations = tool(tmp_path)
    for category, expected in (("red fox", area(FOX)), ("person", area(PERSON)), ("cello", area(FOX) | area(PERSON))):
        one = attach(annotations, category)
        mask, notes = read(annotations, one, photo)
        assert np.array_equal(mask, expected), category
        assert (notes, one.problem) == ((), "")
        united = [note for note in annotations.notes() if "Red_Fox" in note and "person" in note]
        assert any("[LABEL]" in note for note in united) == (category == "cello")


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool is not yolo])
def test_annotations_of_stored_pixels_are_turned(tool: Tool, tmp_path: Path) -> None:
    lying = Decoded(np.zeros((WIDTH, HEIGHT, 3), np.uint8), None, (), orientation=6)
    annotations = tool(tmp_path)
    mask, notes = read(annotations, attach(annotations), lying)
    assert np.array_equal(mask, np.rot90(area(FOX), -1))
    assert notes == ("mask_rotated_by_exif",)


@pytest.mark.parametrize("tool", TOOLS)
def test_annotations_of_another_size_are_scaled_or_refused(tool: Tool, tmp_path: Path) -> None:
    double = Decoded(np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8), None, ())
    annotations = tool(tmp_path)
    one = attach(annotations)
    if tool is not yolo:
        with pytest.raises(Rejected, match=f"mask_wrong_size.*{WIDTH}×{HEIGHT}"):
            read(annotations, one, double)
    mask, _ = read(replace(annotations, resize=True), one, double)
    assert np.array_equal(mask, area(FOX).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("tool", TOOLS)
def test_labels_of_the_recipe_are_checked_and_may_differ_by_category(
    tool: Tool, tmp_path: Path, photo: Decoded
) -> None:
    setting = "categories" if tool is coco else "labels"
    chosen: Any = replace(tool(tmp_path), **{setting: {"cello": "person"}})
    assert np.array_equal(read(chosen, attach(chosen, "cello"), photo)[0], area(PERSON))
    assert np.array_equal(read(chosen, attach(chosen, "red fox"), photo)[0], area(FOX))
    assert any("cello" in note for note in chosen.notes())
    with pytest.raises(ConfigError, match=r"'wolf'.*person"):
        attach(replace(chosen, **{setting: ("wolf",)}))


@pytest.mark.parametrize("tool", TOOLS)
def test_photographs_without_their_label_are_counted(tool: Tool, tmp_path: Path) -> None:
    photos = [replace(candidate(key), category="red fox") for key in ("x.jpg", "y.jpg")]
    annotations = tool(tmp_path)
    first, second = annotations.attach(photos)
    assert first.mask_uri is not None
    assert second.mask_uri is None


WRONG = [
    (Coco, label_studio, "label_studio"), (Coco, cvat, "cvat"), (LabelStudio, coco, "coco"), (Cvat, coco, "coco"),
    (LabelStudio, label_studio, ""), (Cvat, label_studio_min, "label_studio"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "tool", "advice"), WRONG)
def test_a_file_of_another_kind_is_recognized(kind: Any, tool: Tool, advice: str, tmp_path: Path) -> None:
    other: Any = tool(tmp_path)
    if not advice:
        assert list(kind(file=other.file).attach([])) == []
        return
    with pytest.raises(ConfigError, match=f"kind: {advice}`"):
        list(kind(file=other.file).attach([]))


@pytest.mark.parametrize(("kind", "content"), [(Voc, "<annotations/>"), (Labelme, '{"images": [], "annotations": []}')])
def test_a_photographs_own_file_of_another_kind_is_recognized(kind: Any, content: str, tmp_path: Path) -> None:
    save(tmp_path / ("x.xml" if kind is Voc else "x.json"), content)
    problem = attach(kind(root=str(tmp_path))).problem
    assert problem.startswith("corrupt_mask")
    assert "kind: cvat" in problem or "kind: coco" in problem


@pytest.mark.parametrize("kind", [Coco, LabelStudio, Cvat])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"[1]", b"\xff\xfe\xff", b"<annotations/>", b"[" * 99999])
def test_files_of_nothing_are_refused_by_name(kind: Any, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        save(tmp_path / "a.json", content)
    with pytest.raises(ConfigError, match=r"a\.json"):
        list(kind(file=str(tmp_path / "a.json")).attach([]))
    with pytest.raises(ConfigError, match="b"):
        list(kind(file=str(tmp_path / "b*.json")).attach([]))


def test_label_studio_reads_every_shape_and_leaves_out_bad_ones(tmp_path: Path, photo: Decoded) -> None:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    regions: list[dict[str, Any]] = [
        {"x": 50, "y": 50, "radiusX": 10, "radiusY": 15, "rotation": 0, "ellipselabels": ["c"]},
        {"x": 50, "y": 50, "width": 10, "height": 10, "rotation": 90, "rectanglelabels": ["c"]},
        {"x": 10, "y": 20, "width": 0.5, "keypointlabels": ["c"]},
        {"points": [[0, 0], [1, 1]], "polygonlabels": ["c"]},
        {"rle": [0, 0, 0], "brushlabels": ["c"]},
        {"x": 1, "ellipselabels": ["c"]},
    ]
    tasks = [{"image": "x.jpg", "tag": [{**size, **one} for one in regions]}, {"text": "a"}]
    studio = LabelStudio(file=save(tmp_path / "a.json", tasks))
    one = attach(studio, "c")
    mask, notes = read(studio, one, photo)
    assert abs(mask.sum() / (np.pi * 6 * 6) - 1) < 0.1
    assert notes == ("mask_parts_left_out",)
    assert one.points == ((6, 8, True),)
    assert np.allclose(one.boxes, [(26, 20, 30, 26)])
    assert any("3 parts" in note for note in studio.notes())


def test_cvat_reads_boxes_points_and_ellipses(tmp_path: Path, photo: Decoded) -> None:
    shapes = """<box label="c" xtl="10" ytl="10" xbr="20" ybr="30" rotation="90"/><points label="c" points="1,2;3,4"/>
    <ellipse label="c" cx="30" cy="20" rx="6" ry="6"/><mask label="c" rle="1,2" left="0" top="0" width="9" height="9"/>
    <polygon label="c" points="1,1;2"/><box label="c" xtl="10"/>"""
    image = f'<image name="x.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image><image name="y.jpg" width="a"/>'
    cvat = Cvat(file=save(tmp_path / "a.xml", f"<annotations>{image}</annotations>"))
    one = attach(cvat, "c")
    assert np.allclose(one.boxes, [(5, 15, 25, 25)])
    assert one.points == ((1, 2, True), (3, 4, True))
    mask, notes = read(cvat, one, photo)
    assert abs(mask.sum() / (np.pi * 6 * 6) - 1) < 0.1
    assert notes == ("mask_parts_left_out",)
    (broken,) = cvat.attach([candidate("y.jpg")])
    assert broken.problem.startswith("corrupt_mask")
    with pytest.raises(ConfigError, match="video"):
        list(Cvat(file=save(tmp_path / "v.xml", "<annotations><track/></annotations>")).attach([]))


@pytest.mark.parametrize(
    ("line", "boxes", "masks"),
    [
        ("0 0.5 0.5 0.2 0.4", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("0 0.5 0.5 0.2 0.4 0.93", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("0 0.1 0.1 0.5 0.2 0.4 0.6 0 0.5", [(0, 0.1, 0.5, 0.6)], 0),
        ("0 0.1 0.1 0.5 0.2 0.4 0.6", [], 1),
        ("0 0.5 0.5 0.2 0.4 0.45 0.5 2 0.5 0.5 1", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("", [], 0),
    ],
)
def test_yolo_lines_are_boxes_oriented_boxes_polygons_or_keypoints(
    line: str, boxes: list[Any], masks: int, tmp_path: Path
) -> None:
    save(tmp_path / "data.yaml", "names: [c]\nkpt_shape: [2, 3]")
    save(tmp_path / "labels/x.txt", line)
    one = attach(Yolo(root=str(tmp_path / "labels")), "c")
    assert (one.problem, one.mask_uri is not None) == ("", bool(masks))
    assert np.allclose(one.boxes, boxes)
    assert one.drawn_on == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        "0 320 240 50 60",
        "0 a b c d",
        "0 .1 .2 .3",
        "0.5 .1 .1 .1 .1",
        "0 .5 .5 0 .1",
        "x",
        "0 nan nan nan nan",
        "inf .1 .1 .1 .1",
    ],
)
def test_bad_yolo_lines_are_problems_of_their_file_only(line: str, tmp_path: Path, photo: Decoded) -> None:
    save(tmp_path / "x.txt", line)
    yolo = Yolo(root=str(tmp_path))
    assert attach(yolo, "c").problem.startswith("corrupt_mask: yolo: line 1")
    save(tmp_path / "x.txt", f"{line}\n3 0 0 1 0 1 1\n")
    one = attach(yolo, "c")
    assert read(yolo, one, photo)[0].any()
    assert any("line 1" in note for note in yolo.notes())
    save(tmp_path / "classes.txt", "fox\ncello\n")
    attach(yolo, "c")
    assert any("class 3" in note and "cello" in note for note in yolo.notes())


def test_yolo_labels_lie_beside_images_or_photographs(tmp_path: Path) -> None:
    save(tmp_path / "data.yaml", "names: [c]")
    for split in ("train", "valid"):
        save(tmp_path / f"{split}/labels/x.txt", "0 0.5 0.5 0.2 0.4")
    save(tmp_path / "other/x.txt", "0 0.5 0.5 0.2 0.4")
    folders = ("train/images", "valid/images", "test/images", "other")
    photos = [candidate(f"{folder}/x.jpg", uri=(tmp_path / folder / "x.jpg").as_uri()) for folder in folders]
    (tmp_path / "test/images").mkdir(parents=True)
    assert [len(one.boxes) for one in Yolo().attach(photos)] == [1, 1, 0, 1]
    for bad in ("- 1", "names: 3", "a: [", "names: {a: b}"):
        with pytest.raises(ConfigError, match=r"n\.yaml"):
            list(Yolo(names=save(tmp_path / "n.yaml", bad)).attach(photos))


def test_of_everything_that_segment_anything_finds_one_is_chosen(tmp_path: Path, photo: Decoded) -> None:
    found = {"grass": (0, 20, WIDTH, HEIGHT), "small": (28, 18, 34, 26), "large": FOX, "eye": (29, 19, 31, 21)}
    entries = [
        {
            "segmentation": runs(area(box)),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "predicted_iou": 1,
        }
        for box in found.values()
    ]
    for content in (entries, {"image": {"file_name": "x.jpg"}, "annotations": [*entries, {"bbox": 1}]}):
        save(tmp_path / "x.json", content)
        for choose, expected in (("largest", "large"), ("central", "small"), ("box", "eye")):
            sam = SegmentAnything(root=str(tmp_path), choose=choose)
            one = attach(sam, boxes=((58, 38, 62, 42),), drawn_on=(2 * WIDTH, 2 * HEIGHT))
            assert np.array_equal(read(sam, one, photo)[0], area(found[expected]))
    assert attach(sam, boxes=((0, 0, 1, 1),)).mask_uri is None
    assert any("choose: box" in note for note in sam.notes())
    with pytest.raises(ConfigError, match="choose"):
        attach(SegmentAnything(root=str(tmp_path)))
    for bad in ("{}", "[]", '[{"segmentation": [[1]], "bbox": [1, 2, 3, 4]}]', "[1]"):
        save(tmp_path / "x.json", bad)
        assert attach(sam).problem.startswith("corrupt_mask")


def test_palettes_of_voc_are_labels_and_unknown_colours_are_refused(tmp_path: Path, photo: Decoded) -> None:
    numbers = np.where(area(FOX), 12, np.where(area(PERSON), 15, 0)).astype(np.uint8)
    numbers[0] = 255  # VOC's ignored pixels
    image = Image.fromarray(numbers, "P")
    image.putpalette([channel for number in range(256) for channel in voc_colour(number)])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    save(tmp_path / "SegmentationClass/x.png", stream.getvalue())
    voc = VocMasks(root=str(tmp_path))
    assert np.array_equal(read(voc, attach(voc, "dog"), photo)[0], area(FOX))
    save(tmp_path / "labelmap.txt", "dog:1,2,3::")
    assert "(64, 0, 128)" in attach(voc, "dog").problem
    save(tmp_path / "SegmentationClass/x.png", b"GIF")
    assert attach(voc, "dog").problem.startswith("corrupt_mask")
    for bad in ("dog", "dog:1,2", "dog:a,b,c"):
        save(tmp_path / "labelmap.txt", bad)
        with pytest.raises(ConfigError, match="labelmap"):
            attach(voc)
    background = "dog:64,0,128::\nbackground:192,128,128::"
    save(tmp_path / "labelmap.txt", background)
    save(tmp_path / "SegmentationClass/x.png", stream.getvalue())
    assert np.array_equal(read(voc, attach(voc, "cat"), photo)[0], area(FOX))
    with pytest.raises(ConfigError, match="SegmentationClass"):
        attach(VocMasks(root=str(tmp_path / "SegmentationClass")))


@pytest.mark.parametrize("labels", [3, {"fox": 3}, {"fox": {"a": "b"}}, [["a"]], None])
def test_labels_that_are_none_are_refused_with_their_place(labels: Any) -> None:
    with pytest.raises(ValueError, match="labels"):
        build("annotation format", Annotations, {"kind": "cvat", "file": "a.xml", "labels": labels})
    single = build("annotation format", Annotations, {"kind": "cvat", "file": "a.xml", "labels": "fox"})
    assert settings_of(single)["labels"] == ["fox"]


def test_a_folder_with_files_of_another_kind_is_recognized(tmp_path: Path) -> None:
    voc(tmp_path / "voc")
    for kind in (Labelme, Yolo, SegmentAnything):
        other: Any = kind(root=str(tmp_path / "voc"), **({"choose": "largest"} if kind is SegmentAnything else {}))
        assert attach(other).mask_uri is None
        assert any("kind: voc" in note for note in other.notes())
    beside = Labelme()
    photo = candidate("x.jpg", uri=(tmp_path / "voc/x.jpg").as_uri())
    assert [one.mask_uri for one in beside.attach([photo])] == [None]
    assert any("kind: voc" in note for note in beside.notes())


_TASK = '[{{"data": {{"image": "x.jpg"}}, "annotations": {}}}]'
_REGION = '[{{"result": [{{"original_width": {}, "original_height": 40, "value": {{"x": 1, "y": 1}}}}]}}]'


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("label_studio", "a.json", _TASK.format(5)),
        ("label_studio", "a.json", _TASK.format('[{"result": 5}]')),
        ("label_studio", "a.json", _TASK.format(_REGION.format("1e999"))),
        ("label_studio", "a.json", _TASK.format('[{"result": [{"id": [1], "value": {"x": 1, "keypointlabels": ["c"]}}]}]')),
        ("cvat", "a.xml", '<annotations><image name="x.jpg" width="9" height="9"><mask left="inf" top="0" width="1" '
         'height="1" rle="1"/></image></annotations>'),
        ("segment_anything", "x.json", "[" * 99999),
        ("segment_anything", "x.json", '[{"segmentation": {"size": [1e999, 2], "counts": "1"}, "bbox": [0, 0, 1, 1]}]'),
        ("voc", "x.xml", "<annotation><size><width>inf</width><height>9</height></size></annotation>"),
    ],
)  # fmt: skip
def test_what_no_tool_writes_is_refused_and_no_fault(kind: str, name: str, content: str, tmp_path: Path) -> None:
    save(tmp_path / name, content)
    place = {"root": str(tmp_path)} if name.startswith("x") else {"file": str(tmp_path / name)}
    choose = {"choose": "largest"} if kind == "segment_anything" else {}
    annotations = build("annotation format", Annotations, {"kind": kind, **place, **choose})
    try:
        problem = attach(annotations, "c").problem
    except ConfigError as error:
        problem = str(error)
    assert problem.startswith("corrupt_mask") or name in problem


def test_choices_of_a_region_are_not_its_label(tmp_path: Path) -> None:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "id": "r", "value": {}}
    place = {"x": 10, "y": 10, "width": 50, "height": 50}
    results = [
        {**size, "value": {**place, name: [label]}} for name, label in (("rectanglelabels", "c"), ("choices", "d"))
    ]
    tasks = [{"data": {"image": "x.jpg"}, "annotations": [{"result": results}]}]
    studio = LabelStudio(file=save(tmp_path / "a.json", tasks))
    assert {*attach(studio, "c").boxes} == {(6, 4, 36, 24)}


def test_class_names_that_are_an_alias_bomb_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "x.txt", "0 .5 .5 .1 .1")
    save(tmp_path / "data.yaml", "a: &a [x, x]\nnames: [*a, *a]\n")
    with pytest.raises(ConfigError, match="aliases"):
        attach(Yolo(root=str(tmp_path)), "c")
