"""The table of what a plan understood, printed by `xray plan`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from xray.cli.output import out
from xray.core.text import printable

if TYPE_CHECKING:
    from xray.pipeline.plan.survey import Survey
    from xray.pipeline.plan.understood import Understood

_MAX_ROWS, _MAX_CATEGORY, _MIN_CLASSES = 20, 20, 12


def print_understood(inputs: Survey, *, annotated: bool) -> None:
    """Print photographs, annotations and classes by category, new and known ones together.

    `annotated`: whether annotations are apart from the photographs, so that their number says something.
    """
    import pyarrow as pa

    from xray.pipeline.plan.understood import summarize, totals

    rows = summarize(pa.concat_tables([inputs.known, inputs.source], promote_options="default"), inputs.categories)
    total = totals(rows)
    counted = [
        name
        for name, shown in (
            ("photographs", True),
            ("annotated", annotated),
            ("refused", bool(total.refused)),
            ("copies", bool(total.copies)),
        )
        if shown
    ]
    shown = rows if len(rows) <= _MAX_ROWS else [*rows[: _MAX_ROWS - 1], _others(totals(rows[_MAX_ROWS - 1 :]))]
    shown = shown if len(rows) == 1 else [*shown, total]
    categories = [printable(row.category, _MAX_CATEGORY) for row in shown]
    taken = sum(2 + max(map(cell_len, column)) for column in (["category", *categories], *([name] for name in counted)))
    table = Table(box=None)
    table.add_column("category", no_wrap=True, overflow="ellipsis")
    table.add_column("class", no_wrap=True, overflow="ellipsis", max_width=max(_MIN_CLASSES, out.width - taken - 2))
    for name in counted:
        table.add_column(name, justify="right")
    for category, row in zip(categories, shown, strict=True):
        cells = (category, printable(row.classes))
        table.add_row(*map(escape, cells), *(f"{getattr(row, name):,}" for name in counted))
    out.print(table)


def _others(sums: Understood) -> Understood:
    return replace(sums, category="others")
