import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.report.evidence import gather
from xray.report.kept import keep_rate, keep_tables

KINDS = ("original", "generated_background")
REASONS = ("", "blank_picture", "nsfw", "mask_empty")


def cells(*rows):
    columns = ["scenario", "category", "prompt", "place", "n", "kept", "unpainted", "reasons"]
    return pd.DataFrame(rows, columns=columns)


def test_larger_groups_add_up_and_have_their_own_interval():
    kept = cells(
        ("s", "fox", "p", "typical", 6, 4, 0, "nsfw 2"),
        ("s", "fox", "q", "atypical", 4, 2, 1, "blank_picture 2, mask_empty 1"),
        ("s", "owl", "p", "typical", 3, 3, 0, ""),
    )
    fox, owl = keep_rate(kept, ["scenario", "category"]).to_dict("records")
    assert (fox["n"], fox["kept"], fox["unpainted"]) == (10, 6, 1)
    assert fox["reasons"] == "blank_picture 2, nsfw 2, mask_empty 1"
    assert owl["reasons"] == ""
    # Wilson's interval of 6 / 10 by hand: (0.6 + z²/20 ± z · sqrt(0.024 + z²/400)) / (1 + z²/10), z = 1.96
    assert (fox["rate"], fox["ci_low"], fox["ci_high"]) == pytest.approx((0.6, 0.3127, 0.8318), abs=1e-4)
    assert owl["ci_high"] == pytest.approx(1)


def test_where_nothing_was_judged_there_is_no_rate():
    (row,) = keep_rate(cells(("s", "fox", "p", "any", 0, 0, 5, "mask_empty 5")), ["scenario"]).to_dict("records")
    assert pd.isna([row["rate"], row["ci_low"], row["ci_high"]]).all()
    assert (row["n"], row["unpainted"]) == (0, 5)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 9), st.integers(0, 9))))
def test_nothing_gets_lost(groups):
    rows = [("s", c, p, "any", kept + bad, kept, 0, f"nsfw {bad}" if bad else "") for c, p, kept, bad in groups]
    table = keep_rate(cells(*rows), ["category"])
    assert table["n"].sum() == sum(kept + bad for _, _, kept, bad in groups)
    refused = sum(int(text.removeprefix("nsfw ")) for text in table["reasons"] if text)
    assert refused == table["n"].sum() - table["kept"].sum()


def test_tables_by_scenario_category_place_and_prompt(make_run):
    run = make_run(models=(), kinds=KINDS, variants=2, photographs=4, reject=lambda n, s: REASONS[n % 4] if n else "")
    tables = {table.title: table for table in keep_tables(gather(run))}
    assert list(tables) == ["by scenario", "by category", "by place", "by prompt"]
    (everything,) = tables["by scenario"].rows
    rows = [row for row in run.tables["images"].to_pylist() if row["scenario"] == KINDS[1]]
    assert everything["kept"] == sum(row["status"] == "ok" for row in rows)
    assert everything["unpainted"] == sum(row["reason"] == "mask_empty" for row in rows)
    assert everything["n"] == len(rows) - everything["unpainted"]
    for table in tables.values():
        assert sum(row["n"] for row in table.rows) == everything["n"]
    assert [row["category"] for row in tables["by category"].rows] == ["bovid", "fruit", "vehicle", "waterbird"]
    assert [row["place"] for row in tables["by place"].rows] == ["atypical", "typical"]


def test_one_place_has_no_table_and_prompts_that_are_kept_least_come_first(make_run):
    def worse(row):
        return row["variant"] == 0 and row["image_id"] < "photo_0006"

    run = make_run(models=(), kinds=KINDS, variants=2)
    edited = {"plan": {}, "images": {}}
    for name, change in (
        ("plan", lambda row: {"place": "any"} if row["prompt"] else {}),
        (
            "images",
            lambda row: {"status": "rejected", "reason": "nsfw"} if row["scenario"] == KINDS[1] and worse(row) else {},
        ),
    ):
        rows = [row | change(row) for row in run.tables[name].to_pylist()]
        edited[name] = run.tables[name].from_pylist(rows, schema=run.tables[name].schema)
    run.tables = run.tables | edited
    tables = {table.title: table for table in keep_tables(gather(run))}
    assert "by place" not in tables
    assert [row["prompt"].split()[-2] for row in tables["by prompt"].rows] == ["typical", "atypical"]
    assert [(row["kept"], row["n"]) for row in tables["by prompt"].rows] == [(18, 24), (24, 24)]


def test_long_tables_are_cut_and_say_so(make_run):
    run = make_run(models=(), kinds=KINDS, categories=[f"category {k}" for k in range(210)], photographs=1)
    by_category = keep_tables(gather(run))[1]
    assert (len(by_category.rows), by_category.left_out) == (200, 10)


def test_nothing_is_painted(make_run):
    assert keep_tables(gather(make_run(models=(), kinds=("original",)))) == []
