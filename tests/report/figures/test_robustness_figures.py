import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

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

    def test_dots_and_intervals_stand_at_the_drop_in_points(self, dots):
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

    def test_nothing_to_draw_is_a_named_error(self):
        with pytest.raises(XrayError, match="no drops to draw"):
            drop_intervals(DROPS.iloc[:0])
        with pytest.raises(XrayError, match="no drops to draw: each of them is NaN"):
            drop_intervals(DROPS.iloc[4:])

    def test_draws_on_given_axes(self):
        given = Figure().add_subplot()
        assert drop_intervals(DROPS, ax=given) is given


class TestRobustnessIntervals:
    def test_the_most_robust_model_is_on_top_and_one_that_lacks_a_half_below(self, ticks, dots):
        ax = robustness_intervals(S_ROBUSTS)
        assert ticks(ax.yaxis) == ["densenet", "swin", "vit"]
        assert {k: v for k, v in dots(ax).items() if k < 2} == {0: (0.9, 0.92, 0.94), 1: (0.7, 0.74, 0.78)}
        assert [(text.get_text(), text.xy[1]) for text in ax.texts] == [("– (a half is missing)", 2)]

    def test_its_parts_are_stacked_beside(self):
        parts = robustness_intervals(S_ROBUSTS).figure.axes[1]
        cross, inner = parts.containers
        assert [bar.get_width() for bar in cross] == [0.05, 0.2, 0.1]
        assert [bar.get_width() for bar in inner] == pytest.approx([0.03, 0.06, np.nan], nan_ok=True)
        assert [bar.get_x() for bar in inner] == [0.05, 0.2, 0.1]
        assert [text.get_text() for text in parts.get_legend().get_texts()] == ["σ² cross", "σ² inner"]

    def test_a_model_is_told_apart_by_what_it_was_trained_on(self, ticks):
        twice = S_ROBUSTS.iloc[[0, 2]].assign(model="m", trained_on=["pretrained", "original"])
        assert ticks(robustness_intervals(twice).yaxis) == ["m, trained on original", "m"]
        with pytest.raises(XrayError, match="model 'm' is there twice"):
            robustness_intervals(twice.drop(columns="trained_on"))

    def test_draws_on_given_axes(self):
        left, right = Figure().subplots(1, 2)
        assert robustness_intervals(S_ROBUSTS, left) is left
        assert not right.containers
        robustness_intervals(S_ROBUSTS, left, right)
        assert len(right.containers) == 2

    def test_nothing_to_draw_is_a_named_error(self):
        with pytest.raises(XrayError, match="no S_robusts to draw"):
            robustness_intervals(S_ROBUSTS.iloc[:0])


@pytest.mark.parametrize(("draw", "table"), [(drop_intervals, DROPS), (robustness_intervals, S_ROBUSTS)])
def test_the_axis_says_how_sure_the_intervals_are(draw, table):
    assert "(95 % interval)" in draw(table).get_xlabel()
    assert "(99.9 % interval)" in draw(table, confidence=0.999).get_xlabel()
