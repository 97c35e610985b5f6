import base64
import dataclasses

import numpy as np
import pyarrow as pa

from xray.core.images import decode
from xray.report.contact_sheet import choose, contact_sheet
from xray.report.data import gather
from xray.report.masks import outlines


def with_verdicts(run, right):
    """The run with predictions that are right where `right(image_id, scenario)` says so."""
    rows = run.tables["predictions"].to_pylist()
    for row in rows:
        row["correct"] = right(row["image_id"], row["scenario"])
    tables = run.tables | {"predictions": pa.Table.from_pylist(rows, schema=run.tables["predictions"].schema)}
    return dataclasses.replace(run, tables=tables)


def number(image_id):
    return int(image_id.removeprefix("photo_"))


KINDS = ("original", "blur_background", "segmented", "random_background", "no_object")


def staircase(image_id, scenario):
    """Photograph k is wrong in its first k mod 4 scenarios; photograph 7 is wrong as taken."""
    if number(image_id) == 7:
        return scenario != "original"
    return KINDS.index(scenario) not in range(1, 1 + number(image_id) % 4) or scenario == "no_object"


def test_chosen_are_worst_typical_and_sturdiest_of_those_right_as_taken(make_run):
    evidence = gather(with_verdicts(make_run(models=("m",), kinds=KINDS, photographs=3), staircase))
    choices = choose(evidence)
    wrong = [number(choice.image_id) % 4 for choice in choices]
    assert wrong[0] == 3
    assert wrong[0] > wrong[1] > wrong[2] == 0
    assert all("11 photographs that every model names rightly as taken" in choice.why for choice in choices)
    assert choices[0].why.endswith("(100 % wrong)")
    assert "photo_0007" not in [choice.image_id for choice in choices]


def test_the_control_does_not_count(make_run):
    run = with_verdicts(make_run(models=("m",), kinds=KINDS), lambda image, scenario: scenario != "no_object")
    assert all("wrong)" not in choice.why or "(0 % wrong)" in choice.why for choice in choose(gather(run)))


def test_a_photograph_with_fewer_pictures_is_not_the_sturdier_for_it(make_run):
    """All verdicts outside the reference are wrong, and half of the photographs have lost pictures to the filter."""
    run = make_run(models=("m",), kinds=KINDS[:2], variants=4)
    run = with_verdicts(run, lambda image, scenario: scenario == "original")
    rows = run.tables["predictions"].to_pylist()
    rows = [row for row in rows if number(row["image_id"]) % 2 or row["variant"] == 0]
    run.tables["predictions"] = pa.Table.from_pylist(rows, schema=run.tables["predictions"].schema)
    assert [choice.why[-13:] for choice in choose(gather(run))] == ["(100 % wrong)"]


def test_photographs_with_every_scenario_come_first(make_run):
    run = make_run(
        models=("m",), kinds=KINDS, reject=lambda n, s: "no_donor" if n != 5 and s == "random_background" else ""
    )
    assert [choice.image_id for choice in choose(gather(run))] == ["photo_0005"]


def test_none_is_right_as_taken(make_run):
    run = with_verdicts(make_run(models=("m",), kinds=KINDS), lambda image, scenario: False)
    assert "none is named rightly" in choose(gather(run))[0].why


def test_without_predictions_the_first_of_different_categories(make_run):
    choices = choose(gather(make_run(models=(), kinds=KINDS)))
    assert [choice.image_id for choice in choices] == ["photo_0000", "photo_0001", "photo_0002"]


def test_without_images_there_is_no_sheet(make_run):
    run = make_run(kinds=KINDS)
    run.tables["images"] = run.tables["images"].slice(0, 0)
    assert contact_sheet(gather(run)) == []


def test_every_scenario_has_a_tile_with_each_models_verdict(make_run):
    run = make_run(kinds=KINDS, reject=lambda n, s: "donor_unusable" if s == "segmented" else "")
    for strip in contact_sheet(gather(run)):
        assert [tile.scenario for tile in strip.tiles] == list(KINDS)
        made = [tile for tile in strip.tiles if tile.scenario != "segmented"]
        assert all([v.series for v in tile.verdicts] == ["efficientnet-lite0", "efficientnet-lite1"] for tile in made)
        absent = next(tile for tile in strip.tiles if tile.scenario == "segmented")
        assert (absent.picture, absent.reason, absent.verdicts) == (None, "rejected: donor_unusable", ())


def test_the_first_variant_is_shown_with_its_own_verdict(make_run):
    run = make_run(models=("m",), kinds=KINDS, variants=3)
    rows = run.tables["predictions"].to_pylist()
    for row in rows:
        row["p_true"] = row["variant"] / 10
    run.tables["predictions"] = pa.Table.from_pylist(rows, schema=run.tables["predictions"].schema)
    strip = contact_sheet(gather(run))[0]
    assert {verdict.p_true for tile in strip.tiles for verdict in tile.verdicts} == {0.0}


def pixels(uri):
    return decode(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))).image


def test_transparent_images_are_shown_on_black_as_models_see_them(make_run):
    strip = contact_sheet(gather(make_run(models=(), kinds=("original", "transparent"))))[0]
    corner = pixels(strip.tiles[1].picture)[:4, :4]
    assert corner.max() < 12


def test_outlines_go_from_the_smallest_to_the_largest(make_run):
    run = make_run(kinds=KINDS, photographs=5)
    drawn = outlines(gather(run))
    areas = [outline.area for outline in drawn]
    everything = run.tables["masks"]["area"].to_pylist()
    assert len(drawn) == 8
    assert areas == sorted(areas)
    assert (areas[0], areas[-1]) == (min(everything), max(everything))


def test_the_outline_is_drawn_around_the_object(make_run):
    run = make_run(models=(), kinds=("original",), photographs=1, categories=("c",))
    image = run.images("original").table.to_pylist()[0]
    before = decode(image["image"]["bytes"]).image.astype(int)
    after = pixels(outlines(gather(run))[0].picture).astype(int)
    changed = np.abs(before - after).max(axis=2) > 60
    mask = decode(image["mask"]["bytes"]).image[:, :, 0] > 127
    rows, columns = np.nonzero(mask)
    assert changed.any()
    assert not changed[: rows.min() - 6].any()
    assert not changed[rows.mean().astype(int), columns.mean().astype(int)]


def test_no_masks_no_outlines(make_run):
    assert outlines(gather(make_run(reject=lambda n, s: "corrupt_image"))) == []
