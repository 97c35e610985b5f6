from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
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


def test_several_masks_of_a_photograph_are_united_and_hashed(folder: Path) -> None:
    for mask in sorted(folder.glob("masks/*/*.png")):
        for part in range(2):
            shutil.copy(mask, mask.with_name(f"{mask.stem}_{part}.png"))
        mask.unlink()
    found = looked_at(folder, kind="png", root=str(folder / "masks"), suffix="_*.png")
    assert all(" " in uri for uri in found.source["mask_uri"].to_pylist())
    assert found.source["mask_sha256"].null_count == 0
    assert any("6 photographs have several" in note for note in found.notes)


def test_parts_that_two_photographs_match_belong_to_neither(folder: Path) -> None:
    flat = folder / "flat"
    flat.mkdir()
    for mask in folder.glob("masks/*/*.png"):
        for part in range(2):
            shutil.copy(mask, flat / f"{mask.stem}_{part}.png")
    found = looked_at(folder, kind="png", root=str(flat), suffix="_*.png")
    assert found.source["mask_uri"].null_count == len(found.source) == 6


def test_copies_of_one_mask_are_named(folder: Path) -> None:
    first, *others = sorted(folder.glob("masks/*/*.png"))
    for mask in others[:2]:
        shutil.copy(first, mask)
    notes = looked_at(folder).notes
    assert any("3 of 6 masks are copies of others" in note for note in notes)


@pytest.mark.parametrize("kind", ["png", "voc"])
def test_annotations_of_stored_pixels_are_turned_like_those_on_their_side(folder: Path, kind: str) -> None:
    for number, orientation in ((0, 6), (1, 3)):
        path = folder / f"photos/ball/{number}.jpg"
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.open(path).save(path, exif=exif, quality=95)
        box = "<xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax>"
        size = "<size><width>96</width><height>72</height></size>"
        path.with_suffix(".xml").write_text(f"<annotation>{size}<object><bndbox>{box}</bndbox></object></annotation>")
    settings = {"root": str(folder / "masks")} if kind == "png" else {}
    found = looked_at(folder, kind=kind, **settings)
    assert found.annotations is not None
    assert found.annotations.drawn_on == "stored"
    assert any("ball/1.jpg" in note and "drawn_on" in note for note in found.notes)
    rows = {row["uri"].rpartition("/")[2]: row for row in found.source.to_pylist() if row["category"] == "ball"}
    if kind == "voc":
        upright = looked_at(folder, kind=kind, drawn_on="upright")
        ((x0, y0, x1, y1),) = [
            row["boxes"][0] for row in upright.source.to_pylist() if row["uri"] == rows["1.jpg"]["uri"]
        ]
        assert rows["1.jpg"]["boxes"][0] == [96 - x1, 72 - y1, 96 - x0, 72 - y0]


def test_a_photograph_in_two_categories_is_named(folder: Path) -> None:
    shutil.copy(folder / "photos/ball/0.jpg", folder / "photos/cup/0.jpg")
    notes = looked_at(folder).notes
    assert any("2 photographs are the same in several categories" in note for note in notes)


def test_augmented_copies_of_a_photograph_are_counted(folder: Path) -> None:
    for kind, end in (("photos", "jpg"), ("masks", "png")):
        for number, file in enumerate(sorted(folder.glob(f"{kind}/ball/*"))):  # two files of one photograph
            file.rename(file.with_name(f"{'aab'[number]}_jpg.rf.{number}c0ffee.{end}"))
    found = looked_at(folder)
    assert found.source["mask_uri"].null_count == 0
    assert any(note.startswith("2 files are copies of 1 photographs") for note in found.notes)
