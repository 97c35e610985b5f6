"""Cluster-robust standard errors: rows of one cluster, a photograph's for example, may be correlated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from xray.core.errors import ConfigError
from xray.statistics.regression.cells import Cells, CodedRows
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import inverse_gram

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
    scores_GP = _scores(fit, rows, cluster)
    clusters, n, p = len(scores_GP), cells.rows, len(fit.estimates_P)
    if clusters < 2:
        raise ConfigError(
            f"all rows are of one {cluster.name}: clustered errors need several, better {MIN_CLUSTERS} or more"
        )
    correction = clusters / (clusters - 1) * (n - 1) / (n - p)
    influence_GP = scores_GP @ inverse_gram(cells, fit.design)  # multiplied before squaring: less rounding
    few = ": few, errors may be too small" if clusters < MIN_CLUSTERS else ""
    return replace(
        fit,
        covariance_PP=correction * influence_GP.T @ influence_GP,
        df=clusters - 1,
        errors=f"clustered by {cluster.name} ({clusters:,} clusters{few})",
    )


def _scores(fit: Fit, rows: CodedRows, cluster: pd.Series) -> Values:
    """Return the sums of w x (y − x'b) by cluster, shape (clusters, columns)."""
    names = pd.Index(cluster.unique())
    matrix_CP = fit.design.matrix(fit.design.every_cell())
    expected_C = matrix_CP @ fit.estimates_P
    scores_GP = np.zeros((len(names), len(fit.estimates_P)))
    for part in rows.parts():
        cell_N, group_N = rows.cell_N[part], names.get_indexer(cluster.iloc[part])
        residual_N = rows.weight_N[part] * (rows.response_N[part] - expected_C[cell_N])
        residuals_GC = coo_array((residual_N, (group_N, cell_N)), shape=(len(names), len(expected_C))).tocsr()
        part_GP = (residuals_GC @ matrix_CP).tocoo()
        scores_GP[part_GP.row, part_GP.col] += part_GP.data
    return scores_GP
