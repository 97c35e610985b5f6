import pandas as pd
import pytest

from xray.statistics.robustness.findings import (
    NOTHING_LOST,
    cross_finding,
    interval_over,
    intervals_over,
    multiplicity,
    s_robust_finding,
    shown_losses,
)

NAN = float("nan")


def drops(*rows):
    return pd.DataFrame(rows, columns=["ci_low", "ci_high", "p_holm"])


def test_intervals_that_exclude_0_are_counted_on_both_sides():
    table = drops((0.1, 0.2, 0.01), (-0.2, -0.1, 0.2), *[(-0.1, 0.1, 1.0)] * 58, (NAN, NAN, NAN))
    assert "Of 60 intervals of 95 %, 3 exclude 0 by chance alone" in multiplicity(table)
    assert multiplicity(table).endswith("2 do; 1 after Holm’s correction")


def test_few_intervals():
    assert multiplicity(drops((0.1, 0.2, 0.01))) == ""
    assert "0.1 exclude 0" in multiplicity(drops(*[(-0.1, 0.1, 1.0)] * 2))
    assert multiplicity(drops(*[(-0.1, 0.1, 1.0)] * 2)).endswith("none does")
    assert "of 90 %, 0.2 exclude" in multiplicity(drops(*[(-0.1, 0.1, 1.0)] * 2), confidence=0.9)
    assert "1 does; 1 after" in multiplicity(drops((0.1, 0.2, 0.01), (-0.1, 0.1, 1.0)))


def test_a_loss_is_shown_by_its_interval_and_after_holm():
    table = drops((0.1, 0.2, 0.01), (0.1, 0.2, 0.2), (-0.1, 0.2, 0.01), (NAN, NAN, NAN), (0.1, 0.2, NAN))
    assert shown_losses(table).tolist() == [True, False, False, False, True]
    assert shown_losses(table[["ci_low"]]).tolist() == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("cross", "inner", "high", "finding"),
    [
        (0.1, 0.1, 0.9, ""),
        (0.1, 0.1, 1.0, NOTHING_LOST),
        (-0.1, 0.1, 0.9, f"cross: {NOTHING_LOST}"),
        (0.0, -0.1, 0.9, f"cross and inner: {NOTHING_LOST}"),
        (NAN, NAN, NAN, ""),
    ],
)
def test_losses_that_cannot_be_told_from_chance(cross, inner, high, finding):
    assert s_robust_finding({"sigma2_cross": cross, "sigma2_inner": inner, "ci_high": high}) == finding


def test_a_cross_term_at_0_is_none():
    assert cross_finding({"cross": 0.1, "ci_low": 0.0}) == cross_finding({"cross": -0.1, "ci_low": 0.0}) == NOTHING_LOST
    assert cross_finding({"cross": 0.1, "ci_low": 0.01}) == cross_finding({"cross": NAN, "ci_low": NAN}) == ""


def test_what_intervals_are_over():
    assert "given the networks" in interval_over("photographs")
    assert "given" not in interval_over("photographs and trainings")
    table = pd.DataFrame({"over": ["photographs", None, "photographs and trainings"], "ci_low": [0.1, 0.2, NAN]})
    assert intervals_over(table) == interval_over("photographs")
    assert intervals_over(table[2:]) == intervals_over(None) == ""
    both = intervals_over(table.assign(ci_low=0.1))
    assert (
        both.index(interval_over("photographs and trainings")) < both.index("others") < both.index("given the networks")
    )
