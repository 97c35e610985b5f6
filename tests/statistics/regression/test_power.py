import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestIndPower

from xray.core.errors import ConfigError
from xray.statistics import regression
from xray.statistics.regression.power import minimum_detectable_effect, power_of


def two_groups(first=20, second=30, seed=0):
    draw = np.random.Generator(np.random.PCG64(seed))
    table = pd.DataFrame({"model": ["a"] * first + ["b"] * second})
    return regression(table.assign(accuracy=draw.normal(0.7, 0.1, first + second)), factors=["model"], unit="any")


@pytest.mark.parametrize("effect", [0.01, -0.05, 0.12])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_two_groups_are_the_t_test(effect, alpha):
    made = two_groups()
    sizes = effect / np.sqrt(made.variance)
    theirs = TTestIndPower().power(abs(sizes), 20, alpha, ratio=1.5)
    assert power_of(made.fit, "model[b]", effect, alpha) == pytest.approx(theirs, rel=1e-6)


def test_power_at_the_smallest_detectable_effect_is_the_one_asked_for():
    made = two_groups()
    for power, alpha in [(0.8, 0.05), (0.99, 0.001), (0.06, 0.05)]:
        table = minimum_detectable_effect(made, power, alpha)
        assert table["term"].tolist() == ["Intercept", "model[b]"]
        for row in table.itertuples():
            assert power_of(made.fit, row.term, row.minimum_detectable_effect, alpha) == pytest.approx(power, abs=1e-6)


def test_one_degree_of_freedom_is_enough_to_answer():
    table = pd.DataFrame({"model": list("aab"), "accuracy": [0.5, 0.6, 0.9]})
    found = minimum_detectable_effect(regression(table, factors=["model"]), power=0.99, alpha=0.01)
    assert np.isfinite(found["minimum_detectable_effect"]).all()
    assert (found["minimum_detectable_effect"] > 100 * found["std_error"]).all()


def test_clustered_errors_come_first():
    draw = np.random.Generator(np.random.PCG64(1))
    photograph = np.repeat(np.arange(30), 4)
    table = pd.DataFrame({"model": ["a", "b"] * 60, "photograph": photograph})
    table["accuracy"] = draw.normal(0, 0.2, 30)[photograph] + draw.normal(0, 0.05, 120)
    made = regression(table, factors=["model"], cluster="photograph", unit="any")
    found = minimum_detectable_effect(made)
    np.testing.assert_allclose(found["std_error"], made.clustered.parameters["std_error"])


@pytest.mark.parametrize(("power", "alpha"), [(1.0, 0.05), (0.04, 0.05), (0.8, 0.0), (float("nan"), 0.05)])
def test_what_cannot_be_reached_is_refused(power, alpha):
    with pytest.raises(ConfigError):
        minimum_detectable_effect(two_groups(), power, alpha)


def test_an_unknown_term_is_named():
    with pytest.raises(ConfigError, match=r"did you mean 'model\[b\]'"):
        power_of(two_groups().fit, "model[c]", 0.1)
