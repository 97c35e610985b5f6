import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from xray.core.errors import ConfigError
from xray.statistics.regression.design import Design, Factor
from xray.statistics.regression.fit import Fit, stars

COVARIANCE = np.array([[0.04, -0.01], [-0.01, 0.09]])


def fit_of(df=10.0, **options):
    return Fit(Design((Factor("m", ("a", "b")),)), np.array([0.5, -1.0]), COVARIANCE, df, "least squares", **options)


def test_parameters_by_hand():
    row = fit_of().parameters.set_index("term").loc["m[b]"]
    assert (row["estimate"], row["std_error"]) == pytest.approx((-1.0, 0.3))
    assert row["t"] == pytest.approx(-1 / 0.3)
    assert row["p"] == pytest.approx(2 * stats.t.cdf(-1 / 0.3, 10))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-1 - 2.228139 * 0.3, -1 + 2.228139 * 0.3), rel=1e-6)
    assert row["p_summary"] == "**"


def test_combinations_by_hand():
    estimates, errors = fit_of().combinations(np.array([[1.0, 1.0], [0.0, 2.0]]))
    np.testing.assert_allclose(estimates, [-0.5, -2.0])
    np.testing.assert_allclose(errors, [math.sqrt(0.04 + 0.09 - 0.02), 0.6])


def test_another_confidence_moves_the_limits_alone():
    wide, narrow = fit_of().parameters, fit_of().at(0.5).parameters
    pd.testing.assert_frame_equal(wide.drop(columns=["ci_low", "ci_high"]), narrow.drop(columns=["ci_low", "ci_high"]))
    assert (narrow["ci_high"] < wide["ci_high"]).all()


@pytest.mark.parametrize("confidence", [0, 1, math.nan])
def test_a_confidence_outside_0_and_1_is_refused(confidence):
    with pytest.raises(ConfigError, match="confidence"):
        fit_of().at(confidence)


def test_an_error_that_is_rounding_is_none():
    exact = Fit(fit_of().design, np.array([0.5, 0.0]), np.diag([0.04, -1e-34]), 5, "least squares")
    row = exact.parameters.iloc[1]
    assert row[["std_error", "ci_low", "ci_high", "t", "p"]].isna().all()
    assert row["p_summary"] == ""
    assert np.isnan(exact.combinations(np.array([[0.0, 1.0]]))[1]).all()


def test_terms_by_name():
    assert fit_of().estimate("m[b]") == -1.0
    assert fit_of().index("Intercept") == 0
    with pytest.raises(ConfigError, match=r"unknown term 'm\[c\]'; did you mean 'm\[b\]'"):
        fit_of().estimate("m[c]")


@pytest.mark.parametrize(
    ("p", "mark"),
    [(0.0, "****"), (0.0001, "***"), (0.001, "**"), (0.01, "*"), (0.05, "ns"), (0.04999, "*"), (math.nan, "")],
)
def test_stars_begin_below_their_limits(p, mark):
    assert stars(p) == mark
