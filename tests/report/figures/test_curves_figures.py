import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import level_curve, position_map

CURVES = pd.DataFrame(
    [
        (model, "pretrained", curve, level, label, accuracy, accuracy - 0.1, accuracy + 0.1)
        for model, accuracy in (("a", 0.8), ("b", 0.6))
        for curve, levels in (("size", [(0.1, "0.1"), (0.05, "0.05")]), ("angle", [(-30, "-30"), (0, "0"), (30, "30")]))
        for level, label in levels
    ],
    columns=["model", "trained_on", "curve", "level", "label", "accuracy", "ci_low", "ci_high"],
)
CELLS = pd.DataFrame(
    [("a", "pretrained", row, column, (3 * row + column) / 10) for row in range(3) for column in range(3)],
    columns=["model", "trained_on", "row", "column", "accuracy"],
)


def test_one_line_a_model_with_levels_in_order():
    ax = level_curve(CURVES, "size")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.05", "0.1"]
    assert [line.get_ydata().tolist() for line in ax.get_lines()] == [[80, 80], [60, 60]]
    assert ax.get_xlabel() == "size"


@pytest.mark.parametrize("curve", [None, "colour"])
def test_a_curve_is_named(curve):
    with pytest.raises(XrayError, match="angle"):
        level_curve(CURVES, curve)


def test_cells_are_where_they_are_in_the_frame():
    ax = position_map(CELLS, "a")
    numbers = {(text.get_position()[1] - 0.5, text.get_position()[0] - 0.5): text.get_text() for text in ax.texts}
    assert numbers[0, 2] == "20"
    assert numbers[2, 0] == "60"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_cells_of_two_maps_are_refused():
    with pytest.raises(XrayError, match="one map"):
        position_map(pd.concat([CELLS, CELLS]), "a")
