import base64

import numpy as np

from xray.core.images import decode
from xray.report.contact_sheet import contact_sheet, select
from xray.report.data import gather
from xray.report.masks import outlines

KINDS = ("original", "blur_background", "segmented", "random_background", "no_object")


def number(image_id):
    return int(image_id.removeprefix("photo_"))


def staircase(row):
    """Photograph k is wrong in its first k mod 4 scenarios; photograph 7 is wrong on the original."""
    n, scenario = number(row["image_id"]), row["scenario"]
    if n == 7:
        return {"correct": scenario != "original"}
    return {"correct": KINDS.index(scenario) not in range(1, 1 + n % 4) or scenario == "no_object"}


class TestSelect:
    def test_most_typical_and_fewest_errors_among_correct_originals(self, make_run):
        run = make_run(models=("m",), kinds=KINDS, photographs=3)
        run.edit("predictions", staircase)
        choices = select(gather(run))
        errors = [number(choice.image_id) % 4 for choice in choices]
        assert errors[0] == 3
        assert errors[0] > errors[1] > errors[2] == 0
        assert all("among 11 " in choice.why for choice in choices)
        assert "(100 % wrong)" in choices[0].why
        assert "photo_0007" not in [choice.image_id for choice in choices]

    def test_controls_do_not_count(self, make_run):
        run = make_run(models=("m",), kinds=KINDS)
        run.edit("predictions", lambda row: {"correct": row["scenario"] != "no_object"})
        assert all("%" not in choice.why for choice in select(gather(run)))

    def test_error_rates_and_not_counts_are_compared(self, make_run):
        """All predictions outside the reference are wrong, and the filter rejected images of half the photographs."""
        run = make_run(models=("m",), kinds=KINDS[:2], variants=4)
        run.edit("predictions", lambda row: {"correct": row["scenario"] == "original"})
        rows = run.tables["predictions"]
        kept = [number(row["image_id"]) % 2 == 1 or row["variant"] == 0 for row in rows.to_pylist()]
        run.tables["predictions"] = rows.filter(kept)
        (choice,) = select(gather(run))
        assert "(100 % wrong)" in choice.why

    def test_photographs_with_every_scenario_come_first(self, make_run):
        run = make_run(
            models=("m",), kinds=KINDS, reject=lambda n, s: "no_donor" if n != 5 and s == "random_background" else ""
        )
        assert [choice.image_id for choice in select(gather(run))] == ["photo_0005"]

    def test_no_correct_original(self, make_run):
        run = make_run(models=("m",), kinds=KINDS)
        run.edit("predictions", lambda row: {"correct": False})
        assert "none of them" in select(gather(run))[0].why

    def test_without_predictions_the_first_of_different_categories(self, make_run):
        choices = select(gather(make_run(models=(), kinds=KINDS)))
        assert [choice.image_id for choice in choices] == ["photo_0000", "photo_0001", "photo_0002"]

    def test_without_images(self, make_run):
        run = make_run(kinds=KINDS)
        run.clear("images")
        assert contact_sheet(gather(run)) == []


def test_every_scenario_has_a_tile_with_the_prediction_of_each_model(make_run):
    run = make_run(kinds=KINDS, reject=lambda n, s: "donor_unusable" if s == "segmented" else "")
    for strip in contact_sheet(gather(run)):
        tiles = {tile["scenario"]: tile for tile in strip["tiles"]}
        assert list(tiles) == list(KINDS)
        absent = tiles.pop("segmented")
        assert (absent["picture"], absent["reason"], absent["predictions"]) == (None, "rejected: donor_unusable", ())
        for tile in tiles.values():
            assert [one["series"] for one in tile["predictions"]] == ["efficientnet-lite0", "efficientnet-lite1"]


def test_the_first_variant_is_shown_with_its_own_prediction(make_run):
    run = make_run(models=("m",), kinds=KINDS, variants=3)
    run.edit("predictions", lambda row: {"p_true": row["variant"] / 10})
    strip = contact_sheet(gather(run))[0]
    assert {prediction["p_true"] for tile in strip["tiles"] for prediction in tile["predictions"]} == {0.0}


def pixels(uri):
    return decode(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))).image


def test_transparent_images_are_shown_on_black(make_run):
    strip = contact_sheet(gather(make_run(models=(), kinds=("original", "transparent"))))[0]
    assert pixels(strip["tiles"][1]["picture"])[:4, :4].max() < 12


def test_outlines_go_from_the_smallest_to_the_largest(make_run):
    run = make_run(kinds=KINDS, photographs=5)
    drawn = outlines(gather(run))
    areas = [outline["area"] for outline in drawn]
    everything = run.tables["masks"]["area"].to_pylist()
    assert len(drawn) == 8
    assert areas == sorted(areas)
    assert (areas[0], areas[-1]) == (min(everything), max(everything))


def test_the_outline_is_drawn_around_the_object(make_run):
    run = make_run(models=(), kinds=("original",), photographs=1, categories=("c",))
    image = run.images("original").table.to_pylist()[0]
    before = decode(image["image"]["bytes"]).image.astype(int)
    after = pixels(outlines(gather(run))[0]["picture"]).astype(int)
    changed = np.abs(before - after).max(axis=2) > 60
    mask = decode(image["mask"]["bytes"]).image[:, :, 0] > 127
    rows, columns = np.nonzero(mask)
    assert changed.any()
    assert not changed[: rows.min() - 6].any()
    assert not changed[rows.mean().astype(int), columns.mean().astype(int)]


def test_rejected_masks_have_no_outline(make_run):
    assert outlines(gather(make_run(photographs=1, reject=lambda n, s: "corrupt_image"))) == []
