"""Every table of a regression, by name: what `xray regress` writes as CSV, and a notebook asks for."""

from __future__ import annotations

import pandas as pd

from xray.statistics.regression.anova import anova
from xray.statistics.regression.diagnostics import residuals
from xray.statistics.regression.least_squares import Regression
from xray.statistics.regression.marginal_means import contrasts, marginal_means
from xray.statistics.regression.power import minimum_detectable_effect

PAIRED_LEVELS = 100
"""A factor of more levels is compared with its reference alone: pairs would be too many to make, and to read."""


def tables(regression: Regression) -> dict[str, pd.DataFrame]:
    """Every table, each described where it is made.

    `parameters`, `parameters_clustered` (where clusters were named), `anova`, `marginal_means` and `contrasts` (of all
    factors, named in the column `factor`; of all pairs up to `PAIRED_LEVELS`), `power` (minimum detectable effects),
    `residuals` (where rows were kept; `row` is the table's label). Marginal means and contrasts rest on clustered
    errors where there are any.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> made = tables(regression(table, factors=["model", "scenario"]))
    >>> list(made)
    ['parameters', 'anova', 'marginal_means', 'contrasts', 'power', 'residuals']
    >>> made["marginal_means"][["factor", "level", "mean"]].round(3).values.tolist()
    [['model', 'a', 0.7], ['model', 'b', 0.65], ['scenario', 'x', 0.85], ['scenario', 'y', 0.5]]
    """
    fit = regression.clustered or regression.fit
    names = regression.design.names
    made = {"parameters": regression.parameters}
    if regression.clustered is not None:
        made["parameters_clustered"] = regression.clustered.parameters
    made["anova"] = anova(regression)
    made["marginal_means"] = _stacked({name: marginal_means(fit, name) for name in names})
    many = {factor.name: len(factor.levels) > PAIRED_LEVELS for factor in regression.design.factors}
    made["contrasts"] = _stacked({name: contrasts(fit, name, against_reference=many[name]) for name in names})
    made["power"] = minimum_detectable_effect(regression)
    if regression.table is not None:
        made["residuals"] = residuals(regression)
        made["residuals"].insert(0, "row", made["residuals"].index, allow_duplicates=True)
    return made


def _stacked(by_factor: dict[str, pd.DataFrame]) -> pd.DataFrame:
    frames = []
    for name, frame in by_factor.items():
        frame.insert(0, "factor", name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
