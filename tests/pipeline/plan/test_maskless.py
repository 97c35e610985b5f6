from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn_photos import drawn, write

from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.pipeline.plan.survey import Survey, survey
from xray.runs.recipe import recipe_from


def surveyed(folder: Path, masks: dict[str, Any], *scenarios: str) -> Survey:
    values = {
        "source": {"kind": "imagefolder", "root": str(folder)},
        "categories": {"ball": [852]},
        "masks": masks,
        "scenarios": list(scenarios) or ["original", "segmented"],
    }
    return survey(recipe_from(values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(3):
        write(tmp_path / f"ball/{seed}.jpg", encode(drawn(seed)[0]))
    return tmp_path


@pytest.mark.parametrize("masks", [{}, {"refine": "grabcut"}, {"annotations": {"kind": "alpha"}}])
def test_a_recipe_without_masks_is_refused_with_the_lines_to_write(folder: Path, masks: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="kind: text") as caught:
        surveyed(folder, masks)
    assert "guess" in str(caught.value)


def test_scenarios_without_masks_and_transparent_photographs_pass(folder: Path) -> None:
    assert len(surveyed(folder, {}, "original").source) == 3
    image = drawn(0)[0]
    alpha = np.zeros(image.shape[:2], np.uint8)
    alpha[20:60, 20:60] = 255
    write(folder / "ball/cut.png", encode(np.dstack([image, alpha]), "png"))
    assert len(surveyed(folder, {}).source) == 4


def test_a_guess_is_named_in_the_notes_of_the_run(folder: Path) -> None:
    notes = surveyed(folder, {"refine": "guess"}).notes
    assert sum("guess" in note for note in notes) == 1
    assert not any("without an annotation" in note for note in notes)


def test_boxes_alone_and_boxes_of_whole_photographs_are_noted(folder: Path) -> None:
    height, width = drawn(0)[0].shape[:2]
    for number, corners in enumerate([(5, 5, 40, 40), (1, 1, width, height), (1, 1, width, height)]):
        box = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        text = f"<annotation>{size}<object><name>ball</name><bndbox>{box}</bndbox></object></annotation>"
        write(folder / f"ball/{number}.xml", text.encode())
    given = surveyed(folder, {"annotations": {"kind": "voc"}}).notes
    assert any("3 of 3 photographs have boxes or points and no mask" in note and "grabcut" in note for note in given)
    cut = surveyed(folder, {"annotations": {"kind": "voc"}, "refine": "grabcut"}).notes
    assert not any("and no mask" in note for note in cut)
    assert any("boxes of 2 of 3 photographs" in note for note in cut)


def test_a_mask_on_its_side_is_noted(folder: Path) -> None:
    for number in range(3):
        mask = drawn(number)[1]
        mask = np.rot90(mask) if number == 1 else mask
        write(folder / f"ball/{number}_mask.png", encode(np.ascontiguousarray(mask > 0).astype(np.uint8) * 255, "png"))
    found = surveyed(folder, {"annotations": {"kind": "png", "root": str(folder)}})
    assert found.source["mask_uri"].null_count == 0
    assert any("1 mask_wrong_size" in note for note in found.notes)
