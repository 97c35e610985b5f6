"""Sums of rows by cell of the design: all that least squares need of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xray.statistics.regression.coded_rows import CodedRows
from xray.statistics.regression.design import Codes

Values = NDArray[np.float64]


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


def aggregate(rows: CodedRows) -> Cells:
    """Sum rows by cell, in one pass and memory proportional to the number of cells.

    >>> import pandas as pd
    >>> from xray.statistics.regression.design import Design
    >>> table = pd.DataFrame({"model": ["a", "a", "b"], "correct": [0.0, 1.0, 1.0]})
    >>> cells = aggregate(CodedRows.of(table, Design.of(table, ["model"]), "correct"))
    >>> cells.rows_C.tolist(), cells.mean_C.tolist(), cells.within
    ([2, 1], [0.5, 1.0], 0.5)
    """
    values_N, shape = rows.response_N, rows.design.shape
    low, high = float(values_N.min()), float(values_N.max())
    sums_4C = np.zeros((4, int(np.prod(shape))))
    for part in rows.parts():
        cell_N, weight_N = rows.cell(part), rows.weight(part)
        shifted_N = values_N[part].astype(np.float64) - low  # squares of small numbers keep their differences
        weighted_N = weight_N * shifted_N
        for sum_C, summand_N in zip(sums_4C, (None, weight_N, weighted_N, weighted_N * shifted_N), strict=True):
            sum_C += np.bincount(cell_N, summand_N, len(sum_C))
    cell_C = np.flatnonzero(sums_4C[0])
    count_C, weight_C, first_C, second_C = sums_4C[:, cell_C]
    mean_C = first_C / weight_C
    return Cells(
        codes_CF=np.stack(np.unravel_index(cell_C, shape), axis=1),
        rows_C=count_C.astype(np.int64),
        weight_C=weight_C,
        mean_C=mean_C + low,
        within=float(np.maximum(second_C - mean_C * first_C, 0.0).sum()),
        log_weight=0.0 if rows.weight_N is None else float(np.log(rows.weight_N).sum()),
        low=low,
        high=high,
    )
