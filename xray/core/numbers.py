"""Numbers as people write them: percent signs, decimal commas, thousands separators, words for missing values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError

_MISSING = {"", "-", "–", "—", "?", "na", "n/a", "nan", "none", "null", "#n/a", "#div/0!", "#value!", "#ref!", "#num!"}
_TRUTH = {"true": "1", "false": "0"}
_SPACED_THOUSANDS = re.compile("(?<=\\d)[ '’\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_NUMERAL = re.compile(r"[+-]?(?=[\d.,]*\d)[\d.,]+(e[+-]?\d+)?", re.IGNORECASE)
_OTHER = {".": ",", ",": "."}
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""Full-width forms of ASCII, as East Asian keyboards write digits."""


@dataclass(frozen=True)
class _Cell:
    """A cell: the text as written, its digits and marks, and whether it has a percent sign."""

    text: str
    body: str
    percent: bool

    @property
    def decimal(self) -> str | None:
        """The decimal mark, None if the cell does not tell."""
        marks = re.sub(r"[^.,]", "", self.body.casefold().partition("e")[0])
        if not marks:
            return None
        if len(marks) > 1:
            return marks[-1] if len({*marks}) > 1 else _OTHER[marks[-1]]
        before, _, after = re.sub(r"e.*", "", self.body.lstrip("+-"), flags=re.IGNORECASE).partition(marks)
        return None if len(after) == 3 and 0 < len(before) <= 3 and before[0] != "0" else marks

    def value(self, decimal: str, percent: float) -> float | None:
        """Return the number, None if the marks make no sense."""
        mark, thousands = re.escape(decimal), re.escape(_OTHER[decimal])
        pattern = rf"[+-]?(\d{{1,3}}({thousands}\d{{3}})+|\d*)({mark}\d*)?(e[+-]?\d+)?"
        if not re.fullmatch(pattern, self.body, re.IGNORECASE):
            return None
        number = float(self.body.replace(_OTHER[decimal], "").replace(decimal, "."))
        return number * percent if self.percent else number


def parse_numbers(columns: Mapping[str, pd.Series], percent: float = 0.01) -> dict[str, pd.Series]:
    """Parse columns of text; one that holds other text stays as it is.

    One decimal mark counts for all columns: that of the values that leave no doubt. Yes and no (`True`, `FALSE`) are 1
    and 0. Missing: empty cells, `NA`, `n/a`, `-`, `NaN`, `null`, and error values of spreadsheets.

    Args:
        columns: text, or missing values, by name of the column.
        percent: the number that 1% is.

    Raises:
        ConfigError: values that contradict each other (`0.5` and `0,5`; `50%` and `0.5`), or a comma that may be a
            decimal mark or separate thousands.

    >>> parse_numbers({"accuracy": pd.Series(["90,5%", "n/a"]), "n": pd.Series(["1.200", "50"])})["n"].tolist()
    [1200.0, 50.0]
    """
    cells = {name: read for name, column in columns.items() if (read := _cells(column)) is not None}
    for name, read in cells.items():
        _check_percent(name, [cell for cell in read.values() if cell is not None])
    decimal = _decimal_mark([(name, cell) for name, read in cells.items() for cell in read.values() if cell])
    parsed = dict(columns)
    for name, read in cells.items():
        numbers = {text: np.nan if cell is None else cell.value(decimal, percent) for text, cell in read.items()}
        if None not in numbers.values():
            parsed[name] = columns[name].map(numbers).astype(np.float64)
    return parsed


def _cells(column: pd.Series) -> dict[str, _Cell | None] | None:
    """Return the cell of each distinct text (None: missing); None if a text is not a number."""
    cells: dict[str, _Cell | None] = {}
    for text in column.dropna().unique():
        word = text.translate(_HALF_WIDTH).strip().casefold()
        body = _SPACED_THOUSANDS.sub("", _TRUTH.get(word, word).replace("−", "-"))
        percent = body.endswith("%")
        body = body.rstrip("%").rstrip()
        if word not in _MISSING and not _NUMERAL.fullmatch(body):
            return None
        cells[text] = None if word in _MISSING else _Cell(text, body, percent)
    return cells


def _check_percent(name: str, cells: Iterable[_Cell]) -> None:
    signed = {cell.percent: cell.text for cell in cells}
    if len(signed) > 1:
        raise ConfigError(
            f"column {name!r} has values with a percent sign, such as {signed[True]!r}, and without, such as "
            f"{signed[False]!r}: write all in one way"
        )


def _decimal_mark(cells: Iterable[tuple[str, _Cell]]) -> str:
    """Return the decimal mark of the values that leave no doubt."""
    examples: dict[str | None, tuple[str, str]] = {}
    for name, cell in cells:
        examples.setdefault(cell.decimal, (name, cell.text))
        if cell.decimal is None and "," in cell.body:
            examples.setdefault("doubt", (name, cell.text))
    if {".", ","} <= set(examples):
        (one, point), (other, comma) = examples["."], examples[","]
        raise ConfigError(
            f"{point!r} in column {one!r} has a decimal point, {comma!r} in column {other!r} a decimal comma: "
            "write all in one way"
        )
    if "doubt" in examples and "." not in examples and "," not in examples:
        name, text = examples["doubt"]
        raise ConfigError(
            f"{text!r} in column {name!r}: is the comma a decimal mark, or does it separate thousands? Write "
            f"{text.replace(',', '.')!r} or {text.replace(',', '')!r}"
        )
    return "," if "," in examples else "."
