"""Cluster-robust standard errors: rows of one cluster, a photograph's for example, may be correlated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.statistics.regression.fit import Fit

Values = NDArray[np.float64]
MIN_CLUSTERS = 30
"""With fewer clusters the errors tend to be too small (Cameron & Miller, J. Human Resources 50, 2015)."""


def cluster_robust(fit: Fit, inverse_PP: Values, scores_GP: Values, rows: int, cluster: str) -> Fit:
    """Return the same estimates with cluster-robust errors (Liang & Zeger, Biometrika 73, 1986).

        V = G/(G − 1) · (n − 1)/(n − P) · H⁻¹ (Σ_g s_g s_g') H⁻¹,   s_g = Σ_{i in g} w_i x_i (y_i − μ_i)

    with t distributions of G − 1 degrees of freedom. The estimates solve Σ_g s_g = 0, and H is the derivative of that
    sum: X'WX for least squares. Equal to Stata, and to statsmodels with `use_t`.

    Args:
        fit: a fit by least squares, or by maximum likelihood with the canonical link.
        inverse_PP: H⁻¹.
        scores_GP: s_g.
        rows: number of rows n.
        cluster: name of the column of the clusters.

    Raises:
        ConfigError: a single cluster, or no more rows than columns.

    >>> import pandas as pd
    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"image": [*"aabbcc"], "model": [*"xyxyxy"], "correct": [1, 1, 1, 0, 0, 0]})
    >>> fit = regression(table, "correct", ["model"], cluster="image").clustered
    >>> fit.errors, fit.df, fit.parameters["std_error"].round(4).tolist()
    ('clustered by image (3 clusters: few, errors may be too small)', 2, [0.3727, 0.3727])
    """
    clusters, parameters = scores_GP.shape
    if clusters < 2:
        raise ConfigError(
            f"all rows are of one {cluster}: clustered errors need several, better {MIN_CLUSTERS} or more"
        )
    if rows <= parameters:
        raise ConfigError(f"{rows:,} rows are too few for {parameters:,} parameters and clustered errors")
    correction = clusters / (clusters - 1) * (rows - 1) / (rows - parameters)
    influence_GP = scores_GP @ inverse_PP  # multiplied before squaring: less rounding
    few = ": few, errors may be too small" if clusters < MIN_CLUSTERS else ""
    return replace(
        fit,
        covariance_PP=correction * influence_GP.T @ influence_GP,
        df=clusters - 1,
        errors=f"clustered by {cluster} ({clusters:,} clusters{few})",
    )


def cluster_notes(fit: Fit, scores_GP: Values) -> Iterator[str]:
    """Yield a note on the effects that only one cluster has rows of."""
    clusters_P = (scores_GP != 0).sum(axis=0)
    if single := [name for name, count in zip(fit.design.columns, clusters_P, strict=True) if count == 1]:
        more = f" (and {len(single) - 1:,} more)" if len(single) > 1 else ""
        yield f"{single[0]}{more} has rows of one cluster only: do not use its clustered error"
