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
    """Levels, response and weight of each row of a table.

    Args:
        design: factors and levels.
        values_FN: per factor, numbers of the rows' values, as a categorical column stores them.
        levels_FU: per factor, the level index of each value; −1 for a value without rows.
        response_N: numeric or boolean.
        weight_N: positive; None: 1 each.
    """

    design: Design
    values_FN: tuple[Codes, ...]
    levels_FU: tuple[Codes, ...]
    response_N: NDArray[Any]
    weight_N: Values | None = None

    @classmethod
    def of(cls, table: pd.DataFrame, design: Design, response: str, weights: str | None = None) -> CodedRows:
        """Code the rows of a table.

        Raises:
            ConfigError: a value that is no level of the design.
        """
        coded = [factor.coded(table[factor.name]) for factor in design.factors]
        weight_N = None if weights is None else table[weights].to_numpy(np.float64)
        values_FN, levels_FU = (tuple(column) for column in zip(*coded, strict=True))
        return cls(design, values_FN, levels_FU, table[response].to_numpy(), weight_N)

    def cells(self, part: slice = slice(None)) -> Codes:
        """Return the cells of some rows, or all, numbered as in `Design.every_cell`."""
        codes = (levels_U[value_N[part]] for value_N, levels_U in zip(self.values_FN, self.levels_FU, strict=True))
        return np.asarray(np.ravel_multi_index(tuple(codes), self.design.shape))

    def weights(self, part: slice = slice(None)) -> Values:
        """Return the weights of some rows, or all."""
        ones_N = np.broadcast_to(1.0, len(self.response_N))
        return (ones_N if self.weight_N is None else self.weight_N)[part]

    def parts(self) -> Iterator[slice]:
        """Iterate over the rows in pieces that fit into a core's cache."""
        return parts(len(self.response_N))


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
        cell_N, weight_N = rows.cells(part), rows.weights(part)
        shifted_N = rows.response_N[part].astype(np.float64) - low  # squares of small numbers keep their differences
        weighted_N = weight_N * shifted_N
        for sum_C, summand_N in zip(sums_4C, (None, weight_N, weighted_N, weighted_N * shifted_N), strict=True):
            sum_C += np.bincount(cell_N, summand_N, len(sum_C))
        log_weight += 0.0 if rows.weight_N is None else float(np.log(weight_N).sum())
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


def parts(rows: int, at_once: int | None = None) -> Iterator[slice]:
    """Iterate over rows in pieces, of a size that fits into a core's cache by default."""
    size = at_once or _ROWS_AT_ONCE
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))
