import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import drop_intervals, robustness_intervals

DROPS = pd.DataFrame(
    [
        ("a", "pretrained", "grey", 0.05, 0.01, 0.1),
        ("a", "pretrained", "random_background", 0.3, 0.2, 0.4),
        ("_b", "pretrained", "grey", -0.02, -0.1, 0.05),
        ("_b", "pretrained", "random_background", 0.1, float("nan"), float("nan")),
        ("_b", "pretrained", "unpaired", float("nan"), float("nan"), float("nan")),
    ],
    columns=["model", "trained_on", "scenario", "drop", "ci_low", "ci_high"],
)
S_ROBUSTS = pd.DataFrame(
    [
        ("swin", 0.74, 0.7, 0.78, 0.2, 0.06),
        ("vit", np.nan, np.nan, np.nan, 0.1, np.nan),
        ("densenet", 0.92, 0.9, 0.94, 0.05, 0.03),
    ],
    columns=["model", "s_robust", "ci_low", "ci_high", "sigma2_cross", "sigma2_inner"],
)


class TestDropIntervals:
    def test_the_costliest_scenario_is_on_top_and_gaps_are_left_out(self, ticks):
        ax = drop_intervals(DROPS)
        assert ticks(ax.yaxis) == ["random_background", "grey"]
        assert ax.yaxis_inverted()

    def test_dots_and_intervals_are_at_the_drop_in_points(self, dots):
        ax = drop_intervals(DROPS[DROPS["model"] == "a"])
        assert dots(ax) == {0: pytest.approx((20, 30, 40)), 1: pytest.approx((1, 5, 10))}
        assert ax.get_title(loc="left") == "a"

    def test_models_differ_in_colour_marker_and_height(self):
        ax = drop_intervals(DROPS)
        first, second = (line for line in ax.lines if line.get_marker() in "os" and len(line.get_xdata()) == 2)
        assert first.get_color() != second.get_color()
        assert first.get_marker() != second.get_marker()
        assert not set(first.get_ydata()) & set(second.get_ydata())

    def test_a_name_with_an_underscore_in_front_is_in_the_legend(self):
        assert [text.get_text() for text in drop_intervals(DROPS).get_legend().get_texts()] == ["_b", "a"]


class TestRobustnessIntervals:
    def test_the_most_robust_model_is_on_top_and_one_without_s_robust_below(self, ticks, dots):
        ax = robustness_intervals(S_ROBUSTS)
        assert ticks(ax.yaxis) == ["densenet", "swin", "vit"]
        assert {k: v for k, v in dots(ax).items() if k < 2} == {0: (0.9, 0.92, 0.94), 1: (0.7, 0.74, 0.78)}
        assert [(text.get_text(), text.xy[1]) for text in ax.texts] == [("– (a term is missing)", 2)]

    def test_its_terms_are_stacked(self):
        parts = robustness_intervals(S_ROBUSTS).figure.axes[1]
        cross, inner = parts.containers
        assert [bar.get_width() for bar in cross] == [0.05, 0.2, 0.1]
        assert [bar.get_width() for bar in inner] == pytest.approx([0.03, 0.06, np.nan], nan_ok=True)
        assert [bar.get_x() for bar in inner] == [0.05, 0.2, 0.1]
        assert [text.get_text() for text in parts.get_legend().get_texts()] == ["σ² cross", "σ² inner"]

    def test_rows_of_one_model_are_named_by_their_training_scenario(self, ticks):
        twice = S_ROBUSTS.iloc[[0, 2]].assign(model="m", trained_on=["pretrained", "original"])
        assert ticks(robustness_intervals(twice).yaxis) == ["m, trained on original", "m"]
        with pytest.raises(XrayError, match="'m'"):
            robustness_intervals(twice.drop(columns="trained_on"))


@pytest.mark.parametrize(("draw", "table"), [(drop_intervals, DROPS), (robustness_intervals, S_ROBUSTS)])
def test_the_axis_has_the_confidence(draw, table):
    assert "(95 % interval)" in draw(table).get_xlabel()
    assert "(99.9 % interval)" in draw(table, confidence=0.999).get_xlabel()
