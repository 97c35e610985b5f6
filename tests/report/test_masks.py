import math

import pyarrow as pa
import pytest

from xray.report.data import gather
from xray.report.masks import fates, measures, origins, outlines

KINDS = ("original",)
REFINED = {"origin": "sam", "predicted_iou": 0.9, "stability": 0.95, "agreement": 0.8}


@pytest.fixture
def refined(make_run):
    """24 photographs: 0–3 kept as given, 4 and 5 refused, 6–8 from an alpha channel, the rest refined."""

    def change(number):
        if number < 4:
            why = "mask_uncertain" if number == 0 else "mask_disagrees"
            return {"origin": "given", "reason": f"mask_converted {why} given_kept"}
        if number < 6:
            gone = dict.fromkeys(("mask", "predicted_iou", "stability", "area", "parts", "agreement"))
            return gone | {"origin": "", "status": "rejected", "reason": "no_object"}
        return {"origin": "alpha"} if number < 9 else REFINED | {"predicted_iou": 0.7 + number / 100}

    run = make_run(models=(), kinds=KINDS, reject=lambda n, s: "no_object" if n in (4, 5) else "")
    rows = [row | change(number) for number, row in enumerate(run.tables["masks"].to_pylist())]
    run.tables["masks"] = pa.Table.from_pylist(rows, schema=run.tables["masks"].schema)
    return run


def test_medians_by_origin(refined):
    found = {row["origin"]: row for row in origins(gather(refined))}
    assert {origin: row["n"] for origin, row in found.items()} == {"alpha": 3, "given": 4, "sam": 15}
    assert found["sam"]["predicted_iou"] == pytest.approx(0.7 + 16 / 100)
    assert found["sam"]["agreement"] == pytest.approx(0.8)
    assert all(math.isnan(found[origin]["stability"]) for origin in ("alpha", "given"))


def test_only_outlines_that_the_refiner_drew_have_its_estimate(refined):
    found = {(outline.origin, outline.predicted_iou is None) for outline in outlines(gather(refined))}
    assert found >= {("given", True), ("sam", False)}
    assert not found & {("given", False), ("sam", True)}


def test_fates_by_reason(refined):
    found = [(fate.what, fate.code, fate.n) for fate in fates(gather(refined))]
    assert found == [
        ("the given mask was kept", "mask_disagrees", 3),
        ("the given mask was kept", "mask_uncertain", 1),
        ("no mask", "no_object", 2),
    ]
    assert all("no meaning" not in fate.meaning for fate in fates(gather(refined)))


def test_only_what_was_measured_is_explained(refined, make_run):
    assert [measure.name for measure in measures(gather(refined))] == ["predicted_iou", "stability", "agreement"]
    plain = gather(make_run(models=(), kinds=KINDS))
    assert measures(plain) == []
    assert fates(plain) == []


def test_no_masks_yet(make_run):
    run = make_run(models=(), kinds=KINDS)
    run.tables["masks"] = run.tables["masks"].slice(0, 0)
    assert (origins(gather(run)), fates(gather(run)), measures(gather(run))) == ([], [], [])
