"""Validation of the tables that statistics are computed from; errors name the column and the first bad row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError, unknown
from xray.core.text import counted

Unit = Literal["fraction", "percent", "any"]
Missing = Literal["error", "drop"]
_MAX_ROWS_FOR_DUPLICATES = 10_000
_FIRST_NUMBER = re.compile(r"[+\-\u2212]?\d+([.,]\d+)?%?")
_SUMMARIES = {"total", "totals", "subtotal", "sum", "all", "overall", "mean", "average", "avg", "avg.", "median"}


@dataclass(frozen=True)
class ValidTable:
    """A table that a regression can be fitted to.

    Args:
        table: the columns that are used; a response in per cent is now a fraction.
        notes: what was changed or looks unusual.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def validate_table(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str],
    weights: str | None = None,
    cluster: str | None = None,
    unit: Unit = "fraction",
    missing: Missing = "error",
) -> ValidTable:
    """Return the columns that are used, if their values are valid.

    Raises:
        ConfigError: an unknown or repeated column; text instead of numbers; empty cells (unless `missing` is `drop`);
            a response outside the range of its unit; weights that are not positive and finite; no rows.
    """
    if unit not in ("fraction", "percent", "any"):
        raise unknown("unit", unit, ("fraction", "percent", "any"))
    if missing not in ("error", "drop"):
        raise unknown("handling of missing values", missing, ("error", "drop"))
    if isinstance(factors, str):
        raise ConfigError(f"factors are a list of columns: [{factors!r}], not the text {factors!r}")
    columns = _columns(table, response, factors, weights, cluster)
    used = table[columns]
    for name in (response, *([weights] if weights else [])):
        _check_numeric(used[name])
    notes: list[str] = []
    if lacking := [name for name in columns if has_empty(used[name])]:
        empty_N = used[lacking].isna().any(axis=1).to_numpy()
        if missing == "error":
            raise ConfigError(
                f"{int(empty_N.sum()):,} of {len(used):,} rows lack a value; the first is row "
                f"{used.index[used[lacking[0]].isna()][0]}, column {lacking[0]!r}. Fill them, or set missing='drop'"
            )
        used = used[~empty_N]
        notes.append(f"{counted(int(empty_N.sum()), 'row')} with an empty cell left out")
    if not len(used):
        raise ConfigError("the table has no rows")
    used, note = _to_fraction(used, response, unit)
    notes += [*note, *_summary_notes(used[[*factors]])]
    if weights and not (used[weights].min() > 0 and used[weights].max() < np.inf):
        low, high = float(used[weights].min()), float(used[weights].max())
        value = f"column {weights!r} has {low if low <= 0 else high:g}"
        raise ConfigError(f"{value}: weights, numbers of predictions and exposures are positive and finite")
    is_small = len(used) <= _MAX_ROWS_FOR_DUPLICATES
    if is_small and not used[response].isin((0, 1)).all() and (count := int(used.duplicated().sum())):  # 0, 1: answers
        notes.append(f"exact duplicates of other rows: {counted(count, 'row')}, counted again: is that intended?")
    return ValidTable(used, tuple(notes))


def validate_predictions(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a table of single predictions, if it can be grouped by these columns.

    Args:
        table: one row per (sample, model).
        names: grouping columns, required beside `correct`.

    Raises:
        ConfigError: a column is missing or has empty cells, or `correct` has values other than True (1) and False (0).

    >>> validate_predictions(pd.DataFrame({"model": ["a"], "correct": [80.0]}), ["model"])
    Traceback (most recent call last):
    xray.core.errors.ConfigError: column 'correct' has the value 80.0: a prediction is correct (True, 1) or incorrect (False, 0)
    """  # noqa: E501
    for name in (*names, "correct"):
        if name not in table.columns:
            raise unknown("column", name, map(str, table.columns))
        if table[name].hasnans:
            empty = table.index[table[name].isna()]
            raise ConfigError(f"column {name!r} is empty in {len(empty):,} rows (the first: {empty[0]})")
    correct = table["correct"]
    if not pd.api.types.is_bool_dtype(correct.dtype):
        _check_numeric(correct)
        if not (valid := correct.isin((0, 1))).all():
            value = correct[~valid].iloc[0]
            raise ConfigError(
                f"column 'correct' has the value {value}: a prediction is correct (True, 1) or incorrect (False, 0)"
            )
    return table


def has_empty(values: pd.Series) -> bool:
    """Return whether a column has an empty cell; of categories and whole numbers without a copy."""
    if isinstance(values.array, pd.Categorical):
        return bool(len(values)) and bool(values.array.codes.min() < 0)
    return not (isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub") and bool(values.hasnans)


def validate_confidence(confidence: float) -> float:
    """Return a confidence level, if it is inside (0, 1).

    Raises:
        ConfigError: it is not.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"a confidence level is inside (0, 1), for example 0.95, not {confidence}")
    return confidence


