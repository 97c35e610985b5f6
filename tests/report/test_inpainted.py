import base64
import dataclasses
import json

import pyarrow as pa
import pytest

from xray.core.images import decode
from xray.report.contact_sheet import contact_sheet
from xray.report.data import gather
from xray.report.inpainted import refused_worlds

KINDS = ("original", "segmented", "generated_background")
PAINTED = "generated_background"


def with_reasons(run, reason_of):
    """The run whose painted pictures are refused where `reason_of(row)` says so; their images stay."""
    rows = run.tables["images"].to_pylist()
    for row in rows:
        if row["scenario"] == PAINTED and (reason := reason_of(row)):
            row.update(status="rejected", reason=reason)
    tables = run.tables | {"images": pa.Table.from_pylist(rows, schema=run.tables["images"].schema)}
    return dataclasses.replace(run, tables=tables)


def size(uri):
    return decode(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))).image.shape


def test_painted_worlds_have_rows_of_their_own_with_prompts(make_run):
    for strip in contact_sheet(gather(make_run(models=("m",), kinds=KINDS, variants=3))):
        assert [tile.scenario for tile in strip.tiles] == ["original", "segmented"]
        (worlds,) = strip.worlds
        assert (worlds.scenario, worlds.planned) == (PAINTED, 3)
        assert [world.variant for world in worlds.shown] == [0, 1, 2]
        assert [world.place for world in worlds.shown] == ["typical", "atypical", "typical"]
        assert worlds.shown[1].prompt == "a <b>meadow</b> in atypical light"
        assert all(size(world.picture) == (96, 128, 3) for world in worlds.shown)
        assert all(world.image_id == strip.image_id and world.reason == "" for world in worlds.shown)
        assert [len(world.verdicts) for world in worlds.shown] == [1, 1, 1]


def test_each_world_has_the_verdict_on_itself(make_run):
    run = make_run(models=("m",), kinds=KINDS, variants=3)
    rows = run.tables["predictions"].to_pylist()
    for row in rows:
        row["p_true"] = row["variant"] / 8
    run.tables["predictions"] = pa.Table.from_pylist(rows, schema=run.tables["predictions"].schema)
    worlds = contact_sheet(gather(run))[0].worlds[0].shown
    assert [world.verdicts[0].p_true for world in worlds] == [0, 0.125, 0.25]


def test_of_many_variants_the_first_six(make_run):
    strip = contact_sheet(gather(make_run(models=(), kinds=KINDS, photographs=1, variants=9)))[0]
    assert [world.variant for world in strip.worlds[0].shown] == [0, 1, 2, 3, 4, 5]
    assert strip.worlds[0].planned == 9


def test_refused_variants_stay_in_their_row_with_the_reason(make_run):
    run = make_run(models=(), kinds=KINDS, photographs=1, variants=2)
    run = with_reasons(run, lambda row: "object_repeated" if row["variant"] == 1 else "")
    kept, refused = contact_sheet(gather(run))[0].worlds[0].shown
    assert (kept.reason, kept.meaning) == ("", "")
    assert refused.reason == "object_repeated"
    assert "shows the object's category again" in refused.meaning
    assert refused.picture is not None
    assert refused.measures == "contrast 12.3"


def test_what_was_not_painted_has_no_picture(make_run):
    """As where the mask is no use: a row without an image, whose provenance says nothing."""
    run = make_run(models=(), kinds=KINDS, reject=lambda n, s: "too_small_to_paint" if s == PAINTED else "")
    world = contact_sheet(gather(run))[0].worlds[0].shown[0]
    assert (world.picture, world.prompt, world.reason) == (None, "", "too_small_to_paint")


def test_worlds_that_are_still_to_come_have_no_row(make_run):
    run = make_run(models=(), kinds=KINDS)
    rows = [row for row in run.tables["images"].to_pylist() if row["scenario"] != PAINTED]
    run.tables["images"] = pa.Table.from_pylist(rows, schema=run.tables["images"].schema)
    assert [strip.worlds for strip in contact_sheet(gather(run))] == [[], [], []]


@pytest.fixture(scope="module")
def sorted_out(make_run):
    """Two scenarios paint; of six photographs three have blank pictures, one is not decent, one is kept, one has none."""
    codes = ("blank_picture", "blank_picture", "nsfw", "", "blank_picture", "mask_empty")
    kinds = (*KINDS, "generated_background_2")
    return make_run(models=(), kinds=kinds, photographs=5, reject=lambda n, s: codes[n % 6] if "gen" in s else "")


class TestRefused:
    def test_reasons_take_turns_and_kept_ones_are_not_shown(self, sorted_out):
        found = refused_worlds(gather(sorted_out))
        assert [world.reason for world in found] == ["blank_picture", "nsfw"] * 4
        assert all(world.picture and world.prompt and world.measures for world in found)

    def test_in_each_reason_those_of_the_smallest_ids(self, sorted_out):
        rows = sorted(sorted_out.tables["images"].to_pylist(), key=lambda row: row["sample_id"])
        expected = [(row["image_id"], row["scenario"]) for row in rows if row["reason"] == "nsfw"][:4]
        shown = [
            (world.image_id, world.scenario) for world in refused_worlds(gather(sorted_out)) if world.reason == "nsfw"
        ]
        assert shown == expected
        assert len({scenario for _, scenario in expected}) == 2

    def test_what_was_never_painted_is_no_refused_world(self, make_run):
        run = make_run(models=(), kinds=KINDS, reject=lambda n, s: "mask_empty")
        assert refused_worlds(gather(run)) == []

    def test_nothing_is_refused_where_nothing_is_painted(self, make_run):
        assert refused_worlds(gather(make_run(models=(), kinds=KINDS[:2]))) == []


def test_the_prompt_is_that_of_the_picture_itself(make_run):
    run = make_run(models=(), kinds=KINDS, photographs=1)
    rows = run.tables["images"].to_pylist()
    for row in rows:
        if row["scenario"] == PAINTED:
            row["provenance"] = json.dumps({"prompt": f"prompt of {row['image_id']}", "place": "any"})
    run.tables["images"] = pa.Table.from_pylist(rows, schema=run.tables["images"].schema)
    for strip in contact_sheet(gather(run)):
        assert strip.worlds[0].shown[0].prompt == f"prompt of {strip.image_id}"
