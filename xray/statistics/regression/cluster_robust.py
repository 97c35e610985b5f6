"""Standard errors that allow the rows of one cluster, a photograph's for example, to be alike."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.core.errors import XrayError
from xray.statistics.regression.cells import Cells
from xray.statistics.regression.coded_rows import Integers, Rows
from xray.statistics.regression.design import Codes, Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import gram

Values = NDArray[np.float64]
FEW = 30
"""With fewer clusters the errors are too small more often than not (Cameron & Miller, J. Human Resources 50, 2015)."""


def cluster_robust(fit: Fit, made: Cells, rows: Rows, cluster: pd.Series) -> Fit:
    """The same estimates with cluster-robust errors (Liang & Zeger, Biometrika 73, 1986).

        V = G/(G − 1) · (n − 1)/(n − P) · (X'WX)⁻¹ (Σ_g s_g s_g') (X'WX)⁻¹,   s_g = Σ_{i in g} w_i x_i (y_i − x_i'b)

    with t distributions of G − 1 degrees of freedom, as Stata and statsmodels have it. A column is 1 in all cells of
    its levels: a score is a sum of residuals by cluster and level, so that one pass over the rows suffices, in memory
    of clusters × columns.

    Args:
        fit: by least squares.
        made: the cells that it was made of.
        rows: that the cells were made of.
        cluster: of each row; text, numbers or categories.

    Raises:
        XrayError: a single cluster.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"image": [*"aabbcc"], "model": [*"xyxyxy"], "right": [1, 1, 1, 0, 0, 0]})
    >>> fit = regression(table, "right", ["model"], cluster="image").clustered
    >>> fit.errors, fit.df, fit.parameters["std_error"].round(4).tolist()
    ('clustered by image (3 clusters: few, errors may be too small)', 2, [0.3727, 0.3727])
    """
    cluster_N, numbers = _numbered(cluster)
    row_G = _a_row_of_each(rows, cluster_N, numbers)
    groups = int((row_G >= 0).sum())
    if groups < 2:
        raise XrayError(f"all rows are of one {cluster.name}: clustered errors need several, better {FEW} or more")
    scores_GP = _scores(fit, rows, cluster_N, row_G)
    n, p = made.rows, len(fit.estimates_P)
    correction = groups / (groups - 1) * (n - 1) / (n - p)
    moved_GP = scores_GP @ np.linalg.inv(
        gram(made, fit.design)
    )  # before squaring: what cancels, cancels to the last digit
    covariance_PP = correction * moved_GP.T @ moved_GP
    few = ": few, errors may be too small" if groups < FEW else ""
    said = f"clustered by {cluster.name} ({groups:,} clusters{few})"
    return replace(fit, covariance_PP=covariance_PP, df=groups - 1, errors=said)


def _numbered(cluster: pd.Series) -> tuple[Integers, int]:
    """Numbers of the clusters, from 0, and where they end; some may not occur."""
    if isinstance(cluster.array, pd.Categorical):
        return cluster.array.codes, len(cluster.array.categories)
    if isinstance(cluster.dtype, np.dtype) and cluster.dtype.kind == "i":
        low, end = int(cluster.min()), int(cluster.max()) + 1
        if low >= 0 and end <= 2 * len(cluster):
            return cluster.to_numpy(), end
    codes_N, names = pd.factorize(cluster)
    return codes_N, len(names)


def _a_row_of_each(rows: Rows, cluster_N: Integers, numbers: int) -> Codes:
    """One row of each cluster, shape (numbers,); -1 where none is."""
    row_G = np.full(numbers, -1)
    for part in rows.parts():
        row_G[cluster_N[part]] = np.arange(part.start, part.stop)
        if row_G.min() >= 0:
            break
    return row_G


def _nested(rows: Rows, cluster_N: Integers, row_G: Codes) -> dict[str, Integers]:
    """Factors of which each cluster has one level alone, with these levels as the table numbers them."""
    found = {}
    for name, codes_N in zip(rows.design.names, rows.codes, strict=True):
        level_G = codes_N[row_G]
        if all((level_G.take(cluster_N[part].astype(np.intp)) == codes_N[part]).all() for part in rows.parts()):
            found[name] = level_G
    return found


def _scores(fit: Fit, rows: Rows, cluster_N: Integers, row_G: Codes) -> Values:
    """Sums of w x (y − x'b) by cluster, shape (clusters' numbers, columns)."""
    design, groups = fit.design, len(row_G)
    nested = _nested(rows, cluster_N, row_G)
    tables = _residuals(fit, rows, cluster_N, groups, _varying(design, nested))
    scores_GP = np.empty((groups, len(design.columns)))
    scores_GP[:, 0] = next(iter(tables.values())).reshape(groups, -1).sum(axis=1)
    for term, span in design.spans().items():
        names, table_GL = next((names, table) for names, table in tables.items() if {*names, *nested} >= set(term))
        scores_GL = table_GL.sum(axis=tuple(axis for axis, name in enumerate(names, 1) if name not in term))
        for axis, name in enumerate(term, 1):
            if name in nested:  # the whole score goes to the one level that the cluster has
                has_GL = nested[name][:, None] == rows.places[design.names.index(name)]
                beside = [other for other in range(1, scores_GL.ndim + 1) if other != axis]
                scores_GL = np.expand_dims(scores_GL, axis) * np.expand_dims(has_GL, beside)
        scores_GP[:, span] = scores_GL[:, *[slice(1, None)] * len(term)].reshape(groups, -1)
    return scores_GP


def _varying(design: Design, nested: Collection[str]) -> list[tuple[str, ...]]:
    """Factors that are summed by together: those of each term that are not nested, unless another term has them all."""
    needed = list(dict.fromkeys(tuple(name for name in term if name not in nested) for term in design.terms))
    return [names for names in needed if not any(set(names) < set(other) for other in needed)]


def _residuals(
    fit: Fit, rows: Rows, cluster_N: Integers, groups: int, sets: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], Values]:
    """Sums of weighted residuals by cluster and levels of each set of factors, shape (clusters, levels, …)."""
    design = fit.design
    every_CF = np.stack(np.unravel_index(np.arange(math.prod(design.shape)), design.shape), axis=1)
    expected_R = rows.own(design.matrix(every_CF) @ fit.estimates_P)
    residual_R = np.stack([-expected_R, 1 - expected_R], axis=1).ravel()  # of wrong and of right rows
    where = [[design.names.index(name) for name in names] for names in sets]
    lengths = [groups * math.prod(rows.sizes[place] for place in places) for places in where]
    totals = [np.zeros(length) for length in lengths]
    for part in rows.parts():
        if rows.boolean:
            residual_N = residual_R.take(rows.outcome(part).astype(np.intp))
        else:
            residual_N = rows.response_N[part] - expected_R.take(rows.cell(part).astype(np.intp))
            residual_N *= 1 if rows.weight_N is None else rows.weight_N[part]
        mine_N = cluster_N[part].astype(np.intp)
        for places, total in zip(where, totals, strict=True):
            key_N = mine_N
            for place in places:
                key_N = key_N * rows.sizes[place]
                key_N += rows.codes[place][part]
            np.add.at(total, key_N, residual_N)
    tables = {}
    for names, places, total in zip(sets, where, totals, strict=True):
        table_GR = total.reshape(groups, *(rows.sizes[place] for place in places))
        tables[names] = table_GR[np.ix_(np.arange(groups), *(rows.places[place] for place in places))]
    return tables
