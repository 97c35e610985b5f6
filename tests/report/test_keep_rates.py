import pandas as pd
import pytest

from xray.report.data import gather
from xray.report.keep_rates import keep_tables

KINDS = ("original", "generated_background")
REASONS = ("", "blank_picture", "nsfw", "mask_empty")


def test_tables_by_scenario_category_place_and_prompt(make_run):
    run = make_run(models=(), kinds=KINDS, variants=2, photographs=4, reject=lambda n, s: REASONS[n % 4] if n else "")
    tables = {table["title"]: table for table in keep_tables(gather(run))}
    assert list(tables) == ["by scenario", "by category", "by place", "by prompt"]
    (everything,) = tables["by scenario"]["rows"]
    rows = [row for row in run.tables["images"].to_pylist() if row["scenario"] == KINDS[1]]
    assert everything["kept"] == sum(row["status"] == "ok" for row in rows)
    assert everything["unpainted"] == sum(row["reason"] == "mask_empty" for row in rows)
    assert everything["n"] == len(rows) - everything["unpainted"]
    for table in tables.values():
        assert sum(row["n"] for row in table["rows"]) == everything["n"]
    assert [row["category"] for row in tables["by category"]["rows"]] == ["bovid", "fruit", "vehicle", "waterbird"]
    assert [row["place"] for row in tables["by place"]["rows"]] == ["atypical", "typical"]


def test_a_single_place_has_no_table_and_prompts_are_sorted_by_rate(make_run):
    run = make_run(models=(), kinds=KINDS, variants=2)
    run.edit("plan", lambda row: {"place": "any"} if row["prompt"] else {})
    rejected = {"status": "rejected", "reason": "nsfw"}
    run.edit("images", lambda row: rejected if row["variant"] == 0 and row["image_id"] < "photo_0006" else {})
    tables = {table["title"]: table for table in keep_tables(gather(run))}
    assert "by place" not in tables
    assert [row["prompt"].split()[-2] for row in tables["by prompt"]["rows"]] == ["typical", "atypical"]
    assert [(row["kept"], row["n"]) for row in tables["by prompt"]["rows"]] == [(18, 24), (24, 24)]


def test_intervals_by_hand(make_run):
    def row(**more):
        run = make_run(models=(), kinds=KINDS, reject=lambda n, s: "nsfw" if n < 6 and s == KINDS[1] else "", **more)
        return keep_tables(gather(run))[0]["rows"][0]

    once, twice = row(), row(variants=2)
    # Wilson's interval of 18 / 24 by hand: (0.75 + z²/48 ± z · sqrt(0.1875/24 + z²/2304)) / (1 + z²/24), z = 1.96
    assert (once["rate"], once["ci_low"], once["ci_high"]) == pytest.approx((0.75, 0.5510, 0.8800), abs=1e-4)
    assert (once["n"], once["interval"]) == (24, "Wilson")
    assert (twice["n"], twice["interval"]) == (48, "Wilson, clustered by photograph")
    # the images of a photograph share their outcome, so the second ones add nothing (36 / 48 would give [0.61, 0.85])
    assert (twice["ci_low"], twice["ci_high"]) == pytest.approx((once["ci_low"], once["ci_high"]), abs=0.02)


def test_without_judged_images_there_is_no_rate(make_run):
    run = make_run(models=(), kinds=KINDS, photographs=1, reject=lambda n, s: "mask_empty")
    (row,) = keep_tables(gather(run))[0]["rows"]
    assert pd.isna([row["rate"], row["ci_low"], row["ci_high"]]).all()
    assert (row["n"], row["unpainted"], row["interval"], row["reasons"]) == (0, 4, "", "mask_empty 4")


def test_long_tables_are_cut(make_run):
    run = make_run(models=(), kinds=KINDS, categories=[f"category {k}" for k in range(210)], photographs=1)
    by_category = keep_tables(gather(run))[1]
    assert (len(by_category["rows"]), by_category["omitted"]) == (200, 10)


def test_nothing_is_inpainted(make_run):
    assert keep_tables(gather(make_run(models=(), kinds=("original",)))) == []
