import numpy as np
import pandas as pd

from xray.statistics.robustness.complete_cases import complete_cases


def predictions(rows):
    table = pd.DataFrame(rows, columns=["model", "scenario", "image_id", "correct"])
    return table.assign(trained_on="pretrained")


def test_series_and_groups_in_order_and_only_photographs_with_every_scenario():
    table = predictions(
        [("b", name, k, k > 1) for name in "xyz" for k in range(4)]
        + [("a", "y", 0, True), ("a", "x", 0, False), ("a", "x", 1, True), ("a", "original", 9, True)]
    )
    found = list(complete_cases(table, [["y", "x"], ["x", "z"]]))
    assert [(cases.series[0], cases.number) for cases in found] == [("a", 0), ("b", 0), ("b", 1)]
    assert found[0].images.tolist() == [0]
    assert found[0].accuracy_NS.tolist() == [[1, 0]]
    assert (sorted(found[0].tested), found[0].left_out) == ([0, 1, 9], 2)
    assert found[1].accuracy_NS.shape == (4, 2)


def test_a_photograph_counts_once_whatever_its_variants():
    table = predictions([("a", "x", 0, True), ("a", "x", 0, False), ("a", "y", 0, True)])
    (cases,) = complete_cases(table, [["x", "y"]])
    np.testing.assert_array_equal(cases.accuracy_NS, [[0.5, 1]])


def test_no_photograph_with_all_and_no_such_scenario():
    table = predictions([("a", "x", 0, True), ("a", "y", 1, True)])
    (cases,) = complete_cases(table, [["x", "y"]])
    assert (cases.accuracy_NS.shape, cases.left_out) == ((0, 2), 2)
    assert list(complete_cases(table, [["v", "w"]])) == []
    assert list(complete_cases(table.iloc[:0], [["x"]])) == []
