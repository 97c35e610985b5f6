"""What a regression is about: factors and their levels, treatment-coded as the columns of a design matrix.

Names of factors and levels are data: they label columns and are never part of a formula, so that no name is ever run.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from xray.core.errors import XrayError, unknown

Codes = NDArray[np.intp]
INTERCEPT = "Intercept"
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Factor:
    """A column of categories.

    Args:
        name: of the column.
        levels: that it has; the first one is the reference, which the others are compared with.
    """

    name: str
    levels: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The level that the others are compared with."""
        return self.levels[0]


@dataclass(frozen=True)
class Design:
    """Factors, main effects of all of them, and interactions of some.

    Args:
        factors: in their order.
        interactions: pairs (or more) of factors' names; with those of more than two go all of their parts.

    >>> design = Design((Factor("model", ("a", "b")), Factor("scenario", ("original", "grey", "blur"))))
    >>> design.columns
    ['Intercept', 'model[b]', 'scenario[grey]', 'scenario[blur]']
    >>> design.matrix(np.array([[0, 0], [1, 2]])).toarray()
    array([[1., 0., 0., 0.],
           [1., 1., 0., 1.]])
    """

    factors: tuple[Factor, ...]
    interactions: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        factors: Sequence[str],
        reference: Mapping[str, object] | None = None,
        interactions: Sequence[Sequence[str]] = (),
    ) -> Design:
        """The design that a table's columns make.

        Levels stand in the order of a categorical column; numbers by size, other values as people sort them (a2
        before a10). The reference is the first one, unless it is named. Unused categories are left out.

        Raises:
            XrayError: a column or level that is not there, a factor of one level, or with empty cells.
        """
        wanted = {name: str(level) for name, level in (reference or {}).items()}
        for name in wanted:
            if name not in factors:
                raise unknown("factor of a reference", name, factors)
        made = [_factor(table, name, wanted.get(name)) for name in factors]
        if not made:
            raise XrayError("a regression needs at least one factor")
        if repeated := sorted({name for name in factors if list(factors).count(name) > 1}):
            raise XrayError(f"factor {repeated[0]!r} is named twice")
        return cls(tuple(made), _with_parts(interactions, factors))

    @property
    def names(self) -> list[str]:
        """Of the factors."""
        return [factor.name for factor in self.factors]

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels of each factor."""
        return tuple(len(factor.levels) for factor in self.factors)

    @property
    def terms(self) -> list[tuple[str, ...]]:
        """Groups of columns behind the intercept: factors by name, alone or together, in the columns' order."""
        return [*((name,) for name in self.names), *self.interactions]

    @cached_property
    def columns(self) -> list[str]:
        """Names of the design matrix' columns: `Intercept`, `model[resnet50]`, `model[resnet50]:scenario[grey]`."""
        return [INTERCEPT, *(name for term in self.terms for name in self._columns_of(term))]

    def spans(self) -> dict[tuple[str, ...], slice]:
        """Which columns belong to each term."""
        sizes = [math.prod(len(self.factor(name).levels) - 1 for name in term) for term in self.terms]
        ends = list(itertools.accumulate(sizes, initial=1))
        return {term: slice(start, end) for term, start, end in zip(self.terms, ends, ends[1:], strict=False)}

    def factor(self, name: str) -> Factor:
        """The factor of that name.

        Raises:
            XrayError: there is none.
        """
        for factor in self.factors:
            if factor.name == name:
                return factor
        raise unknown("factor", name, self.names)

    def codes(self, table: pd.DataFrame) -> Codes:
        """Which level each row has of each factor, shape (rows, factors).

        Raises:
            XrayError: a value that is no level.
        """
        return np.stack([_codes(table[factor.name], factor) for factor in self.factors], axis=1)

    def matrix(self, codes_NF: Codes) -> csr_array:
        """The design matrix of rows with these levels, shape (rows, columns), sparse, float64."""
        dummies = {
            factor.name: _dummies(codes_NF[:, place], len(factor.levels)) for place, factor in enumerate(self.factors)
        }
        blocks = [csr_array(np.ones((len(codes_NF), 1)))]
        for term in self.terms:
            block = dummies[term[0]]
            for name in term[1:]:
                block = _products(block, dummies[name])
            blocks.append(block)
        return csr_array(hstack(blocks, format="csr"))

    def relevelled(self, reference: Mapping[str, object]) -> Design:
        """The same design with other references.

        Raises:
            XrayError: no such factor or level.
        """
        for name in reference:
            self.factor(name)
        factors = [
            _referring(factor, str(reference[factor.name])) if factor.name in reference else factor
            for factor in self.factors
        ]
        return Design(tuple(factors), self.interactions)

    def _columns_of(self, term: tuple[str, ...]) -> list[str]:
        parts = [[f"{name}[{level}]" for level in self.factor(name).levels[1:]] for name in term]
        return [":".join(part) for part in itertools.product(*parts)]


