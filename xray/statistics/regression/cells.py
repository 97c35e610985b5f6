"""Rows of a table as cells of the design, and sums by cell: all that least squares need of millions of predictions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.regression.design import Codes, Design

Values = NDArray[np.float64]
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class CodedRows:
    """Cell, response and weight of each row of a table.

    Args:
        design: factors and levels.
        cell_N: cells, numbered as in `Design.every_cell`.
        response_N: numeric or boolean.
        weight_N: positive; 1 without weights.
    """

    design: Design
    cell_N: NDArray[np.unsignedinteger[Any]]
    response_N: NDArray[Any]
    weight_N: Values

    @classmethod
    def of(cls, table: pd.DataFrame, design: Design, response: str, weights: str | None = None) -> CodedRows:
        """Code the rows of a table.

        Raises:
            ConfigError: a value that is no level of the design.
        """
        cell_N = np.empty(len(table), np.min_scalar_type(math.prod(design.shape)))
        for part in _parts(len(table)):
            cell_N[part] = np.ravel_multi_index(tuple(design.codes(table.iloc[part]).T), design.shape)
        weight_N = np.broadcast_to(1.0, len(table)) if weights is None else table[weights].to_numpy(np.float64)
        return cls(design, cell_N, table[response].to_numpy(), weight_N)

    def parts(self) -> Iterator[slice]:
        """Iterate over the rows in pieces that fit into a core's cache."""
        return _parts(len(self.cell_N))


@dataclass(frozen=True)
class Cells:
    """Sufficient statistics of a response in the cells that have rows.

    Args:
        codes_CF: level index of each factor, shape (cells, factors).
        rows_C: number of rows.
        weight_C: sum of weights.
        mean_C: weighted mean of the response.
        within: weighted sum of squares of the response about its cell's mean, over all rows.
        log_weight: sum of the logarithms of the weights.
        low: smallest response.
        high: largest response.
    """

    codes_CF: Codes
    rows_C: NDArray[np.int64]
    weight_C: Values
    mean_C: Values
    within: float
    log_weight: float
    low: float
    high: float

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return int(self.rows_C.sum())

    @property
    def mean(self) -> float:
        """Weighted mean of the response."""
        return float(np.average(self.mean_C, weights=self.weight_C))


def aggregate(rows: CodedRows) -> Cells:
    """Sum rows by cell, in one pass and memory proportional to the number of cells.

    >>> from xray.statistics.regression.design import Design
    >>> table = pd.DataFrame({"model": ["a", "a", "b"], "correct": [0.0, 1.0, 1.0]})
    >>> cells = aggregate(CodedRows.of(table, Design.of(table, ["model"]), "correct"))
    >>> cells.rows_C.tolist(), cells.mean_C.tolist(), cells.within
    ([2, 1], [0.5, 1.0], 0.5)
    """
    low, high, log_weight = float(rows.response_N.min()), float(rows.response_N.max()), 0.0
    sums_4C = np.zeros((4, math.prod(rows.design.shape)))
    for part in rows.parts():
        cell_N, weight_N = rows.cell_N[part], rows.weight_N[part]
        shifted_N = rows.response_N[part].astype(np.float64) - low  # squares of small numbers keep their differences
        weighted_N = weight_N * shifted_N
        for sum_C, summand_N in zip(sums_4C, (None, weight_N, weighted_N, weighted_N * shifted_N), strict=True):
            sum_C += np.bincount(cell_N, summand_N, len(sum_C))
        log_weight += float(np.log(weight_N).sum())
    cell_C = np.flatnonzero(sums_4C[0])
    count_C, weight_C, first_C, second_C = sums_4C[:, cell_C]
    mean_C = first_C / weight_C
    return Cells(
        codes_CF=np.stack(np.unravel_index(cell_C, rows.design.shape), axis=1),
        rows_C=count_C.astype(np.int64),
        weight_C=weight_C,
        mean_C=mean_C + low,
        within=float(np.maximum(second_C - mean_C * first_C, 0.0).sum()),
        log_weight=log_weight,
        low=low,
        high=high,
    )


def _parts(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS_AT_ONCE, rows)) for start in range(0, rows, _ROWS_AT_ONCE))
