"""From rows to cells: all that least squares need of a table, as sums in memory of the order of the cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.regression.coded_rows import Rows
from xray.statistics.regression.design import Codes, Design

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Sufficient statistics of a response in the cells of a design that have rows.

    Args:
        codes_CF: level of each factor, shape (cells, factors).
        rows_C: how many rows each cell has.
        weight_C: sum of their weights.
        mean_C: weighted mean of their response.
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
        """Of the table."""
        return int(self.rows_C.sum())


def cells(table: pd.DataFrame, design: Design, response: str, weights: str | None = None) -> Cells:
    """What the rows of a table come to.

    Args:
        table: one row an observation.
        design: of its factors.
        response: numeric or boolean column, without empty cells.
        weights: numeric column, above 0; None: each row counts once.

    >>> table = pd.DataFrame({"model": ["a", "a", "b"], "right": [0.0, 1.0, 1.0]})
    >>> made = cells(table, Design.of(table, ["model"]), "right")
    >>> made.rows_C.tolist(), made.mean_C.tolist(), made.within
    ([2, 1], [0.5, 1.0], 0.5)
    """
    made = cells_of(Rows.of(table, design, response, weights))
    if made.rows != len(table):
        design.codes(table)  # names the value that is no level
    return made


def cells_of(rows: Rows) -> Cells:
    """What rows come to; see `cells`."""
    values_N, weight_N = rows.response_N, rows.weight_N
    low, high = float(values_N.min()), float(values_N.max())
    shift = 0.0 if rows.boolean else low  # squares of what is left are small, and their differences exact enough
    sums_RK = np.zeros((rows.cells, 4))
    for part in rows.parts():
        sums_RK += _sums(rows, shift, part)
    count_C, weight_C, first_C, second_C = rows.ordered(sums_RK).T
    some = np.flatnonzero(count_C)
    mean_C = first_C[some] / weight_C[some]
    within = float(np.maximum(second_C[some] - mean_C * first_C[some], 0.0).sum())
    codes_CF = np.stack(np.unravel_index(some, rows.design.shape), axis=1)
    log_weight = 0.0 if weight_N is None else float(np.log(weight_N).sum())
    count_C = count_C[some].astype(np.int64)
    return Cells(codes_CF, count_C, weight_C[some], mean_C + shift, within, log_weight, low, high)


def _sums(rows: Rows, shift: float, part: slice) -> Values:
    """Of the rows of a piece in each cell: their number, weight, response less the shift, and its square."""
    if rows.boolean:
        wrong_R, right_R = np.bincount(rows.outcome(part), minlength=2 * rows.cells).reshape(-1, 2).T
        return np.stack([wrong_R + right_R, wrong_R + right_R, right_R, right_R], axis=1).astype(np.float64)
    cell_N = rows.cell(part).astype(np.intp)
    value_N = rows.response_N[part].astype(np.float64) - shift
    weighted_N = value_N if rows.weight_N is None else value_N * rows.weight_N[part]
    weights = [None, None if rows.weight_N is None else rows.weight_N[part], weighted_N, weighted_N * value_N]
    return np.stack([np.bincount(cell_N, weight, rows.cells) for weight in weights], axis=1)
