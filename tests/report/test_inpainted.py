import base64
import json

import pytest

from xray.core.images import decode
from xray.core.schema import REASONS
from xray.report.contact_sheet import contact_sheet
from xray.report.data import gather
from xray.report.inpainted import rejected_images

KINDS = ("original", "segmented", "generated_background")
INPAINTED = "generated_background"


def images_of(run):
    """The inpainted images of the first object of the contact sheet."""
    return contact_sheet(gather(run))[0]["inpainted"][0]["images"]


def test_inpainted_images_have_their_own_row_with_prompts(make_run):
    for strip in contact_sheet(gather(make_run(models=("m",), kinds=KINDS, variants=3))):
        assert [tile["scenario"] for tile in strip["tiles"]] == ["original", "segmented"]
        (row,) = strip["inpainted"]
        assert (row["scenario"], row["planned"]) == (INPAINTED, 3)
        assert [image["variant"] for image in row["images"]] == [0, 1, 2]
        assert [image["place"] for image in row["images"]] == ["typical", "atypical", "typical"]
        assert row["images"][1]["prompt"] == "a <b>meadow</b> in atypical light"
        assert all(image["image_id"] == strip["image_id"] and image["reason"] == "" for image in row["images"])
        assert [len(image["predictions"]) for image in row["images"]] == [1, 1, 1]
        data = base64.b64decode(row["images"][0]["picture"].removeprefix("data:image/jpeg;base64,"))
        assert decode(data).image.shape == (96, 128, 3)


def test_each_image_has_its_own_prediction_and_prompt(make_run):
    run = make_run(models=("m",), kinds=KINDS, variants=3)
    run.edit("predictions", lambda row: {"p_true": row["variant"] / 8})
    run.edit("images", lambda row: {"provenance": json.dumps({"prompt": row["sample_id"], "place": "any"})})
    images = images_of(run)
    assert [image["predictions"][0]["p_true"] for image in images] == [0, 0.125, 0.25]
    assert [image["prompt"] for image in images] == [f"{images[0]['image_id']}-{INPAINTED}-{k}" for k in range(3)]


def test_the_first_six_of_many_variants(make_run):
    (row,) = contact_sheet(gather(make_run(models=(), kinds=KINDS, photographs=1, variants=9)))[0]["inpainted"]
    assert [image["variant"] for image in row["images"]] == [0, 1, 2, 3, 4, 5]
    assert row["planned"] == 9


def test_rejected_variants_stay_in_their_row_with_the_reason(make_run):
    run = make_run(models=(), kinds=KINDS, photographs=1, variants=2)
    run.edit("images", lambda row: {"status": "rejected", "reason": "object_repeated"} if row["variant"] else {})
    kept, rejected = images_of(run)
    assert (kept["reason"], kept["meaning"]) == ("", "")
    assert (rejected["reason"], rejected["meaning"]) == ("object_repeated", REASONS["object_repeated"])
    assert rejected["picture"] is not None
    assert rejected["measures"] == "contrast 12.3"


def test_a_planned_image_that_was_not_inpainted(make_run):
    run = make_run(models=(), kinds=KINDS, reject=lambda n, s: "too_small_to_paint" if s == INPAINTED else "")
    image = images_of(run)[0]
    assert (image["picture"], image["prompt"], image["reason"]) == (None, "", "too_small_to_paint")


def test_an_image_that_is_not_generated_yet_has_no_row(make_run):
    run = make_run(models=(), kinds=KINDS)
    rows = run.tables["images"]
    run.tables["images"] = rows.filter([name != INPAINTED for name in rows["scenario"].to_pylist()])
    assert [strip["inpainted"] for strip in contact_sheet(gather(run))] == [[], [], []]


@pytest.fixture(scope="module")
def filtered(make_run):
    """Two scenarios inpaint; of six photographs three have blank images, one is nsfw, one is kept, one has none."""
    codes = ("blank_picture", "blank_picture", "nsfw", "", "blank_picture", "mask_empty")
    kinds = (*KINDS, "generated_background_2")
    return make_run(models=(), kinds=kinds, photographs=5, reject=lambda n, s: codes[n % 6] if "gen" in s else "")


class TestRejected:
    def test_one_per_reason_in_turn(self, filtered):
        images = rejected_images(gather(filtered))
        assert [image["reason"] for image in images] == ["blank_picture", "nsfw"] * 4
        assert all(image["picture"] and image["prompt"] and image["measures"] for image in images)

    def test_the_smallest_sample_ids_of_each_reason(self, filtered):
        rows = sorted(filtered.tables["images"].to_pylist(), key=lambda row: row["sample_id"])
        expected = [(row["image_id"], row["scenario"]) for row in rows if row["reason"] == "nsfw"][:4]
        images = [image for image in rejected_images(gather(filtered)) if image["reason"] == "nsfw"]
        assert [(image["image_id"], image["scenario"]) for image in images] == expected
        assert len({scenario for _, scenario in expected}) == 2

    @pytest.mark.parametrize("kinds", [KINDS, KINDS[:2]])
    def test_nothing_was_inpainted(self, make_run, kinds):
        run = make_run(models=(), kinds=kinds, photographs=1, reject=lambda n, s: "mask_empty")
        assert rejected_images(gather(run)) == []
