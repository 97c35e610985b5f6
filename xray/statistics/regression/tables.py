"""All tables of a regression by name: what `xray regress` writes as CSV."""

from __future__ import annotations

import pandas as pd

from xray.statistics.regression.anova import anova
from xray.statistics.regression.diagnostics import residuals
from xray.statistics.regression.least_squares import LinearFit
from xray.statistics.regression.marginal_means import contrasts, marginal_means
from xray.statistics.regression.power import minimum_detectable_effect

MAX_PAIRED_LEVELS = 100
"""Levels of a factor with more than this are only compared with the reference."""


def tables(regression: LinearFit) -> dict[str, pd.DataFrame]:
    """Compute every table of a regression.

    `parameters`, `parameters_clustered` (if clusters were given), `anova`, `marginal_means` and `contrasts` (of all
    factors, named in the column `factor`), `power` (minimum detectable effects), `residuals` (if rows were kept; `row`
    is the row label). Marginal means, contrasts and power use clustered errors where there are any.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> result = tables(regression(table, factors=["model", "scenario"]))
    >>> list(result)
    ['parameters', 'anova', 'marginal_means', 'contrasts', 'power', 'residuals']
    >>> result["marginal_means"][["factor", "level", "mean"]].round(3).values.tolist()
    [['model', 'a', 0.7], ['model', 'b', 0.65], ['scenario', 'x', 0.85], ['scenario', 'y', 0.5]]
    """
    fit, names = regression.robust_fit, regression.design.names
    result = {"parameters": regression.parameters}
    if regression.clustered is not None:
        result["parameters_clustered"] = regression.clustered.parameters
    result["anova"] = anova(regression)
    result["marginal_means"] = _stacked({name: marginal_means(fit, name) for name in names})
    many = {factor.name: len(factor.levels) > MAX_PAIRED_LEVELS for factor in regression.design.factors}
    result["contrasts"] = _stacked({name: contrasts(fit, name, against_reference=many[name]) for name in names})
    result["power"] = minimum_detectable_effect(regression)
    if regression.table is not None:
        result["residuals"] = residuals(regression)
        result["residuals"].insert(0, "row", result["residuals"].index, allow_duplicates=True)
    return result


def _stacked(by_factor: dict[str, pd.DataFrame]) -> pd.DataFrame:
    for name, frame in by_factor.items():
        frame.insert(0, "factor", name)
    return pd.concat(by_factor.values(), ignore_index=True)
