"""Summarize by category what a plan understood: photographs, annotations, and what cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from xray.core.schema import OK
from xray.sources.categories import Category
from xray.sources.categories.reading import describe_classes


@dataclass(frozen=True)
class Understood:
    """The numbers of one category.

    Args:
        category: its name.
        classes: what its class indices are.
        photographs: all that the plan has.
        annotated: those with a mask file, boxes or points.
        refused: those that cannot be used.
        copies: those whose bytes an earlier photograph of the run has.
    """

    category: str
    classes: str
    photographs: int
    annotated: int
    refused: int
    copies: int


def summarize(source: pa.Table, categories: Sequence[Category]) -> list[Understood]:
    """Return the numbers of every category, also of one without photographs, in the order of the recipe.

    Args:
        source: all photographs (SOURCE).
        categories: of the run.
    """
    table = pa.table(
        {
            "category": source["category"],
            "annotated": _annotated(source),
            "refused": pc.not_equal(source["status"], OK),
            "copies": _copies(source["sha256"]),
        }
    )
    columns = ("annotated", "refused", "copies")
    groups = table.group_by("category").aggregate([("category", "count"), *((name, "sum") for name in columns)])
    names = ("category_count", *(f"{name}_sum" for name in columns))
    counts = {row["category"]: [row[name] or 0 for name in names] for row in groups.to_pylist()}
    return [
        Understood(category.name, _classes(category), *counts.get(category.name, (0, 0, 0, 0)))
        for category in categories
    ]


def _classes(category: Category) -> str:
    return describe_classes(category.indices, limit=2) if category.indices else "of your own"


def _annotated(source: pa.Table) -> pa.ChunkedArray:
    hints = [pc.greater(pc.list_value_length(source[name]), 0) for name in ("boxes", "points")]
    return pc.or_(pc.is_valid(source["mask_uri"]), pc.or_(*hints))


def _copies(sha256: pa.ChunkedArray) -> pa.Array:
    """Return whether an earlier photograph has the same bytes; unreadable ones have none."""
    counts = pc.value_counts(sha256)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    copies = [False] * len(sha256)
    seen = {""}
    for index in pc.indices_nonzero(pc.is_in(sha256, value_set=repeated)).to_pylist() if len(repeated) else ():
        value = sha256[index].as_py()
        copies[index] = value != "" and value in seen
        seen.add(value)
    return pa.array(copies, pa.bool_())


def totals(rows: Iterable[Understood]) -> Understood:
    """Return the sums over categories."""
    listed = list(rows)
    sums = (sum(getattr(row, name) for row in listed) for name in ("photographs", "annotated", "refused", "copies"))
    return Understood("all", f"{len(listed):,} categories", *sums)