def _columns(
    table: pd.DataFrame, response: str, factors: Sequence[str], weights: str | None, cluster: str | None
) -> list[str]:
    roles = {**({cluster: "cluster"} if cluster else {}), **dict.fromkeys(factors, "factor")}
    roles |= {weights: "weights"} if weights else {}
    if response in roles:
        raise ConfigError(f"column {response!r} is both response and {roles[response]}")
    names = list(dict.fromkeys([*factors, *([weights] if weights else []), *roles, response]))
    given = table.columns.tolist()
    for name in names:
        if not isinstance(name, str):
            raise ConfigError(f"column {name!r} is not named by text: rename it")
        if name not in given:
            raise unknown("column", name, map(str, given))
        if given.count(name) > 1:
            raise ConfigError(f"there is more than one column {name!r}")
    return names


def _check_numeric(values: pd.Series) -> None:
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return
    text = values[pd.to_numeric(values, errors="coerce").isna() & values.notna()]
    example = f", for example {str(text.iloc[0])!r} in row {text.index[0]}" if len(text) else ""
    kind = "text" if pd.api.types.is_string_dtype(values) else f"of type {values.dtype}"
    number = _FIRST_NUMBER.search(str(text.iloc[0])) if kind == "text" and len(text) else None
    advice = f": write {number[0]} if that is the value, and the rest into a column of its own" if number else ""
    raise ConfigError(f"column {values.name!r} is {kind}{example}; numbers are needed{advice}")


def _to_fraction(used: pd.DataFrame, response: str, unit: Unit) -> tuple[pd.DataFrame, list[str]]:
    """Check the range of the response, and divide percentages by 100."""
    values = used[response].to_numpy()
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ConfigError(f"{response} has infinite values")
    limit = {"fraction": 1.0, "percent": 100.0, "any": np.inf}[unit]
    if unit != "any" and (low < 0 or high > limit):
        hint = " If these are percentages: unit='percent'." if unit == "fraction" and low >= 0 and high <= 100 else ""
        raise ConfigError(
            f"{response} has the value {low if low < 0 else high:g}, outside of 0 … {limit:g}.{hint} "
            "If it is not an accuracy: unit='any'"
        )
    if unit != "percent":
        return used, []
    notes = [f"{response} was divided by 100"]
    small = used.index[(values > 0) & (values <= 1)]
    if high <= 1:
        notes.append(f"{response} was taken as percentages although no value is above 1")
    elif len(small):
        value = used[response][small[0]]
        notes.append(
            f"{response} is at most 1 in {len(small):,} of {len(used):,} rows, the first with {value:g} in row "
            f"{small[0]}: are these fractions, not percentages?"
        )
    return used.assign(**{response: used[response] / 100}), notes


def _summary_notes(factors: pd.DataFrame) -> Iterator[str]:
    """Yield a note for each level that is called like a mean or total of the others.

    Raises:
        ConfigError: a row has such levels of several factors.
    """
    levels = {name: some for name in factors.columns if (some := _summary_levels(factors[name]))}
    if len(levels) > 1:
        found_NF = np.column_stack([factors[name].isin(some) for name, some in levels.items()])
        if (rows_N := found_NF.sum(axis=1) > 1).any():
            row = factors[[*levels]][rows_N].iloc[0]
            raise ConfigError(
                f"row {row.name} summarizes others ({', '.join(f'{name} {row[name]}' for name in row.index)}): leave "
                "such rows out"
            )
    for name, some in levels.items():
        yield (
            f"{name} has the level {some[0]!r} ({int(factors[name].isin(some).sum()):,} rows): if it summarizes the "
            "others, they are counted twice; leave these rows out"
        )


def _summary_levels(column: pd.Series) -> list[object]:
    values = column.array.categories if isinstance(column.array, pd.Categorical) else column.unique()
    return [level for level in values if _is_summary(str(level)) and (column == level).any()]


def _is_summary(level: str) -> bool:
    return level.strip("*_ ").casefold() in _SUMMARIES
