from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from xray.statistics import accuracy_table
from xray.statistics.robustness.bootstrap import image_accuracies
from xray.statistics.robustness.numbering import all_differ, numbered

ROWS = st.lists(st.tuples(st.sampled_from("cab"), st.integers(-2, 9), st.booleans()), min_size=1, max_size=40)
NAMES = ["model", "image_id"]


def frame(rows: list[tuple[str, int, bool]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["model", "image_id", "correct"])
    return table.assign(trained_on="pretrained", scenario="original", category=table["model"])


@given(ROWS)
def test_groups_are_those_of_groupby(rows: list[tuple[str, int, bool]]) -> None:
    table = frame(rows)
    groups = table.groupby(NAMES)
    for given_table in (table, table.astype({"model": pd.CategoricalDtype(["a", "b", "c", "unused"])})):
        codes, found = numbered(given_table, NAMES)
        assert codes.tolist() == groups.ngroup().tolist()
        assert list(found.itertuples(index=False, name=None)) == list(groups.groups)


@given(ROWS)
def test_categories_change_no_accuracy(rows: list[tuple[str, int, bool]]) -> None:
    table = frame(rows)
    categories = table.astype(dict.fromkeys(["model", "trained_on", "scenario", "category"], "category"))
    pd.testing.assert_frame_equal(accuracy_table(table), accuracy_table(categories))
    wide, mean = image_accuracies(categories), table.groupby(["image_id", "model"])["correct"].mean().unstack()
    np.testing.assert_array_equal(wide.to_numpy(), mean.to_numpy())


def test_numbers_of_very_many_possible_groups_are_sorted() -> None:
    table = pd.DataFrame({"a": [10**6, 3, 10**6], "b": [5, 7, 5]}).astype("category")
    table["a"] = table["a"].cat.set_categories(range(2 * 10**6))
    codes, found = numbered(table, ["a", "b"])
    assert (codes.tolist(), found.to_numpy().tolist()) == ([1, 0, 1], [[3, 7], [10**6, 5]])


def test_rows_that_all_differ() -> None:
    assert all_differ(np.array([2, 0]), 3)
    assert not all_differ(np.array([2, 2]), 3)
    assert not all_differ(np.array([2, 0]), 10**9)  # not tried
