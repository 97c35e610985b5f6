from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import recipe_values, write_folder

from xray.core.images import encode
from xray.pipeline.plan.survey import Survey, survey
from xray.runs.recipe import recipe_from


def looked_at(folder: Path, **masks: object) -> Survey:
    values = recipe_values(folder)
    if masks:
        values["masks"] = {"annotations": masks}
    return survey(recipe_from(values))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    return tmp_path


def test_files_that_are_masks_of_others_are_no_photographs(folder: Path) -> None:
    for mask in folder.glob("masks/*/*.png"):
        shutil.move(mask, folder / "photos" / mask.relative_to(folder / "masks"))
    found = looked_at(folder, kind="png", root=str(folder / "photos"))
    assert len(found.source) == 6
    assert found.source["mask_uri"].null_count == 0
    assert any("6 files are masks of others" in note for note in found.notes)


def test_a_mask_that_two_photographs_match_belongs_to_neither(folder: Path) -> None:
    flat = folder / "flat"
    flat.mkdir()
    for mask in folder.glob("masks/*/*.png"):
        shutil.copy(mask, flat / mask.name)  # of both categories
    found = looked_at(folder, kind="png", root=str(flat))
    assert found.source["mask_uri"].null_count == len(found.source) == 6
    assert any("share an annotation" in note and "ball/0" in note for note in found.notes)


def test_photographs_without_a_mask_are_named(folder: Path) -> None:
    next(iter(sorted(folder.glob("masks/*/*.png")))).unlink()
    found = looked_at(folder)
    assert any("1 of 6 photographs have no annotation: ball/0" in note for note in found.notes)


def test_a_link_that_leads_nowhere_is_a_row(folder: Path) -> None:
    photo = sorted(folder.glob("photos/*/*.jpg"))[0]
    photo.unlink()
    photo.symlink_to("nowhere.jpg")
    found = looked_at(folder)
    assert len(found.source) == 6
    assert found.source["reason"].to_pylist().count("missing_file") == 1
    assert any("cannot be used" in note and photo.name in note for note in found.notes)


def test_the_meaning_of_masks_is_decided_once_for_a_run(folder: Path) -> None:
    for path in folder.glob("masks/*/*.png"):
        mask = np.zeros((72, 96), np.uint8)
        mask[20:50, 30:60] = 1
        mask[20:22, 30:60] = 255
        path.write_bytes(encode(mask, "png"))
    annotations = looked_at(folder).annotations
    assert (annotations.values, annotations.ignore) == ((1,), (255,))  # type: ignore[union-attr]
