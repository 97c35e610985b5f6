"""Behaviour that all figures share: they draw on given axes, and refuse tables that they cannot draw."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from xray.core.errors import XrayError
from xray.report import figures

BOUNDS = {"ci_low": [0.1, 0.2], "ci_high": [0.3, 0.4]}
CELLS = pd.DataFrame({"model": "m", "trained_on": "a", "scenario": ["a", "b"], "accuracy": [0.2, 0.3], **BOUNDS})
TABLES = {
    "accuracy_heatmap": CELLS,
    "accuracy_intervals": CELLS,
    "density_map": CELLS.assign(category="c", trained_on="pretrained"),
    "density_maps": CELLS.assign(category="c"),
    "train_test_map": CELLS,
    "drop_intervals": CELLS.assign(drop=0.1),
    "robustness_intervals": CELLS.assign(model=["m", "n"], s_robust=0.5, sigma2_cross=0.3, sigma2_inner=0.2),
    "forest": pd.DataFrame({"term": ["m[a]", "m[b]"], "estimate": [0.1, 0.2], **BOUNDS}),
    "level_curve": CELLS.assign(curve="size", level=[0.1, 0.2]),
    "complexity_curve": CELLS.assign(curve="c", complexity_mean=[2, 9], complexity_low=[1, 4], complexity_high=[3, 11]),
    "position_map": CELLS.assign(trained_on="pretrained", row=[0, 1], column=0),
    "marginal_plot": pd.DataFrame({"level": ["a", "b"], "mean": [0.2, 0.3], **BOUNDS}),
}
REQUIRED = {"accuracy_heatmap": "accuracy", "density_map": "accuracy", "density_maps": "accuracy",
            "train_test_map": "accuracy", "position_map": "accuracy"}  # fmt: skip


def draw(name, table, **options):
    arguments = ("m",) if name in ("density_map", "position_map") else ()
    return getattr(figures, name)(table, *arguments, **options)


@pytest.mark.parametrize("name", TABLES)
def test_empty_tables_and_missing_columns_are_errors(name):
    with pytest.raises(XrayError, match="to draw"):
        draw(name, TABLES[name].iloc[:0])
    column = REQUIRED.get(name, "ci_low")
    with pytest.raises(XrayError, match=f"'{column}'"):
        draw(name, TABLES[name].drop(columns=column))


@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"density_maps"}))
def test_draws_on_given_axes(name):
    axes = Figure().add_subplot()
    assert draw(name, TABLES[name], ax=axes) is axes


def test_only_missing_values_are_an_error():
    with pytest.raises(XrayError, match="to draw"):
        figures.drop_intervals(TABLES["drop_intervals"].assign(drop=float("nan")))
    with pytest.raises(XrayError, match="to draw"):
        figures.accuracy_intervals(CELLS, ["segmented"])
    with pytest.raises(XrayError, match="intercept"):
        figures.forest(TABLES["forest"].assign(term="Intercept"))


def test_terms_of_s_robust_are_drawn_on_their_own_axes():
    left, right = Figure().subplots(1, 2)
    figures.robustness_intervals(TABLES["robustness_intervals"], left)
    assert not right.containers
    figures.robustness_intervals(TABLES["robustness_intervals"], left, right)
    assert len(right.containers) == 2
