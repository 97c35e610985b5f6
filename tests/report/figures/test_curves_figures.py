import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import complexity_curve, level_curve, position_map

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


def test_points_are_at_their_measured_complexity_over_the_range_of_their_bin():
    rows = [("m", 0, 3.0, 1.0, 4.0, 0.9), ("m", 1, 9.0, 5.0, 12.0, 0.7), ("n", 0, 3.0, 1.0, 4.0, 0.8)]
    table = pd.DataFrame(
        rows, columns=["model", "bin", *(f"complexity_{name}" for name in ("mean", "low", "high")), "accuracy"]
    )
    table = table.assign(trained_on="pretrained", curve="c", ci_low=0.5, ci_high=1.0)
    ax = complexity_curve(table)
    assert [line.get_xydata().tolist() for line in ax.get_lines()] == [[[3, 90], [9, 70]], [[3, 80]]]
    ranges = [segment[:, 0].tolist() for segment in ax.collections[-1].get_segments()]
    assert ranges == [[1, 4], [5, 12]]
    with pytest.raises(XrayError, match="c; d"):
        complexity_curve(pd.concat([table, table.assign(curve="d")]))


def test_cells_are_where_they_are_in_the_frame():
    ax = position_map(CELLS, "a")
    numbers = {(text.get_position()[1] - 0.5, text.get_position()[0] - 0.5): text.get_text() for text in ax.texts}
    assert numbers[0, 2] == "20"
    assert numbers[2, 0] == "60"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_cells_of_two_maps_are_refused():
    with pytest.raises(XrayError, match="one map"):
        position_map(pd.concat([CELLS, CELLS]), "a")
