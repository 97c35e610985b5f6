"""Tables of the page; the macro `table` in `macros.html.j2` renders them.

A column has a kind: `name` is isolated from the text direction around it, `code` is monospaced, `number` is
right-aligned, `prose` is wide, and `text` is none of these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from xray.core.schema import REASONS
from xray.runs.roles import series_name

T = TypeVar("T")

NONE = "–"
"""The text of an empty cell."""


@dataclass(frozen=True)
class Table:
    """A table whose first column holds the row headers.

    Args:
        columns: label and kind of each column.
        rows: the cells; plain text is escaped, `markupsafe.Markup` is not.
        faint: indices of rows to show in grey.
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    faint: Collection[int] = ()

    @classmethod
    def of(
        cls, rows: Iterable[T], *columns: tuple[str, Callable[[T], str]], faint: Callable[[T], bool] | None = None
    ) -> Table:
        """Make a table of rows from columns, each written as `"kind label"` and a function of a row.

        Rows for which `faint` is true are grey.

        >>> Table.of([3, 4], ("text n", str), ("number square", lambda n: f"{n**2}"))
        Table(columns=[('n', 'text'), ('square', 'number')], rows=[['3', '9'], ['4', '16']], faint=())
        """
        labels = [(label, kind) for kind, _, label in (column.partition(" ") for column, _ in columns)]
        rows = list(rows)
        grey = tuple(index for index, row in enumerate(rows) if faint is not None and faint(row))
        return cls(labels, [[cell(row) for _, cell in columns] for row in rows], grey)


def records(frame: pd.DataFrame) -> list[Mapping[Hashable, Any]]:
    """Return the rows of a frame."""
    return list(frame.to_dict("records"))


def row_series(row: Mapping[Hashable, Any]) -> str:
    """Return the name in the report of a row's model."""
    return series_name(row["model"], row["trained_on"])


def meaning_of(code: str) -> str:
    """Return the meaning of a reason code; a plug-in may have its own codes."""
    return REASONS.get(code, "no meaning is recorded for this code")
