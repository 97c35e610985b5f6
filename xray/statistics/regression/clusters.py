"""Rows by cluster: what sandwich errors need, of any rows, or faster of single predictions."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from xray.statistics.regression.cells import Cells, CodedRows, aggregate, parts
from xray.statistics.regression.design import Codes, Design

Values = NDArray[np.float64]
Counts = NDArray[np.unsignedinteger[Any]]
_MIN_ROWS_AT_ONCE = 1 << 18
MAX_THREADS = 4
"""Threads that count rows; each has a table of its own."""


@dataclass(frozen=True)
class ClusteredRows:
    """Rows with the cluster of each.

    Args:
        rows: the rows.
        cluster_N: cluster of each row, a number from 0.
        clusters: upper limit of the numbers; a number without rows is no cluster.
    """

    rows: CodedRows
    cluster_N: Codes
    clusters: int

    @classmethod
    def of(cls, rows: CodedRows, cluster: pd.Series) -> ClusteredRows:
        """Number the clusters; whole numbers of a small range, and categories, are their own numbers."""
        if isinstance(cluster.array, pd.Categorical):
            return cls(rows, cluster.array.codes, len(cluster.array.categories))
        if isinstance(cluster.dtype, np.dtype) and cluster.dtype.kind in "iu":
            value_N = cluster.to_numpy()
            low, high = int(value_N.min()), int(value_N.max())
            if high - low <= len(value_N):
                return cls(rows, value_N if low == 0 else value_N - low, high - low + 1)
        cluster_N, names = pd.factorize(cluster)
        return cls(rows, cluster_N, len(names))

    def cells(self) -> Cells:
        """Return the sums by cell."""
        return aggregate(self.rows)

    def scores(self, expected_C: Values) -> Values:
        """Return the sums of w x (y − expected) by cluster with rows, shape (clusters, columns of the design).

        Args:
            expected_C: of each cell of `Design.every_cell`.
        """
        rows, design = self.rows, self.rows.design
        sizes = {term: tuple(len(design.factor(name).levels) for name in term) for term in design.terms}
        sums = {term: np.zeros(self.clusters * math.prod(size)) for term, size in sizes.items()}
        total_G, rows_G = np.zeros(self.clusters), np.zeros(self.clusters, np.int64)
        for part in rows.parts():
            cluster_N, cell_N = self.cluster_N[part].astype(np.intp), rows.cells(part)
            residual_N = rows.weights(part) * (rows.response_N[part] - expected_C[cell_N])
            np.add.at(total_G, cluster_N, residual_N)
            np.add.at(rows_G, cluster_N, 1)
            codes_FN = dict(zip(design.names, np.unravel_index(cell_N, design.shape), strict=True))
            for term, size in sizes.items():
                code_N = np.ravel_multi_index(tuple(codes_FN[name] for name in term), size)
                np.add.at(sums[term], cluster_N * math.prod(size) + code_N, residual_N)
        scores_GP = np.empty((self.clusters, len(design.columns)))
        scores_GP[:, 0] = total_G
        for term, span in design.spans().items():
            without_reference = (slice(None), *(slice(1, None) for _ in term))
            scores_GP[:, span] = sums[term].reshape(-1, *sizes[term])[without_reference].reshape(self.clusters, -1)
        return np.asarray(scores_GP[rows_G > 0])


@dataclass(frozen=True)
class ClusterCounts:
    """Numbers of predictions, and of correct ones, by cluster and cell.

    A nested factor has one level in each cluster (the category, if clusters are photographs): cells are counted over
    the other factors, which are crossed with the clusters.

    Args:
        design: factors and levels.
        codes_KF: levels of the crossed cells; 0 of nested factors.
        levels_GF: levels of the clusters; 0 of crossed factors.
        n_GK: number of predictions.
        correct_GK: number of correct predictions.
    """

    design: Design
    codes_KF: Codes
    levels_GF: Codes
    n_GK: Counts
    correct_GK: Counts

    @classmethod
    def of(cls, clustered: ClusteredRows) -> ClusterCounts | None:
        """Count the rows in one pass; None if they are not single predictions, or fewer than half of the counts."""
        rows, design = clustered.rows, clustered.rows.design
        if rows.weight_N is not None or rows.response_N.dtype != np.bool_ or not len(rows.response_N):
            return None
        nested = [_nested(values_N, clustered) for values_N in rows.values_FN]
        crossed = [index for index, value_G in enumerate(nested) if value_G is None]
        shape = tuple(len(rows.levels_FU[index]) for index in crossed)
        size, n_rows = clustered.clusters * math.prod(shape), len(rows.response_N)
        if size > 2 * max(n_rows, _MIN_ROWS_AT_ONCE):
            return None
        words = (np.uint16, np.uint64) if n_rows < 64 * size else (np.uint64,)
        n_GK, correct_GK = next(filter(None, (_count(clustered, crossed, shape, word) for word in words)))
        kept_G = n_GK.any(axis=1)
        codes_KF = np.zeros((n_GK.shape[1], len(design.factors)), np.intp)
        levels_GF = np.zeros((int(kept_G.sum()), len(design.factors)), np.intp)
        for index, values_K in zip(crossed, np.unravel_index(np.arange(len(codes_KF)), shape or (1,)), strict=False):
            codes_KF[:, index] = rows.levels_FU[index][values_K]
        for index, value_G in enumerate(nested):
            if value_G is not None:
                levels_GF[:, index] = rows.levels_FU[index][value_G[kept_G]]
        kept_K = (codes_KF >= 0).all(axis=1)  # a category without rows is no level
        if not (kept_G.all() and kept_K.all()):
            n_GK, correct_GK = n_GK[kept_G][:, kept_K], correct_GK[kept_G][:, kept_K]
        return cls(design, codes_KF[kept_K], levels_GF, n_GK, correct_GK)

    def cells(self) -> Cells:
        """Return the sums by cell; equal to `aggregate` of the rows."""
        n_C, correct_C = np.zeros((2, math.prod(self.design.shape)))
        for cell_K, _, n_GK, correct_GK in self._blocks():
            n_C[cell_K] = n_GK.sum(axis=0)
            correct_C[cell_K] = correct_GK.sum(axis=0)
        cell_C = np.flatnonzero(n_C)
        n_C, correct_C = n_C[cell_C], correct_C[cell_C]
        mean_C = correct_C / n_C
        return Cells(
            codes_CF=np.stack(np.unravel_index(cell_C, self.design.shape), axis=1),
            rows_C=n_C.astype(np.int64), weight_C=n_C, mean_C=mean_C,
            within=float(np.maximum(correct_C - mean_C * correct_C, 0.0).sum()), log_weight=0.0,
            low=float((correct_C == n_C).all()), high=float(correct_C.any()),
        )  # fmt: skip

    def scores(self, expected_C: Values) -> Values:
        """Return the sums of x (correct − expected) by cluster; see `ClusteredRows.scores`."""
        matrix_CP = self.design.matrix(self.design.every_cell())
        scores_GP = np.empty((len(self.n_GK), len(self.design.columns)))
        for cell_K, cluster_B, n_BK, correct_BK in self._blocks():
            residual_BK, matrix_KP = correct_BK - n_BK * expected_C[cell_K], matrix_CP[cell_K].toarray()
            varies_P = (matrix_KP != matrix_KP[0]).any(axis=0)
            block_BP = np.outer(residual_BK.sum(axis=1), matrix_KP[0])
            block_BP[:, varies_P] = residual_BK @ matrix_KP[:, varies_P]
            scores_GP[cluster_B] = block_BP
        return scores_GP

    def _blocks(self) -> Iterator[tuple[Codes, Codes, Counts, Counts]]:
        """Yield clusters of the same nested levels: their cells, their numbers, and both of their counts."""
        shape = self.design.shape
        crossed_K, nested_G = (np.ravel_multi_index(tuple(codes.T), shape) for codes in (self.codes_KF, self.levels_GF))
        order_G = np.argsort(nested_G, kind="stable")
        starts = np.flatnonzero(np.diff(nested_G[order_G])) + 1
        for cluster_B in np.split(order_G, starts):
            yield crossed_K + nested_G[cluster_B[0]], cluster_B, self.n_GK[cluster_B], self.correct_GK[cluster_B]


def clustered_rows(rows: CodedRows, cluster: pd.Series) -> ClusteredRows | ClusterCounts:
    """Return rows by cluster, counted if they can be."""
    clustered = ClusteredRows.of(rows, cluster)
    return ClusterCounts.of(clustered) or clustered


def _nested(value_N: Codes, clustered: ClusteredRows) -> Codes | None:
    """Return the one value of each cluster, or None as soon as a cluster has two; −1 where a cluster has no rows."""
    value_G = np.full(clustered.clusters, -1, value_N.dtype)

    def others(part: slice) -> Codes:
        return np.flatnonzero(value_G.take(clustered.cluster_N[part]) != value_N[part])

    pieces = iter(list(parts(len(value_N))))
    for part in pieces:
        if len(other_M := others(part)):
            cluster_M, value_M = clustered.cluster_N[part][other_M], value_N[part][other_M]
            if (value_G[cluster_M] >= 0).any():
                return None
            value_G[cluster_M] = value_M
            if (value_G[cluster_M] != value_M).any():
                return None
        else:  # probably all clusters have been seen
            break
    rest = list(pieces)
    with ThreadPoolExecutor(_threads(len(rest))) as pool:
        unlike = [part for part, other_M in zip(rest, pool.map(others, rest), strict=True) if len(other_M)]
    for part in unlike:
        cluster_N = clustered.cluster_N[part]
        new_N = value_G[cluster_N] < 0
        value_G[cluster_N[new_N]] = value_N[part][new_N]
    return None if any(len(others(part)) for part in unlike) else value_G


def _threads(pieces: int) -> int:
    return max(1, min(MAX_THREADS, os.cpu_count() or 1, pieces))


def _count(
    clustered: ClusteredRows, crossed: list[int], shape: tuple[int, ...], word: type[np.unsignedinteger[Any]]
) -> tuple[Counts, Counts] | None:
    """Count rows, and correct rows, by cluster and crossed cell; None if a count is too large for half of a word.

    Each row adds 1 to the lower half of its word, and a correct one also to the upper half: one sum in compiled code.
    A lower half that overflows has lost rows, and upper halves are never larger than the lower ones.
    """
    rows, size = clustered.rows, (clustered.clusters, math.prod(shape))
    upper, n_rows = word(4 * word().itemsize), len(rows.response_N)

    def table_of(some: Sequence[slice]) -> Counts:
        table_GK = np.zeros(size, word)
        for part in some:
            cell_N = np.zeros(part.stop - part.start, np.int32)
            for index, values in zip(crossed, shape, strict=True):
                cell_N *= values
                cell_N += rows.values_FN[index][part]
            word_N = rows.response_N[part].astype(word)
            word_N <<= upper
            word_N += word(1)
            ones = coo_array(size, dtype=word)  # coordinates are set, not given: they need no check
            ones.data, ones.coords = word_N, (clustered.cluster_N[part].astype(np.int32, copy=False), cell_N)
            table_GK += ones.toarray()
        return table_GK

    pieces = list(parts(n_rows, max(_MIN_ROWS_AT_ONCE, math.prod(size) // 2)))
    threads = _threads(len(pieces) // 2)
    with ThreadPoolExecutor(threads) as pool:  # scipy and numpy let other threads run while they add
        table_GK = sum(pool.map(table_of, [pieces[start::threads] for start in range(threads)]), np.zeros(size, word))
    n_GK = table_GK & word((1 << int(upper)) - 1)
    return (n_GK, table_GK >> upper) if int(n_GK.sum()) == n_rows else None
