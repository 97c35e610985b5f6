"""Exports of Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.exports import (
    attach,
    read,
    save,
)
from support.mask_inputs import HEIGHT, WIDTH

from xray.core.images import Decoded
from xray.masks.formats.label_studio import LabelStudio


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


def test_choices_of_a_region_are_not_its_label(tmp_path: Path) -> None:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "id": "r", "value": {}}
    place = {"x": 10, "y": 10, "width": 50, "height": 50}
    results = [
        {**size, "value": {**place, name: [label]}} for name, label in (("rectanglelabels", "c"), ("choices", "d"))
    ]
    tasks = [{"data": {"image": "x.jpg"}, "annotations": [{"result": results}]}]
    studio = LabelStudio(file=save(tmp_path / "a.json", tasks))
    assert {*attach(studio, "c").boxes} == {(6, 4, 36, 24)}
