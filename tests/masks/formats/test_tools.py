"""Exports of annotation tools: the photograph's own object, whatever the tool; bad parts cost only themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exports import (
    FOX,
    PERSON,
    TOOLS,
    WRONG,
    Tool,
    area,
    attach,
    coco,
    read,
    save,
    voc,
    yolo,
)
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.core.plugins import build, settings_of
from xray.masks import Annotations
from xray.masks.formats.coco import Coco
from xray.masks.formats.cvat import Cvat
from xray.masks.formats.label_studio import LabelStudio
from xray.masks.formats.labelme import Labelme
from xray.masks.formats.segment_anything import SegmentAnything
from xray.masks.formats.voc import Voc
from xray.masks.formats.yolo import Yolo


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
