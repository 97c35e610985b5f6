"""Run lengths along rows instead of down columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mask_inputs import candidate

from xray.core import files
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.formats.coco import Coco
from xray.masks.formats.segment_anything import SegmentAnything
from xray.masks.quality import box_of
from xray.masks.reading.objects import Drawing, Object
from xray.masks.reading.outlines import encode_runs
from xray.masks.reading.run_order import RunOrders


def runs(mask: Mask, *, rows: bool = False) -> dict[str, Any]:
    flat = np.concatenate([[False], mask.ravel() if rows else mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *ends, mask.size]).tolist()}


def ball(height: int, width: int, x: float, y: float, radius: float) -> Mask:
    rows, columns = np.ogrid[:height, :width]
    return np.asarray((columns - x * width) ** 2 + (rows - y * height) ** 2 < (radius * min(height, width)) ** 2)


def bbox(mask: Mask) -> list[float]:
    x0, y0, x1, y1 = box_of(mask) or (0, 0, 0, 0)
    return [x0, y0, x1 - x0, y1 - y0]


BALLS = [ball(90, 120, 0.3, 0.6, 0.25), ball(90, 120, 0.7, 0.4, 0.2), ball(90, 120, 0.6, 0.7, 0.3)]


def coco(folder: Path, masks: list[Mask], *, boxes: bool, rows: bool, **settings: Any) -> Coco:
    content = {
        "images": [
            {"id": k, "file_name": f"{k}.jpg", "height": mask.shape[0], "width": mask.shape[1]}
            for k, mask in enumerate(masks)
        ],
        "annotations": [
            {"image_id": k, "category_id": 1, "segmentation": runs(mask, rows=rows), "area": int(mask.sum())}
            | ({"bbox": bbox(mask)} if boxes else {})
            for k, mask in enumerate(masks)
        ],
        "categories": [{"id": 1, "name": "fox"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return Coco(file=str(folder / "coco.json"), **settings)


def attached(format: Coco | SegmentAnything, count: int) -> list[Any]:
    return list(format.attach([candidate(f"{k}.jpg") for k in range(count)]))


@pytest.mark.parametrize("boxes", [True, False])
def test_runs_along_rows_are_refused_and_read_if_the_recipe_says_so(tmp_path: Path, boxes: bool) -> None:
    with pytest.raises(ConfigError, match=r"3 of 3 .*`runs: rows`"):
        attached(coco(tmp_path, BALLS, boxes=boxes, rows=True), 3)
    found = coco(tmp_path, BALLS, boxes=boxes, rows=True, runs="rows")
    for one, mask in zip(attached(found, 3), BALLS, strict=True):
        read, _ = found.read(files.read_bytes(one.mask_uri), Decoded(np.zeros((*mask.shape, 3), np.uint8), None, ()))
        assert (read == mask).all()
    assert len(attached(coco(tmp_path, BALLS, boxes=boxes, rows=False), 3)) == 3


def test_in_square_images_the_box_tells(tmp_path: Path) -> None:
    masks = [ball(100, 100, 0.2, 0.7, 0.15), ball(100, 100, 0.8, 0.3, 0.1)]
    with pytest.raises(ConfigError, match="`runs: rows`"):
        attached(coco(tmp_path, masks, boxes=True, rows=True), 2)
    assert len(attached(coco(tmp_path, masks, boxes=False, rows=True), 2)) == 2  # nothing tells


def test_a_single_odd_mask_is_noted(tmp_path: Path) -> None:
    found = coco(tmp_path, BALLS, boxes=True, rows=False)
    content = json.loads((tmp_path / "coco.json").read_text())
    content["annotations"][1]["segmentation"] = runs(BALLS[1], rows=True)
    (tmp_path / "coco.json").write_text(json.dumps(content))
    attached(found, 3)
    assert any("1 of 3 run lengths" in note and "1.jpg" in note for note in found.notes())


def test_masks_of_segment_anything_too(tmp_path: Path) -> None:
    for k, mask in enumerate(BALLS):
        (tmp_path / f"{k}.json").write_text(json.dumps([{"segmentation": runs(mask, rows=True), "bbox": bbox(mask)}]))
    with pytest.raises(ConfigError, match="`runs: rows`"):
        attached(SegmentAnything(root=str(tmp_path), choose="largest"), 3)
    assert attached(SegmentAnything(root=str(tmp_path), choose="largest", runs="rows"), 3)[0].mask_uri is not None


@given(st.integers(0, 2**32 - 1), st.integers(20, 90), st.integers(20, 90), st.floats(0, 8), st.booleans())
def test_right_runs_are_never_questioned(seed: int, height: int, width: int, smooth: float, boxes: bool) -> None:
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    blurred = noise if smooth < 0.3 else cv2.GaussianBlur(noise, (0, 0), smooth)
    mask = blurred > np.quantile(blurred, 0.7)
    one = Object("", encode_runs(mask), box=box_of(mask) if boxes else None)
    orders = RunOrders()
    orders.watch("1.jpg", Drawing((width, height), (one,)))
    assert orders.check("coco") == []


def test_sizes_that_are_swapped_are_not_another_direction(tmp_path: Path) -> None:
    found = coco(tmp_path, BALLS, boxes=False, rows=False)
    content = json.loads((tmp_path / "coco.json").read_text())
    for one in content["annotations"]:
        one["segmentation"]["size"].reverse()
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (one, *_) = attached(found, 3)  # refused with both sizes when it is read
    with pytest.raises(Rejected) as caught:
        found.read(files.read_bytes(one.mask_uri), Decoded(np.zeros((90, 120, 3), np.uint8), None, ()))
    assert (caught.value.reason, "120×90" in caught.value.detail) == ("corrupt_mask", True)
