"""Figures for reports, papers and notebooks, one function each, in colours for colour-blind readers.

Each function draws on the axes `ax`, or makes a figure of fitting size (`axes.figure`), without pyplot's global state.
Names are drawn as plain text, never as formulae. `save` writes the same bytes for the same numbers. A table without
rows or without a column that the figure needs is an `XrayError`, and so is an unknown or ambiguous model, scenario or
cell. `scenarios` are drawn in their order, by default in the order of appearance.

>>> import pandas as pd
>>> table = pd.DataFrame({"level": ["a", "b"], "mean": [0.9, 0.4], "ci_low": [0.8, 0.3], "ci_high": [1.0, 0.5]})
>>> ax = marginal_plot(table, "model")
>>> [label.get_text() for label in ax.get_yticklabels()]
['a', 'b']
"""

from xray.report.figures.curves import complexity_curve, level_curve, position_map
from xray.report.figures.effects import forest, marginal_plot
from xray.report.figures.heatmaps import accuracy_heatmap, density_map, density_maps, train_test_map
from xray.report.figures.residuals import diagnostic_plots, order_plot, qq_plot, residuals_plot, scale_plot
from xray.report.figures.robustness import drop_intervals, robustness_intervals
from xray.report.figures.svg import inline_svg, save, svg_bytes
from xray.report.figures.training import accuracy_intervals, learning_curves

__all__ = [
    "accuracy_heatmap",
    "accuracy_intervals",
    "complexity_curve",
    "density_map",
    "density_maps",
    "diagnostic_plots",
    "drop_intervals",
    "forest",
    "inline_svg",
    "learning_curves",
    "level_curve",
    "marginal_plot",
    "order_plot",
    "position_map",
    "qq_plot",
    "residuals_plot",
    "robustness_intervals",
    "save",
    "scale_plot",
    "svg_bytes",
    "train_test_map",
]
