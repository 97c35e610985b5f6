import pandas as pd
import pytest
from matplotlib.figure import Figure

from xray.report import accuracy_heatmap, category_heatmap, drop_intervals
from xray.report.names import shown
from xray.report.svg import inline_svg

ACCURACY = pd.DataFrame(
    [("a", "pretrained", "original", 0.9), ("a", "pretrained", "grey", 0.25), ("b", "grey", "original", 0.0)],
    columns=["model", "trained_on", "scenario", "accuracy"],
)
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


def categories(names):
    rows = [("m", "pretrained", s, name, k / len(names)) for s in ("original", "grey") for k, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "category", "accuracy"])


def ticks(labels):
    return [label.get_text() for label in labels]


class TestHeatmaps:
    def test_numbers_stand_in_their_cells(self):
        ax = accuracy_heatmap(ACCURACY, ["grey", "original"])
        cells = {(t.get_position()[1] - 0.5, t.get_position()[0] - 0.5): t.get_text() for t in ax.texts}
        assert cells == {(0, 0): "25", (0, 1): "90", (1, 0): "–", (1, 1): "0"}
        assert ticks(ax.get_yticklabels()) == ["a", "b, trained on grey"]
        assert ticks(ax.get_xticklabels()) == ["grey", "original"]
        assert ax.yaxis_inverted()

    def test_a_scenario_without_predictions_keeps_its_column(self):
        ax = accuracy_heatmap(ACCURACY, ["original", "rejected"])
        assert ticks(ax.get_xticklabels()) == ["original", "rejected"]
        assert [t.get_text() for t in ax.texts] == ["90", "–", "0", "–"]

    def test_the_easiest_category_is_on_top(self):
        ax = category_heatmap(categories(["hard", "middle", "easy"]), "m")
        assert ticks(ax.get_yticklabels()) == ["easy", "middle", "hard"]

    def test_many_categories_have_a_scale_instead_of_numbers(self):
        few, many = (category_heatmap(categories([f"c{k}" for k in range(n)]), "m") for n in (26, 50))
        assert len(few.texts) == 52
        assert len(few.figure.axes) == 1
        assert not many.texts
        assert len(many.figure.axes) == 2
        assert many.figure.get_size_inches()[1] < 13

    def test_draws_on_given_axes(self):
        given = Figure().add_subplot()
        assert accuracy_heatmap(ACCURACY, ax=given) is given
        assert category_heatmap(categories(["c"]), "m", ax=given) is given


class TestDropIntervals:
    def test_the_costliest_scenario_is_on_top_and_gaps_are_left_out(self):
        ax = drop_intervals(DROPS)
        assert ticks(ax.get_yticklabels()) == ["grey", "random_background"]

    def test_dots_stand_at_the_drop_in_points(self):
        ax = drop_intervals(DROPS[DROPS["model"] == "a"])
        dots = next(line for line in ax.lines if line.get_marker() == "o")
        assert dict(zip(dots.get_ydata(), dots.get_xdata(), strict=True)) == pytest.approx({0: 5, 1: 30})
        assert ax.get_title(loc="left") == "a"

    def test_models_differ_in_colour_marker_and_height(self):
        ax = drop_intervals(DROPS)
        first, second = (line for line in ax.lines if line.get_marker() in "os" and len(line.get_xdata()) == 2)
        assert first.get_color() != second.get_color()
        assert first.get_marker() != second.get_marker()
        assert not set(first.get_ydata()) & set(second.get_ydata())

    def test_a_name_with_an_underscore_in_front_is_in_the_legend(self):
        assert ticks(drop_intervals(DROPS).get_legend().get_texts()) == ["_b", "a"]

    def test_draws_on_given_axes(self):
        given = Figure().add_subplot()
        assert drop_intervals(DROPS, ax=given) is given


class TestInlineSvg:
    HOSTILE = ("$\\frac{1}$", "$a_b$ & <script>alert(1)", '" onload="x', "狐 \U0001f98a", "a\x00\x1b\u202eb")

    def test_the_same_figure_is_the_same_text(self):
        first, second = (inline_svg(accuracy_heatmap(ACCURACY), "t", "n") for _ in range(2))
        assert first == second

    def test_names_are_text(self):
        svg = inline_svg(category_heatmap(categories(self.HOSTILE), "m"), 'a "title" <b>', "n")
        assert "$\\frac{1}$" in svg
        assert "$a_b$ &amp; &lt;script" in svg
        assert "<script" not in svg
        assert "狐 \U0001f98a" in svg
        assert "\x00" not in svg
        assert "\u202e" not in svg
        assert 'aria-label="a &quot;title&quot; &lt;b&gt;"' in svg

    def test_ids_of_two_figures_do_not_clash(self):
        many = categories([f"c{k}" for k in range(30)])
        ids = [
            {part.split('"')[0] for part in inline_svg(category_heatmap(many, "m"), "t", name).split(' id="')[1:]}
            for name in ("one", "two")
        ]
        assert ids[0]
        assert not ids[0] & ids[1]

    def test_every_reference_has_its_target(self):
        svg = inline_svg(drop_intervals(DROPS), "t", "n")
        targets = {part.split('"')[0] for part in svg.split(' id="')[1:]}
        used = {part.split('"')[0] for part in svg.split('href="#')[1:]}
        used |= {part.split(")")[0] for part in svg.split("url(#")[1:]}
        assert used
        assert used <= targets

    def test_ink_follows_the_page(self):
        svg = inline_svg(drop_intervals(DROPS), "t", "n")
        assert "currentColor" in svg
        assert "<style" not in svg
        assert "<metadata" not in svg


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        ("short", 10, "short"),
        ("0123456789abc", 7, "012…abc"),
        ("tab\there", None, "tab here"),
        ("é\u0000", None, "é\ufffd"),
    ],
)
def test_shown(name, width, expected):
    assert shown(name, width) == expected
