"""Rows by cluster: what sandwich errors need, of any rows, or faster of single predictions."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array

from xray.statistics.regression.cells import Cells, CodedRows, aggregate, parts
from xray.statistics.regression.design import Codes, Design

Values = NDArray[np.float64]
Counts = NDArray[np.unsignedinteger[Any]]
_FEW_ROWS = 1 << 12
_MIN_ROWS_AT_ONCE = 1 << 18
_COUNTS_AT_ONCE = 1 << 16
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
            low, high = pc.min_max(pa.array(value_N)).as_py().values()
            if high - low <= len(value_N):  # a difference that overflows is right without its sign
                return cls(rows, value_N if low == 0 else _unsigned(value_N - low), high - low + 1)
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
    """Numbers of incorrect and of correct predictions by cluster and cell.

    A nested factor has one level in each cluster (the category, if clusters are photographs): cells are counted over
    the other factors, which are crossed with the clusters.

    Args:
        design: factors and levels.
        crossed_K: numbers of the crossed cells in `Design.every_cell`, at the first levels of nested factors.
        nested_G: what a cluster's nested levels add to these numbers; clusters are in this order.
        counts_GK2: number of incorrect and of correct predictions.
    """

    design: Design
    crossed_K: Codes
    nested_G: Codes
    counts_GK2: Counts

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
        kinds = (np.uint8, np.uint32, np.uint64)[n_rows >= 64 * size :]
        counted = (_count(clustered, crossed, shape, kind) for kind in kinds)
        counts_GK2 = next(counts_GK2 for counts_GK2 in counted if counts_GK2 is not None)
        cluster_G = np.flatnonzero(counts_GK2.any(axis=(1, 2)))
        values_K = dict(zip(crossed, np.unravel_index(np.arange(counts_GK2.shape[1]), shape or (1,)), strict=False))
        crossed_K, nested_G = np.zeros(counts_GK2.shape[1], np.intp), np.zeros(len(cluster_G), np.intp)
        has_level_K = np.ones(len(crossed_K), bool)  # a category without rows is no level
        for index, value_G in enumerate(nested):
            level_U, stride = rows.levels_FU[index], math.prod(design.shape[index + 1 :])
            if value_G is None:
                crossed_K += stride * level_U[values_K[index]]
                has_level_K &= level_U[values_K[index]] >= 0
            else:
                nested_G += stride * level_U[value_G[cluster_G]]
        order_G = np.argsort(nested_G.astype(np.min_scalar_type(math.prod(design.shape))), kind="stable")
        counts_GK2 = counts_GK2[cluster_G[order_G]]
        if not has_level_K.all():
            crossed_K, counts_GK2 = crossed_K[has_level_K], counts_GK2[:, has_level_K]
        return cls(design, crossed_K, nested_G[order_G], counts_GK2)

    def cells(self) -> Cells:
        """Return the sums by cell; equal to `aggregate` of the rows."""
        counts_C2 = np.zeros((math.prod(self.design.shape), 2))
        for cell_K, start, stop in self._blocks():
            counts_C2[cell_K] = self.counts_GK2[start:stop].sum(axis=0, dtype=np.uint64)
        cell_C = np.flatnonzero(counts_C2.any(axis=1))
        correct_C, n_C = counts_C2[cell_C, 1], counts_C2[cell_C].sum(axis=1)
        mean_C = correct_C / n_C
        return Cells(
            codes_CF=np.stack(np.unravel_index(cell_C, self.design.shape), axis=1),
            rows_C=n_C.astype(np.int64), weight_C=n_C, mean_C=mean_C,
            within=float(np.maximum(correct_C - mean_C * correct_C, 0.0).sum()), log_weight=0.0,
            low=float((correct_C == n_C).all()), high=float(correct_C.any()),
        )  # fmt: skip

    def scores(self, expected_C: Values) -> Values:
        """Return the sums of x (correct − expected) by cluster, in another order than `ClusteredRows.scores`."""
        matrix_CP = self.design.matrix(self.design.every_cell())
        counts_GX = self.counts_GK2.reshape(len(self.nested_G), -1)
        scores_GP = np.empty((len(counts_GX), matrix_CP.shape[1]))
        at_once = math.ceil(_COUNTS_AT_ONCE / counts_GX.shape[1])
        for cell_K, start, stop in self._blocks():
            matrix_KP, expected_K1 = matrix_CP[cell_K].toarray(), expected_C[cell_K, None]
            same_P = (matrix_KP == matrix_KP[0]).all(axis=0)
            same_P[0] = False  # the intercept, whose sums are those of all columns of ones
            varies_KP = matrix_KP[:, ~same_P]
            weights_K2P = np.stack([-expected_K1 * varies_KP, (1 - expected_K1) * varies_KP], axis=1)
            weights_XP = weights_K2P.reshape(counts_GX.shape[1], -1)
            for first in range(start, stop, at_once):
                part = slice(first, min(first + at_once, stop))
                scores_GP[part, ~same_P] = counts_GX[part].astype(np.float64) @ weights_XP
            scores_GP[start:stop, same_P] = scores_GP[start:stop, :1] * matrix_KP[0, same_P]
        return scores_GP

    def _blocks(self) -> Iterator[tuple[Codes, int, int]]:
        """Yield the cells of clusters that have the same nested levels, and the first and the end of these clusters."""
        starts = np.flatnonzero(np.diff(self.nested_G)) + 1
        for start, stop in itertools.pairwise([0, *starts.tolist(), len(self.nested_G)]):
            yield self.crossed_K + self.nested_G[start], start, stop


def clustered_rows(rows: CodedRows, cluster: pd.Series) -> ClusteredRows | ClusterCounts:
    """Return rows by cluster, counted if they can be."""
    clustered = ClusteredRows.of(rows, cluster)
    return ClusterCounts.of(clustered) or clustered


def _nested(value_N: Codes, clustered: ClusteredRows) -> Codes | None:
    """Return the one value of each cluster, or None as soon as a cluster has two; −1 where a cluster has no rows."""
    value_G, n_rows = np.full(clustered.clusters, -1, value_N.dtype), len(value_N)

    def learn(some: Codes | slice) -> bool:
        cluster_M, value_M = clustered.cluster_N[some], value_N[some]
        known_M = value_G[cluster_M]
        value_G[cluster_M] = value_M
        return bool(((known_M < 0) | (known_M == value_M)).all() and (value_G[cluster_M] == value_M).all())

    def others(part: slice) -> Codes:
        """Return the rows of which the cluster has another value, or none yet."""
        known_N = pc.take(pa.array(value_G), pa.array(clustered.cluster_N[part]), boundscheck=False).to_numpy()
        return np.asarray(part.start + np.flatnonzero(known_N != value_N[part]))

    for sample in (_FEW_ROWS, 8 * clustered.clusters):  # most factors are crossed, and a few rows show it
        if not learn(slice(None, None, math.ceil(n_rows / sample))):
            return None
    pieces = list(parts(n_rows, 4 * _MIN_ROWS_AT_ONCE))
    with ThreadPoolExecutor(_threads(len(pieces))) as pool:
        return value_G if learn(np.concatenate(list(pool.map(others, pieces)))) else None


def _threads(pieces: int) -> int:
    return max(1, min(MAX_THREADS, os.cpu_count() or 1, pieces))


def _count(
    clustered: ClusteredRows, crossed: list[int], shape: tuple[int, ...], kind: type[np.unsignedinteger[Any]]
) -> Counts | None:
    """Count rows by cluster, crossed cell and response; None if a count is too large for its type.

    The cost is memory that rows hit in any order: a table as small as it can be, and columns numbered in as few bits.
    """
    rows, size = clustered.rows, (clustered.clusters, 2 * math.prod(shape))
    narrow, n_rows = np.min_scalar_type(size[1] - 1), len(rows.response_N)
    digits = [(values, _unsigned(rows.values_FN[index])) for index, values in zip(crossed, shape, strict=True)]
    digits.append((2, _unsigned(rows.response_N)))
    pieces = list(parts(n_rows, max(_MIN_ROWS_AT_ONCE, math.prod(size) // 2)))
    threads, ones_N = _threads(len(pieces) // 2), np.ones(pieces[0].stop, kind)

    def table_of(some: Sequence[slice]) -> Counts:
        total_GX, table_GX = np.zeros((2, *size), kind)
        for part in some:
            column_N = np.zeros(part.stop - part.start, narrow)
            for values, value_N in digits:
                column_N *= narrow.type(values)
                column_N += value_N[part]
            ones = coo_array(size, dtype=kind)  # coordinates are set, not given: they need no check
            ones.data = ones_N[: len(column_N)]
            ones.coords = (clustered.cluster_N[part].astype(np.int32, copy=False), column_N.astype(np.int32))
            total_GX += ones.toarray(out=table_GX)
        return np.asarray(total_GX)

    with ThreadPoolExecutor(threads) as pool:  # scipy and numpy let other threads run while they add
        total_GX, *others = pool.map(table_of, [pieces[start::threads] for start in range(threads)])
    for other_GX in others:
        total_GX += other_GX
    complete = pc.sum(pa.array(total_GX.ravel())).as_py() == n_rows
    return total_GX.reshape(clustered.clusters, -1, 2) if complete else None


def _unsigned(value_N: NDArray[Any]) -> Codes:
    """Return the same numbers, of which none is negative, as an unsigned type without a copy."""
    return np.asarray(value_N.view(f"u{value_N.itemsize}"))
