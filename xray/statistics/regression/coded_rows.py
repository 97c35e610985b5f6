"""Rows of a table as numbers, to be counted piece by piece: what millions of predictions are summed from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.regression.design import Codes, Design

Integers = NDArray[np.integer[Any]]
Values = NDArray[np.float64]
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Rows:
    """Levels, response and weights of a table; columns that are numbers already are not copied.

    Args:
        design: of the table.
        codes: of each factor, shape (rows,): what a row has, as the table itself numbers its categories.
        places: of each factor, shape (levels,): the table's numbers of the design's levels.
        sizes: how many numbers the table has of each factor, used or not.
        response_N: numeric or boolean.
        weight_N: None where all are 1.
    """

    design: Design
    codes: tuple[Integers, ...]
    places: tuple[Codes, ...]
    sizes: tuple[int, ...]
    response_N: NDArray[Any]
    weight_N: Values | None

    @classmethod
    def of(cls, table: pd.DataFrame, design: Design, response: str, weights: str | None = None) -> Rows:
        """A table's rows.

        Raises:
            XrayError: a value that is no level of the design.
        """
        numbered = [_numbered(table, design, name) for name in design.names]
        codes, places, sizes = zip(*numbered, strict=True)
        weight_N = None if weights is None else table[weights].to_numpy(np.float64)
        return cls(design, codes, places, sizes, table[response].to_numpy(), weight_N)

    def __len__(self) -> int:
        return len(self.response_N)

    def parts(self) -> Iterator[slice]:
        """The rows in pieces that stay in a core's cache while they are worked on."""
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield slice(start, min(start + _ROWS_AT_ONCE, len(self)))

    @property
    def boolean(self) -> bool:
        """Whether the response is right or wrong and all rows count the same: counting is enough then."""
        return self.response_N.dtype == bool and self.weight_N is None

    @cached_property
    def cells(self) -> int:
        """How many there are in the table's own numbering."""
        return int(np.prod(self.sizes))

    def cell(self, part: slice) -> Integers:
        """The cell of some rows, in the table's own numbering."""
        cell_N = self.codes[0][part].astype(np.min_scalar_type(-2 * self.cells))
        for code_N, size in zip(self.codes[1:], self.sizes[1:], strict=True):
            cell_N *= size
            cell_N += code_N[part]
        return cell_N

    def outcome(self, part: slice) -> Integers:
        """The cell of some rows and whether they are right, in the table's own numbering; of a boolean response."""
        outcome_N = self.cell(part)
        outcome_N *= 2
        outcome_N += self.response_N[part].view(np.int8)
        return outcome_N

    def ordered(self, table_RK: NDArray[Any]) -> NDArray[Any]:
        """What belongs to the table's cells, shape (cells, …), in the order of the design's."""
        further = table_RK.shape[1:]
        return table_RK.reshape(*self.sizes, *further)[np.ix_(*self.places)].reshape(-1, *further)

    def own(self, design_C: Values) -> Values:
        """What belongs to the design's cells in the table's own numbering, 0 elsewhere."""
        table_R = np.zeros(self.sizes)
        table_R[np.ix_(*self.places)] = design_C.reshape(self.design.shape)
        return table_R.ravel()


def _numbered(table: pd.DataFrame, design: Design, name: str) -> tuple[Integers, Codes, int]:
    """Codes of a factor, the place of each level among them, and how many there are."""
    values, levels = table[name], design.factor(name).levels
    if isinstance(values.array, pd.Categorical):
        codes_N = values.array.codes
        names = [str(category) for category in values.array.categories]
        known = len(set(names)) == len(names) <= 2 * len(levels) and set(levels) <= set(names)
        if known and int(codes_N.min(initial=0)) >= 0:
            return codes_N, np.array([names.index(level) for level in levels]), len(names)
    alone = Design((design.factor(name),))
    codes_N = np.empty(len(values), np.min_scalar_type(-len(levels)))
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        codes_N[part] = alone.codes(table[[name]].iloc[part])[:, 0]
    return codes_N, np.arange(len(levels)), len(levels)
