"""Whether a table can be what a regression is made of; what is wrong is named with its column and first row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from xray.core.errors import XrayError, unknown

Unit = Literal["fraction", "percent", "any"]
Missing = Literal["error", "drop"]
_SEEN = 10_000


@dataclass(frozen=True)
class Checked:
    """A table that is fit for use.

    Args:
        table: with the columns that are used, the response as a fraction where it was given in per cent.
        notes: what was done to it, for people.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def checked(
    table: pd.DataFrame,
    response: str,
    factors: Sequence[str],
    weights: str | None = None,
    cluster: str | None = None,
    unit: Unit = "fraction",
    missing: Missing = "error",
) -> Checked:
    """The columns that are used, if their values can be.

    Raises:
        XrayError: a column that is not there, or twice; text where numbers belong; empty cells (unless `missing` is
            `drop`); values that are no fractions, or no percentages; weights that are not above 0; no rows.
    """
    if unit not in ("fraction", "percent", "any"):
        raise unknown("unit", unit, ("fraction", "percent", "any"))
    if missing not in ("error", "drop"):
        raise unknown("handling of missing values", missing, ("error", "drop"))
    if isinstance(factors, str):
        raise XrayError(f"factors are a list of columns: [{factors!r}], not the text {factors!r}")
    roles = {**dict.fromkeys(factors, "factor"), **({weights: "weights"} if weights else {})}
    roles |= {cluster: "cluster"} if cluster and cluster not in roles else {}
    if response in roles:
        raise XrayError(f"column {response!r} is both response and {roles[response]}")
    used = [*roles, response]
    for name in used:
        if not isinstance(name, str):
            raise XrayError(f"column {name!r} is not named by text: rename it")
        if name not in table.columns:
            raise unknown("column", name, map(str, table.columns))
        if (table.columns == name).sum() > 1:
            raise XrayError(f"there is more than one column {name!r}")
    kept = table[used]
    notes: list[str] = []
    numbers = [response, *([weights] if weights else [])]
    for name in numbers:
        _check_numeric(kept[name])
    if lacking := [name for name in used if kept[name].hasnans]:
        empty_N = kept[lacking].isna().any(axis=1).to_numpy()
        if missing == "error":
            name = lacking[0]
            raise XrayError(
                f"{int(empty_N.sum()):,} of {len(kept):,} rows lack a value; the first is row "
                f"{kept.index[kept[name].isna()][0]}, column {name!r}. Fill them, or leave them out: missing='drop'"
            )
        kept = kept[~empty_N]
        notes.append(f"{int(empty_N.sum()):,} rows in which something is empty were left out")
    if not len(kept):
        raise XrayError("the table has no rows")
    values = kept[response].to_numpy()
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise XrayError(f"{response} has infinite values")
    kept, said = _in_unit(kept, response, low, high, unit)
    if weights:
        _check_weights(kept[weights])
    return Checked(kept, (*notes, *said, *_repeated(kept)))


def checked_predictions(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The table, if single predictions can be counted by these columns.

    Args:
        table: one row a (sample, model).
        names: of the columns that say what a prediction is of; `correct` is needed beside them.

    Raises:
        XrayError: a column is not there, or has empty cells; or `correct` is neither right (True, 1) nor wrong.

    >>> checked_predictions(pd.DataFrame({"model": ["a"], "correct": [80.0]}), ["model"])
    Traceback (most recent call last):
    xray.core.errors.XrayError: column 'correct' has the value 80.0: a prediction is right (True, 1) or wrong (False, 0)
    """
    for name in (*names, "correct"):
        if name not in table.columns:
            raise unknown("column", name, map(str, table.columns))
        if table[name].hasnans:
            empty = table.index[table[name].isna()]
            raise XrayError(f"column {name!r} is empty in {len(empty):,} rows (the first: {empty[0]})")
    correct = table["correct"]
    if not pd.api.types.is_bool_dtype(correct.dtype):
        _check_numeric(correct)
        if not (right := correct.isin((0, 1))).all():
            value = correct[~right].iloc[0]
            raise XrayError(
                f"column 'correct' has the value {value}: a prediction is right (True, 1) or wrong (False, 0)"
            )
    return table


def checked_confidence(confidence: float) -> float:
    """The confidence, if it is inside (0, 1).

    Raises:
        XrayError: it is not.
    """
    if not 0 < confidence < 1:
        raise XrayError(f"a confidence lies inside (0, 1), 0.95 for example, not {confidence}")
    return confidence


def _check_numeric(values: pd.Series) -> None:
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() & values.notna()]
    example = f", for example {str(wrong.iloc[0])!r} in row {wrong.index[0]}" if len(wrong) else ""
    kind = "text" if pd.api.types.is_string_dtype(values) else f"of type {values.dtype}"
    raise XrayError(f"column {values.name!r} is {kind}{example}; numbers are needed")


def _check_weights(values: pd.Series) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low > 0 and high < np.inf):
        seen = f"column {values.name!r} has {low if low <= 0 else high:g}"
        raise XrayError(f"{seen}: weights, numbers of answers and exposures are above 0 and finite")


def _in_unit(
    kept: pd.DataFrame, response: str, low: float, high: float, unit: Unit
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if unit == "any":
        return kept, ()
    limit = 100.0 if unit == "percent" else 1.0
    if low < 0 or high > limit:
        outside = low if low < 0 else high
        hint = " Per cent? Then say so: unit='percent'" if unit == "fraction" and low >= 0 and high <= 100 else ""
        raise XrayError(
            f"{response} has the value {outside:g}, outside of 0 … {limit:g}.{hint} (no accuracy at all: unit='any')"
        )
    if unit == "fraction":
        return kept, ()
    note = () if high > 1 else (f"{response} was read as per cent although no value is above 1",)
    return kept.assign(**{response: kept[response] / 100}), (f"{response} was divided by 100", *note)


def _repeated(kept: pd.DataFrame) -> tuple[str, ...]:
    """Rows that are there twice in everything that is used; not looked for in tables of single predictions."""
    if len(kept) > _SEEN:
        return ()
    count = int(kept.duplicated().sum())
    return (f"{count:,} rows repeat another one exactly and count again; are they there by mistake?",) if count else ()
