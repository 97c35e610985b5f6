import math

import pytest
from support.html_page import Page

from xray.core.schema import REASONS
from xray.report import build_report
from xray.report.data import gather
from xray.report.masks import measured, origins, outlines, rejections

REFINED = {"origin": "sam", "predicted_iou": 0.9, "stability": 0.95, "agreement": 0.8}


@pytest.fixture
def refined(make_run):
    """24 photographs: 0–3 with the given mask kept, 4 and 5 rejected, 6–8 from an alpha channel, the rest refined."""

    def change(row):
        number = int(row["image_id"][-4:])
        if number < 4:
            why = "mask_uncertain" if number == 0 else "mask_disagrees"
            return {"origin": "given", "reason": f"mask_converted {why} given_kept"}
        if number < 6:
            none = dict.fromkeys(("mask", "predicted_iou", "stability", "area", "parts", "agreement"))
            return none | {"origin": "", "status": "rejected", "reason": "no_object"}
        return {"origin": "alpha"} if number < 9 else REFINED | {"predicted_iou": 0.7 + number / 100}

    run = make_run(models=(), kinds=("original",), reject=lambda n, s: "no_object" if n in (4, 5) else "")
    run.edit("masks", change)
    return run


def test_medians_by_origin(refined):
    table = origins(gather(refined))
    assert table["n"].to_dict() == {"alpha": 3, "given": 4, "sam": 15}
    assert table.loc["sam", ["predicted_iou", "agreement"]].tolist() == pytest.approx([0.7 + 16 / 100, 0.8])
    assert table.loc[["alpha", "given"], "stability"].map(math.isnan).all()


def test_only_refined_masks_have_a_predicted_iou(refined):
    kinds = {(outline["origin"], outline["predicted_iou"] is None) for outline in outlines(gather(refined))}
    assert kinds >= {("given", True), ("sam", False)}
    assert not kinds & {("given", False), ("sam", True)}


def test_rejections_by_reason(refined):
    rows = rejections(gather(refined))
    assert [(row["code"], row["n"]) for row in rows] == [("mask_disagrees", 3), ("mask_uncertain", 1), ("no_object", 2)]
    assert len({row["consequence"] for row in rows[:2]}) == 1
    assert rows[1]["consequence"] != rows[2]["consequence"]
    assert all(row["meaning"] == REASONS[row["code"]] for row in rows)


def test_only_measures_with_values_are_explained(refined, make_run):
    assert measured(gather(refined)) == ["predicted_iou", "stability", "agreement"]
    found = Page(build_report(refined))
    assert found.mismatched == []
    assert "given 4 – – – sam 15 0.86 0.95 0.80" in found.words
    plain = gather(make_run(models=(), kinds=("original",), photographs=1))
    assert measured(plain) == rejections(plain) == []


def test_no_masks_yet(make_run):
    run = make_run(models=(), kinds=("original",), photographs=1)
    run.clear("masks")
    data = gather(run)
    assert (len(origins(data)), rejections(data), measured(data)) == (0, [], [])
