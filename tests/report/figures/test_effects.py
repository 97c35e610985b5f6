import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import forest, marginal_plot
from xray.statistics import regression

FACTORS = ["model", "scenario"]


def table(levels=("a", "b", "c"), scenarios=("original", "grey"), seed=0):
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = [(m, s, generator.uniform()) for m in levels for s in scenarios for _ in range(3)]
    return pd.DataFrame(rows, columns=[*FACTORS, "accuracy"])


@pytest.fixture(scope="module")
def fitted():
    return regression(table(), factors=FACTORS, reference={"model": "b", "scenario": "original"})


def stars(ax):
    return {text.xy[1]: text.get_text() for text in ax.texts}


class TestForest:
    def test_each_factor_starts_with_its_reference_at_0(self, fitted, ticks):
        ax = forest(fitted)
        assert ticks(ax.yaxis) == ["model, against b", "a", "c", "scenario, against original", "grey"]
        (hollow,) = (line for line in ax.lines if line.get_markerfacecolor() == "white")
        assert hollow.get_xdata().tolist() == [0, 0]
        assert hollow.get_ydata().tolist() == [0, 3]
        assert [label.get_fontweight() == "bold" for label in ax.get_yticklabels()] == [True, False, False, True, False]
        assert ax.get_xlabel() == "effect on accuracy (95 % interval)"

    def test_dots_intervals_and_stars_are_those_of_the_parameters(self, fitted, dots):
        ax = forest(fitted)
        rows = fitted.parameters.set_index("term").loc[["model[a]", "model[c]", "scenario[grey]"]]
        assert dots(ax) == {
            height: pytest.approx(tuple(row))
            for height, row in zip((1, 2, 4), rows[["ci_low", "estimate", "ci_high"]].to_numpy(), strict=True)
        }
        assert stars(ax) == dict(zip((1, 2, 4), rows["p_summary"], strict=True))

    def test_a_table_of_parameters_draws_the_same(self, fitted, ticks, dots):
        ax = forest(fitted.parameters, reference={"model": "b", "scenario": "original"})
        assert ticks(ax.yaxis) == ticks(forest(fitted).yaxis)
        assert dots(ax) == dots(forest(fitted.fit))
        assert ticks(forest(fitted.parameters).yaxis)[0] == "model"

    def test_sorted_within_each_factor(self, dots):
        made = forest(regression(table(tuple("abcdefgh")), factors=FACTORS), sort=True)
        estimates = [centre for height, (_, centre, _) in sorted(dots(made).items()) if height < 8]
        assert len(estimates) == 7
        assert estimates == sorted(estimates, reverse=True)

    def test_chosen_terms_in_their_order(self, fitted, ticks):
        heads = ["scenario, against original", "model, against b", "c"]
        assert ticks(forest(fitted, ["scenario", "model"]).yaxis)[::2] == heads
        with pytest.raises(XrayError, match="'modle'"):
            forest(fitted, ["modle"])

    def test_interactions_are_groups(self, ticks):
        made = regression(table(), factors=FACTORS, interactions=[FACTORS])
        for ax in (forest(made, ["model:scenario"]), forest(made.parameters, ["model:scenario"])):
            assert ticks(ax.yaxis) == ["model × scenario", "b × original", "c × original"]

    @pytest.mark.parametrize("level", ["x]:y[z", "Intercept", "$x_1$"])
    def test_level_names_that_look_like_terms(self, level, ticks):
        made = forest(regression(table(("a", level)), factors=FACTORS, reference={"model": "a"}))
        assert ticks(made.yaxis)[:2] == ["model, against a", level]
        assert not any(label.get_parse_math() for label in made.get_yticklabels())

    def test_an_estimate_that_is_nan_is_missing(self, fitted):
        parameters = fitted.parameters
        parameters.loc[1, ["estimate", "ci_low", "ci_high"]] = np.nan
        assert stars(forest(parameters))[1] == "–"


class TestMarginalPlot:
    MEANS = pd.DataFrame(
        [("a", 0.4, 0.3, 0.5), ("b", np.nan, np.nan, np.nan), ("c", 0.9, 0.8, 1.0)],
        columns=["level", "mean", "ci_low", "ci_high"],
    )

    def test_means_in_their_order_and_gaps(self, ticks, dots):
        ax = marginal_plot(self.MEANS, "model")
        assert ticks(ax.yaxis) == ["a", "b", "c"]
        assert {k: v for k, v in dots(ax).items() if k != 1} == {0: (0.3, 0.4, 0.5), 2: (0.8, 0.9, 1.0)}
        assert stars(ax) == {1: "–"}
        assert ax.get_title(loc="left") == "model"
        assert ticks(marginal_plot(self.MEANS, sort=True).yaxis) == ["c", "a", "b"]