def _factor(table: pd.DataFrame, name: str, reference: str | None) -> Factor:
    if name not in table.columns:
        raise unknown("column", name, map(str, table.columns))
    values = table[name]
    if values.hasnans:
        empty = values.index[values.isna()]
        raise XrayError(f"factor {name!r} is empty in {len(empty):,} rows (the first: {empty[0]})")
    levels = tuple(dict.fromkeys(map(str, _in_order(values))))
    if len(levels) < 2:
        said = f"the one level {levels[0]!r}" if levels else "no rows"
        raise XrayError(f"factor {name!r} has {said}: there is nothing to compare, leave it out")
    factor = Factor(name, levels)
    return factor if reference is None else _referring(factor, reference)


def _in_order(values: pd.Series) -> list[object]:
    if isinstance(values.array, pd.Categorical):
        return [category for category, used in zip(values.array.categories, _used(values.array), strict=True) if used]
    unique = list(values.unique())
    if pd.api.types.is_numeric_dtype(values.dtype):
        return sorted(unique)
    return sorted(unique, key=lambda value: _natural(str(value)))


def _used(values: pd.Categorical) -> NDArray[np.bool_]:
    """Which categories of a column without empty cells occur; looks no further when all of them did."""
    codes_N, used = values.codes, np.zeros(len(values.categories), bool)
    for start in range(0, len(codes_N), _ROWS_AT_ONCE):
        used[codes_N[start : start + _ROWS_AT_ONCE]] = True
        if used.all():
            break
    return used


def _natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts as people do: numbers by size, letters whatever their case.

    >>> sorted(["a10", "A2", "b", "10", "9", "a02"], key=_natural)
    ['9', '10', 'A2', 'a02', 'a10', 'b']
    """
    parts = [part for part in re.split(r"(\d+)", text.casefold()) if part]
    digits = [part.lstrip("0") if part.isdecimal() else None for part in parts]
    key = [
        (1, 0, part) if number is None else (0, len(number), number) for part, number in zip(parts, digits, strict=True)
    ]
    return key, text


def _referring(factor: Factor, reference: str) -> Factor:
    if reference not in factor.levels:
        raise unknown(f"level of factor {factor.name!r}", reference, factor.levels)
    return Factor(factor.name, (reference, *(level for level in factor.levels if level != reference)))


def _with_parts(interactions: Sequence[Sequence[str]], factors: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    made: dict[tuple[str, ...], None] = {}
    for interaction in interactions:
        for name in interaction:
            if name not in factors:
                raise unknown("factor of an interaction", name, factors)
        names = [name for name in factors if name in interaction]
        if len(names) < 2 or len(names) < len(interaction):
            raise XrayError(f"an interaction is of two or more different factors, not {':'.join(interaction)!r}")
        for size in range(2, len(names) + 1):
            made |= dict.fromkeys(itertools.combinations(names, size))
    return tuple(sorted(made, key=len))


def _codes(values: pd.Series, factor: Factor) -> Codes:
    place = {level: code for code, level in enumerate(factor.levels)}
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = np.array([place.get(str(level), -1) for level in values.cat.categories] + [-1], np.intp)
        codes = known[values.cat.codes.to_numpy()]
    else:
        found, unique = pd.factorize(values)
        codes = np.array([place.get(str(level), -1) for level in unique] + [-1], np.intp)[found]
    if (codes < 0).any():
        raise unknown(f"level of factor {factor.name!r}", values.iloc[int(np.argmin(codes))], factor.levels)
    return codes


def _dummies(codes_N: Codes, levels: int) -> csr_array:
    """One column a level but the first."""
    rows = np.flatnonzero(codes_N)
    return csr_array((np.ones(len(rows)), (rows, codes_N[rows] - 1)), shape=(len(codes_N), levels - 1))


def _products(left: csr_array, right: csr_array) -> csr_array:
    """Of each column on the left with each on the right, the right one running fastest."""
    products = [left[:, [column]].multiply(right) for column in range(left.shape[1])]
    return csr_array(hstack(products, format="csr"))
