from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from xray.sources.recognize import advice, read_head, recognize


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"images": [], "annotations": []}, "coco"),
        ({"images": [], "annotations": [{"segments_info": []}]}, "png"),
        ({"shapes": [], "imageWidth": 1}, "labelme"),
        ({"image": {}, "annotations": []}, "segment_anything"),
        ([{"segmentation": {}, "predicted_iou": 1}], "segment_anything"),
        ([{"data": {"image": "a"}, "annotations": []}], "label_studio"),
        ([{"image": "a", "label": []}], "label_studio"),
        ([{"image_id": 1, "category_id": 1, "score": 1}], "COCO file"),
        ({"_via_img_metadata": {}}, "coco"),
        ({"a.jpg123": {"filename": "a.jpg", "regions": []}}, "coco"),
        ({"samples": []}, "coco"),
        ({"type": "FeatureCollection"}, "coco"),
        ([{"Label": {}, "External ID": "a"}], "coco"),
    ],
)
def test_json_is_recognized_by_its_first_keys(content: object, kind: str) -> None:
    assert kind in advice(json.dumps(content).encode(), "other")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a --><annotations/>", "cvat"),
        (b"<annotation>", "voc"),
        (b"0 0.5 0.5 0.1 0.1\n", "yolo"),
        (b"\x89PNG\r\n", "png"),
    ],
)
def test_other_files_are_recognized_and_their_own_kind_needs_no_advice(data: bytes, kind: str) -> None:
    assert f"`kind: {kind}`" in advice(data, "other")
    assert advice(data, kind) == ""


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"[1]", b"{}", b"\xff", b"<svg/>", b"text", b"1 2", b"[" * 9999, b"1" + b" -0.5" * 60 + b" x"],
)
def test_anything_else_is_unknown(data: bytes) -> None:
    assert recognize(data) is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"info": {"a": "[{"}, "images": [{"id": n, "file_name": f"ü{n}.jpg"} for n in range(9999)]}, "coco"),
        ({"shapes": [{"points": [[n, n] for n in range(9999)]}]}, "labelme"),
        (
            [{"id": 1, "data": {"image": "a"}, "annotations": [{"result": [{"x": n} for n in range(9999)]}]}],
            "label_stu",
        ),
    ],
)
def test_the_first_bytes_are_enough(content: object, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content, ensure_ascii=False))
    head = read_head(file.as_uri())
    assert len(head) < file.stat().st_size
    assert (seen := recognize(head)) is not None
    assert seen.kind.startswith(kind)


def test_quotation_marks_take_time_in_proportion() -> None:
    started = time.process_time()
    assert recognize(b"{" + b'"a\\' * 20_000) is None
    assert time.process_time() - started < 2
