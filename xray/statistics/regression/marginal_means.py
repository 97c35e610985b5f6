"""Estimated marginal means of a factor's levels, and their contrasts."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from xray.statistics.regression.fit import Fit, Values, parameter_table, stars


def marginal_means(fit: Fit, factor: str) -> pd.DataFrame:
    """Compute estimated marginal means (Searle, Speed & Milliken, The American Statistician 34, 1980).

    The mean fitted value over all cells of the design that have the level: all levels of the other factors have equal
    weight, however many rows they have. On the scale of the linear predictor.

    Args:
        fit: any kind of fit.
        factor: name of the factor.

    Returns:
        One row per level: `level`, `mean`, `std_error`, `ci_low`, `ci_high`.

    Raises:
        ConfigError: no such factor.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aab"), "scenario": list("xyx"), "accuracy": [0.9, 0.5, 0.8]})
    >>> table = pd.concat([table, table.assign(accuracy=table["accuracy"] - 0.1)])
    >>> fit = regression(table, factors=["model", "scenario"]).fit
    >>> marginal_means(fit, "model")[["level", "mean"]].round(3).values.tolist()
    [['a', 0.65], ['b', 0.55]]
    """
    mean_L, error_L = fit.combinations(_weights(fit, factor))
    table = parameter_table(fit.design.factor(factor).levels, mean_L, error_L, fit.df, fit.confidence)
    table = table.rename(columns={"term": "level", "estimate": "mean"})
    return table[["level", "mean", "std_error", "ci_low", "ci_high"]]


def contrasts(fit: Fit, factor: str, against_reference: bool = False) -> pd.DataFrame:
    """Compute differences of marginal means, with Holm-adjusted P values (Scandinavian J. of Statistics 6, 1979).

    Args:
        fit: any kind of fit.
        factor: name of the factor.
        against_reference: only differences from the reference level; default: all pairs.

    Returns:
        One row per pair: `level`, `against`, `difference` (level − against), `std_error`, `ci_low`, `ci_high`
        (pointwise), `t`, `p`, `p_holm`, `p_summary` (stars of `p_holm`).

    Raises:
        ConfigError: no such factor.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> contrasts(regression(table, factors=["model", "scenario"]).fit, "scenario").round(3).values.tolist()
    [['y', 'x', -0.35, 0.05, -0.985, 0.285, -7.0, 0.09, 0.09, 'ns']]
    """
    weights_LP = _weights(fit, factor)
    levels = fit.design.factor(factor).levels
    pairs = [(b, a) for a, b in itertools.combinations(range(len(levels)), 2) if a == 0 or not against_reference]
    left, right = np.array(pairs).T
    difference_K, error_K = fit.combinations(weights_LP[left] - weights_LP[right])
    table = parameter_table([levels[index] for index in left], difference_K, error_K, fit.df, fit.confidence)
    table = table.rename(columns={"term": "level", "estimate": "difference"})
    table.insert(1, "against", [levels[index] for index in right])
    p_holm = multipletests(table["p"].to_numpy(), method="holm")[1]
    return table.drop(columns="p_summary").assign(p_holm=p_holm, p_summary=[stars(p) for p in p_holm])


def _weights(fit: Fit, factor: str) -> Values:
    """Return the mean row of the design matrix over all cells of each level, shape (levels, columns)."""
    codes_CF, index = fit.design.every_cell(), fit.design.names.index(fit.design.factor(factor).name)
    matrix_CP = fit.design.matrix(codes_CF)
    return np.stack([matrix_CP[codes_CF[:, index] == level].mean(axis=0) for level in range(fit.design.shape[index])])
