"""Factors, their levels, and the treatment-coded design matrix.

Names of factors and levels are data: they label columns and are never evaluated as part of a formula.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from xray.core.errors import ConfigError, unknown
from xray.statistics.regression.validation import has_empty

Codes = NDArray[np.intp]
INTERCEPT = "Intercept"
_ROWS_AT_ONCE = 1 << 16
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝАВЕКМНОРСТХІЈЅοναΑΒΕΖΗΙΚΜΝΟΡΤΥΧ\u2212\u2018\u2019\u201c\u201d",
    "aeopcyxijsdhqwABEKMHOPCTXIJSovaABEZHIKMNOPTYX-''\"\"",
)
"""Letters of Cyrillic and Greek that look like Latin ones, and marks of word processors."""


@dataclass(frozen=True)
class Factor:
    """A column of categories.

    Args:
        name: column name.
        levels: the first one is the reference.
    """

    name: str
    levels: tuple[str, ...]

    @classmethod
    def of(cls, values: pd.Series, reference: str | None = None) -> Factor:
        """Read the levels of a column; see `Design.of`."""
        name = str(values.name)
        is_categorical = isinstance(values.array, pd.Categorical)  # of which `coded` looks at each row
        if not is_categorical and has_empty(values):
            empty = values.index[values.isna()]
            raise ConfigError(f"factor {name!r} is empty in {len(empty):,} rows (the first: {empty[0]})")
        levels = tuple(dict.fromkeys(map(str, _sorted_values(values))))
        _check_spelling(name, levels)
        if len(levels) < 2:
            count = f"the one level {levels[0]!r}" if levels else "no rows"
            raise ConfigError(f"factor {name!r} has {count}: there is nothing to compare, leave it out")
        factor = cls(name, levels)
        return factor if reference is None else factor.relevelled(reference)

    @property
    def reference(self) -> str:
        """The level that the others are compared with."""
        return self.levels[0]

    def relevelled(self, reference: str) -> Factor:
        """Return the factor with another reference level."""
        if reference not in self.levels:
            raise unknown(f"level of factor {self.name!r}", reference, self.levels)
        return Factor(self.name, (reference, *(level for level in self.levels if level != reference)))

    def codes(self, values: pd.Series) -> Codes:
        """Return the level index of each row, shape (rows,); raises as `coded`."""
        value_N, level_U = self.coded(values)
        return np.asarray(level_U[value_N])

    def coded(self, values: pd.Series) -> tuple[Codes, Codes]:
        """Return the number of each row's value, shape (rows,), and the level index of each value, shape (values,).

        The numbers are those of a categorical column, which are not copied. A category without rows has the index −1.

        Raises:
            ConfigError: a value that is no level.
        """
        if isinstance(values.array, pd.Categorical):
            value_N, unique = values.array.codes, values.array.categories
        else:
            value_N, unique = pd.factorize(values)
            value_N = value_N.astype(np.min_scalar_type(-len(unique) - 1))
        index = {level: code for code, level in enumerate(self.levels)}
        level_U = np.array([index.get(str(value), -1) for value in unique], np.intp)
        has_level_U = np.append(level_U >= 0, False)  # an empty cell has value −1
        if not (has_level_U[:-1].all() and value_N.min() >= 0) and not (valid_N := has_level_U[value_N]).all():
            raise unknown(f"level of factor {self.name!r}", values.iloc[int(np.argmin(valid_N))], self.levels)
        return value_N, level_U


@dataclass(frozen=True)
class Design:
    """A linear model of factors: all main effects, and some interactions.

    Args:
        factors: in column order.
        interactions: tuples of two or more factor names; those of three or more come with all of their parts.

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
        """Return the design of a table's columns.

        Levels keep the order of a categorical column; numbers are sorted by size, other values naturally (a2 before
        a10). The default reference is the first level. Unused categories are left out.

        Raises:
            ConfigError: an unknown column or level, a repeated factor, a factor of one level or with empty cells (those
                of a categorical column are refused by `codes`).
        """
        references = {name: str(level) for name, level in (reference or {}).items()}
        for name in references:
            if name not in factors:
                raise unknown("factor of a reference", name, factors)
        if not factors:
            raise ConfigError("a regression needs at least one factor")
        for name in factors:
            if name not in table.columns:
                raise unknown("column", name, map(str, table.columns))
            if list(factors).count(name) > 1:
                raise ConfigError(f"factor {name!r} is named twice")
        levels = tuple(Factor.of(table[name], references.get(name)) for name in factors)
        return cls(levels, _with_parts(interactions, factors))

    @property
    def names(self) -> list[str]:
        """Names of the factors."""
        return [factor.name for factor in self.factors]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each factor."""
        return tuple(len(factor.levels) for factor in self.factors)

    @property
    def terms(self) -> list[tuple[str, ...]]:
        """Factor names of each term behind the intercept, in column order."""
        return [*((name,) for name in self.names), *self.interactions]

    @cached_property
    def columns(self) -> list[str]:
        """Column names: `Intercept`, `model[resnet50]`, `model[resnet50]:scenario[grey]`."""
        parts = {factor.name: [f"{factor.name}[{level}]" for level in factor.levels[1:]] for factor in self.factors}
        products = (itertools.product(*(parts[name] for name in term)) for term in self.terms)
        return [INTERCEPT, *map(":".join, itertools.chain.from_iterable(products))]

    def spans(self) -> dict[tuple[str, ...], slice]:
        """Return the columns of each term."""
        sizes = [math.prod(len(self.factor(name).levels) - 1 for name in term) for term in self.terms]
        ends = list(itertools.accumulate(sizes, initial=1))
        return {term: slice(start, end) for term, start, end in zip(self.terms, ends, ends[1:], strict=False)}

    def factor(self, name: str) -> Factor:
        """Return a factor by name.

        Raises:
            ConfigError: no such factor.
        """
        for factor in self.factors:
            if factor.name == name:
                return factor
        raise unknown("factor", name, self.names)

    def codes(self, table: pd.DataFrame) -> Codes:
        """Return the level index of each row and factor, shape (rows, factors).

        Raises:
            ConfigError: a value that is no level.
        """
        return np.stack([factor.codes(table[factor.name]) for factor in self.factors], axis=1)

    def every_cell(self) -> Codes:
        """Return the level indices of all combinations of levels, shape (cells, factors), the last factor fastest."""
        return np.stack(np.unravel_index(np.arange(math.prod(self.shape)), self.shape), axis=1)

    def level_columns(self, codes_NF: Codes) -> dict[str, NDArray[np.object_]]:
        """Return the level names of coded rows, by factor."""
        names = (np.array(factor.levels, object) for factor in self.factors)
        return {name: level[codes] for name, level, codes in zip(self.names, names, codes_NF.T, strict=True)}

    def matrix(self, codes_NF: Codes) -> csr_array:
        """Return the design matrix of coded rows, shape (rows, columns), sparse float64."""
        rows, columns = [np.arange(len(codes_NF))], [np.zeros(len(codes_NF), np.intp)]
        for term, span in self.spans().items():
            dummy_NT = codes_NF[:, [self.names.index(name) for name in term]] - 1
            row_M = np.flatnonzero((dummy_NT >= 0).all(axis=1))
            sizes = tuple(len(self.factor(name).levels) - 1 for name in term)
            rows.append(row_M)
            columns.append(span.start + np.ravel_multi_index(tuple(dummy_NT[row_M].T), sizes))
        row, column = np.concatenate(rows), np.concatenate(columns)
        return csr_array(coo_array((np.ones(len(row)), (row, column)), shape=(len(codes_NF), len(self.columns))))

    def relevelled(self, reference: Mapping[str, object]) -> Design:
        """Return the same design with other reference levels.

        Raises:
            ConfigError: no such factor or level.
        """
        levels = {self.factor(name).name: str(level) for name, level in reference.items()}
        factors = (f.relevelled(levels[f.name]) if f.name in levels else f for f in self.factors)
        return Design(tuple(factors), self.interactions)


def _check_spelling(name: str, levels: Sequence[str]) -> None:
    """Refuse levels that differ only in what nobody sees: white space, invisible or look-alike characters.

    Raises:
        ConfigError: names two such levels.
    """
    seen: dict[str, str] = {}
    for level in levels:
        other = seen.setdefault(_appearance(level), level)
        if other != level:
            raise ConfigError(
                f"factor {name!r} has the levels {_shown(other)} and {_shown(level)}, which differ only in white "
                "space or the form of their characters: write them alike"
            )


def _shown(text: str) -> str:
    """Quote a text, with the codes of its letters that are not ASCII."""
    return repr(text) if repr(text) == ascii(text) else f"{text!r} ({text!a})"


def _appearance(text: str) -> str:
    r"""Return one text for all that look alike.

    >>> _appearance("d\u043e\u200bg ") == "dog"
    True
    """
    plain = unicodedata.normalize("NFKC", text)
    seen = (character for character in plain if unicodedata.category(character) != "Cf")
    dashed = ("-" if unicodedata.category(character) == "Pd" else character for character in seen)
    return " ".join("".join(dashed).translate(_LOOK_ALIKES).split())


def _sorted_values(values: pd.Series) -> list[object]:
    if isinstance(values.array, pd.Categorical):
        return list(values.array.categories[_used(values.array.codes, len(values.array.categories))])
    if pd.api.types.is_numeric_dtype(values.dtype):
        return sorted(values.unique())
    return sorted(values.unique(), key=lambda value: natural_key(str(value)))


def _used(value_N: Codes, values: int) -> Codes:
    """Return the values that occur, in order; it stops looking when all have occurred."""
    seen_U = np.zeros(values, bool)
    for start in range(0, len(value_N), _ROWS_AT_ONCE):
        some_N = value_N[start : start + _ROWS_AT_ONCE]
        if not seen_U[some_N.min() : some_N.max() + 1].all():
            seen_U[some_N] = True
        if seen_U.all():
            break
    return np.flatnonzero(seen_U)


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a key that sorts numbers by size and letters regardless of case.

    >>> sorted(["a10", "A2", "b", "10", "9", "a02"], key=natural_key)
    ['9', '10', 'A2', 'a02', 'a10', 'b']
    """
    key = []
    for part in filter(None, re.split(r"(\d+)", text.casefold())):
        digits = part.lstrip("0")  # compared by length first, since int() refuses very long numbers
        key.append((0, len(digits), digits) if part.isdecimal() else (1, 0, part))
    return key, text


def _with_parts(interactions: Sequence[Sequence[str]], factors: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    terms: dict[tuple[str, ...], None] = {}
    for interaction in interactions:
        for name in interaction:
            if name not in factors:
                raise unknown("factor of an interaction", name, factors)
        names = [name for name in factors if name in interaction]
        if len(names) < 2 or len(names) < len(interaction):
            raise ConfigError(f"an interaction is of two or more different factors, not {':'.join(interaction)!r}")
        for size in range(2, len(names) + 1):
            terms |= dict.fromkeys(itertools.combinations(names, size))
    return tuple(sorted(terms, key=len))
