"""Rows of a table as level codes, read piece by piece: what millions of predictions are summed from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.regression.design import Codes, Design, Factor, used_categories

Integers = NDArray[np.integer[Any]]
Values = NDArray[np.float64]
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class CodedRows:
    """Factors, response and weights of a table; columns that are numbers already are not copied.

    Args:
        design: factors and levels.
        codes: for each factor, shape (rows,): the codes of a categorical column, or level indices.
        levels: for each factor: the level index of each code.
        response_N: numeric or boolean.
        weight_N: None if all weights are 1.
    """

    design: Design
    codes: tuple[Integers, ...]
    levels: tuple[Codes, ...]
    response_N: NDArray[Any]
    weight_N: Values | None

    @classmethod
    def of(cls, table: pd.DataFrame, design: Design, response: str, weights: str | None = None) -> CodedRows:
        """Code the rows of a table.

        Raises:
            ConfigError: a value that is no level of the design.
        """
        codes, levels = zip(*(_code(table[factor.name], factor) for factor in design.factors), strict=True)
        weight_N = None if weights is None else table[weights].to_numpy(np.float64)
        return cls(design, codes, levels, table[response].to_numpy(), weight_N)

    def __len__(self) -> int:
        return len(self.response_N)

    def parts(self) -> Iterator[slice]:
        """Iterate over the rows in pieces that fit into a core's cache."""
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield slice(start, min(start + _ROWS_AT_ONCE, len(self)))

    def cell(self, part: slice) -> Codes:
        """Return the cell of some rows, numbered as in `Design.every_cell`."""
        cell_N = np.zeros(part.stop - part.start, np.intp)
        for code_N, level, size in zip(self.codes, self.levels, self.design.shape, strict=True):
            cell_N *= size
            cell_N += level.take(code_N[part])
        return cell_N

    def weight(self, part: slice) -> Values:
        """Return the weights of some rows."""
        return np.ones(part.stop - part.start) if self.weight_N is None else self.weight_N[part]


def _code(values: pd.Series, factor: Factor) -> tuple[Integers, Codes]:
    """Return the codes of a column, and the level index of each code."""
    if isinstance(values.array, pd.Categorical) and not values.hasnans:
        level_L = factor.level_codes(values.array.categories)
        if (level_L[used_categories(values.array)] >= 0).all():
            return values.array.codes, level_L
    code_N = np.empty(len(values), np.min_scalar_type(-len(factor.levels)))
    for start in range(0, len(values), _ROWS_AT_ONCE):
        code_N[start : start + _ROWS_AT_ONCE] = factor.codes(values.iloc[start : start + _ROWS_AT_ONCE])
    return code_N, np.arange(len(factor.levels))
