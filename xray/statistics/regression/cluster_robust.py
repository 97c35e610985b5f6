"""Cluster-robust standard errors: rows of one cluster, a photograph's for example, may be correlated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import Cells
from xray.statistics.regression.coded_rows import CodedRows, Integers
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import gram

Values = NDArray[np.float64]
MIN_CLUSTERS = 30
"""With fewer clusters the errors tend to be too small (Cameron & Miller, J. Human Resources 50, 2015)."""


def cluster_robust(fit: Fit, cells: Cells, rows: CodedRows, cluster: pd.Series) -> Fit:
    """Return the same estimates with cluster-robust errors (Liang & Zeger, Biometrika 73, 1986).

        V = G/(G − 1) · (n − 1)/(n − P) · (X'WX)⁻¹ (Σ_g s_g s_g') (X'WX)⁻¹,   s_g = Σ_{i in g} w_i x_i (y_i − x_i'b)

    with t distributions of G − 1 degrees of freedom, as in Stata and statsmodels. One pass over the rows, in memory
    of clusters × columns.

    Args:
        fit: a least squares fit.
        cells: the cells that it was fitted to.
        rows: the rows behind the cells.
        cluster: cluster of each row; text, numbers or categories.

    Raises:
        ConfigError: a single cluster.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"image": [*"aabbcc"], "model": [*"xyxyxy"], "correct": [1, 1, 1, 0, 0, 0]})
    >>> fit = regression(table, "correct", ["model"], cluster="image").clustered
    >>> fit.errors, fit.df, fit.parameters["std_error"].round(4).tolist()
    ('clustered by image (3 clusters: few, errors may be too small)', 2, [0.3727, 0.3727])
    """
    cluster_N, numbers = _numbered(cluster)
    scores_GP, clusters = _scores(fit, rows, cluster_N, numbers)
    if clusters < 2:
        raise ConfigError(
            f"all rows are of one {cluster.name}: clustered errors need several, better {MIN_CLUSTERS} or more"
        )
    n, p = cells.rows, len(fit.estimates_P)
    correction = clusters / (clusters - 1) * (n - 1) / (n - p)
    influence_GP = scores_GP @ np.linalg.inv(gram(cells, fit.design))  # multiplied before squaring: less rounding
    few = ": few, errors may be too small" if clusters < MIN_CLUSTERS else ""
    return replace(
        fit,
        covariance_PP=correction * influence_GP.T @ influence_GP,
        df=clusters - 1,
        errors=f"clustered by {cluster.name} ({clusters:,} clusters{few})",
    )


def _numbered(cluster: pd.Series) -> tuple[Integers, int]:
    """Return the number of each row's cluster, from 0, and an upper bound of the numbers."""
    if isinstance(cluster.array, pd.Categorical):
        return cluster.array.codes, len(cluster.array.categories)
    if isinstance(cluster.dtype, np.dtype) and cluster.dtype.kind == "i":
        low, end = int(cluster.min()), int(cluster.max()) + 1
        if low >= 0 and end <= 2 * len(cluster):
            return cluster.to_numpy(), end
    codes_N, names = pd.factorize(cluster)
    return codes_N, len(names)


def _scores(fit: Fit, rows: CodedRows, cluster_N: Integers, numbers: int) -> tuple[Values, int]:
    """Return the sums of w x (y − x'b) by cluster, shape (numbers, columns), and how many clusters have rows."""
    matrix_CP = fit.design.matrix(fit.design.every_cell())
    expected_C = matrix_CP @ fit.estimates_P
    scores_GP, seen_G = np.zeros((numbers, len(fit.estimates_P))), np.zeros(numbers, bool)
    for part in rows.parts():
        cell_N, group_N = rows.cell(part), cluster_N[part].astype(np.intp)
        seen_G[group_N] = True
        residual_N = rows.weight(part) * (rows.response_N[part] - expected_C[cell_N])
        residuals_GC = coo_array((residual_N, (group_N, cell_N)), shape=(numbers, matrix_CP.shape[0])).tocsr()
        part_GP = (residuals_GC @ matrix_CP).tocoo()
        scores_GP[part_GP.row, part_GP.col] += part_GP.data
    return scores_GP, int(seen_G.sum())
