"""Automatic masks of Segment Anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.exports import (
    FOX,
    area,
    attach,
    read,
    runs,
    save,
)
from support.mask_inputs import HEIGHT, WIDTH

from xray.core.errors import ConfigError
from xray.core.images import Decoded
from xray.masks.formats.segment_anything import SegmentAnything


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
