from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.tiny_pools import made_here, planned

from xray.core import schema
from xray.core.images import encode
from xray.pipeline.plan.look import MAX_PHOTOGRAPHS, review_run, review_source, sample
from xray.pipeline.plan.survey import survey
from xray.runs.recipe import recipe_from


def table(*rows: tuple[str, str, int]) -> pa.Table:
    """Return rows of SOURCE of a category, a status and a side in pixels."""
    empty = dict.fromkeys(schema.SOURCE.names, "") | {"mask_uri": None, "boxes": [], "points": []}
    return pa.Table.from_pylist(
        [
            empty | {"image_id": str(k), "category": category, "status": status, "width": side, "height": side}
            for k, (category, status, side) in enumerate(rows)
        ],
        schema=schema.SOURCE,
    )


def test_a_small_source_is_looked_at_as_a_whole() -> None:
    assert sample(table(*[("cup", "ok", 10)] * 5, ("ball", "rejected", 0))) == [0, 1, 2, 3, 4, 5]
    assert sample(table()) == []


def test_a_sample_is_spread_over_categories_and_has_rejected_photographs() -> None:
    rows = [(f"c{k % 3}", "rejected" if k > 8990 else "ok", 10) for k in range(9000)]
    chosen = sample(table(*rows))
    assert len(chosen) == MAX_PHOTOGRAPHS
    categories = [rows[row][0] for row in chosen]
    assert {categories.count(name) for name in categories} == {MAX_PHOTOGRAPHS // 3}
    assert sum(rows[row][1] == "rejected" for row in chosen) == 9
    assert max(np.diff(chosen)) < 200


def test_there_may_be_more_categories_than_photographs_to_look_at() -> None:
    rows = [(f"c{k}", "ok", 10) for k in range(1000)]
    assert len(sample(table(*rows))) == MAX_PHOTOGRAPHS


def test_large_photographs_make_a_small_sample_with_each_category() -> None:
    rows = [(f"c{k % 4}", "ok", 6000) for k in range(400)]
    chosen = sample(table(*rows))
    assert [rows[row][0] for row in chosen] == ["c0", "c1", "c2", "c3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs: one without a mask, one whose mask has another size, one that is damaged."""
    write_folder(tmp_path)
    (tmp_path / "masks/ball/0.png").unlink()
    write(tmp_path / "masks/ball/1.png", encode(drawn(1, 30, 50)[1], "png"))
    write(tmp_path / "photos/cup/2.jpg", (tmp_path / "photos/cup/2.jpg").read_bytes()[:400])
    return tmp_path


def test_planned_masks_are_seen_with_the_reasons_of_those_that_cannot_be_used(folder: Path) -> None:
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "segmented"]))
    review = survey(recipe).review
    assert review is not None
    seen = {one.name: one for one in review.seen}
    assert (review.total, review.final, len(seen)) == (6, False, 6)
    assert seen["ball/0.jpg"].reason.startswith("missing_mask: ")
    assert seen["ball/1.jpg"].reason == "mask_wrong_size: mask 50×30, image 96×72"
    assert seen["cup/2.jpg"].reason.startswith("corrupt_image")
    assert seen["cup/2.jpg"].picture is None
    good = seen["ball/2.jpg"]
    assert good.picture is not None
    assert good.mask is not None
    assert good.picture.shape[:2] == good.mask.shape == (72, 96)
    assert (good.remarks, good.origin) == ((), "given")


def test_findings_are_notes_of_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for path in tmp_path.glob("masks/*/*.png"):
        path.write_bytes(encode(255 - drawn(100 * (path.parent.name == "cup") + int(path.stem))[1], "png"))
    run = planned(tmp_path, recipe_values(tmp_path, scenarios=["original", "segmented"]))
    notes = [note for note in run.plan.record()["remarks"] if note.startswith("masks may be wrong")]
    assert len(notes) == 1
    assert "6 of 6" in notes[0]
    assert "invert: true" in notes[0]


def test_masks_that_cannot_be_used_are_noted_in_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write(tmp_path / "masks/cup/1.png", encode(np.zeros((72, 96), np.uint8), "png"))
    write(tmp_path / "masks/cup/2.png", b"no mask")
    notes = survey(recipe_from(recipe_values(tmp_path, scenarios=["segmented"]))).notes
    (note,) = (note for note in notes if "no usable mask" in note)
    assert "2 of 6" in note
    assert "1 mask_empty, for example cup/1.jpg" in note
    assert "1 corrupt_mask, for example cup/2.jpg" in note


def test_masks_among_the_photographs_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for number in range(3):
        write(tmp_path / f"photos/cup/{number}_m.png", encode(drawn(100 + number)[1], "png"))
    notes = survey(recipe_from(recipe_values(tmp_path, scenarios=["segmented"]))).notes
    assert any("3 of 9 photographs look like masks: cup/0_m.png" in note for note in notes)


def test_without_scenarios_that_need_masks_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    write_folder(tmp_path)
    recipe = recipe_from(recipe_values(tmp_path, scenarios=["original"]))
    assert survey(recipe).review is None


def test_boxes_are_shown_where_a_refiner_makes_the_masks(tmp_path: Path) -> None:
    write_folder(tmp_path, 1)
    for path in tmp_path.glob("photos/*/*.jpg"):
        size = "<size><width>96</width><height>72</height></size>"
        box = "<bndbox><xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
        text = f"<annotation>{size}<object><name>{path.parent.name}</name>{box}</object></annotation>"
        write(tmp_path / f"boxes/{path.parent.name}/{path.stem}.xml", text.encode())
    masks = {"annotations": {"kind": "voc", "root": str(tmp_path / "boxes")}, "refine": "grabcut"}
    review = survey(recipe_from(recipe_values(tmp_path, scenarios=["segmented"], masks=masks))).review
    assert review is not None
    assert [one.boxes for one in review.seen] == [((10.0, 12.0, 30.0, 40.0),)] * 2
    assert [(one.mask, one.reason) for one in review.seen] == [(None, "")] * 2


def test_the_masks_of_a_run_are_seen_once_all_are_made(folder: Path) -> None:
    run = planned(folder, recipe_values(folder, scenarios=["segmented"], masks={
        "annotations": {"kind": "png", "root": str(folder / "masks")}, "refine": "grabcut"}))  # fmt: skip
    assert not review_run(run).final
    made_here(run)
    review = review_run(run)
    assert review.final
    seen = {one.name: one for one in review.seen}
    assert {one.origin for one in seen.values() if one.mask is not None} <= {"grabcut", "given"}
    assert seen["ball/1.jpg"].reason == "mask_wrong_size: mask 50×30, image 96×72"
    assert review_source(run.store.table("source"), run.recipe).total == 6
