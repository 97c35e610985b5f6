"""`masks.html`: photographs with their masks outlined, by category, strange ones first; one file without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xray.core.text import printable
from xray.pipeline.plan.look import Review, Seen
from xray.report.environment import environment
from xray.report.tables import NONE, Table
from xray.report.text import percent
from xray.report.thumbnails import mask_thumbnail

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

PER_CATEGORY = 8
"""The most photographs that are shown of a category."""
NAME = "masks.html"


def write_masks_page(run: RunFolder, review: Review) -> str:
    """Write `masks.html` into a run, and return its URI; findings about final masks are kept for the report.

    Args:
        run: with a plan.
        review: a look at its masks (`xray.pipeline.plan.look`).
    """
    if review.final:
        run.store.write_table("mask_findings", pa.table({"finding": pa.array(review.findings, pa.string())}))
    return run.store.write_file(NAME, build_masks_page(review, str(run.recipe_values["name"])).encode())


def build_masks_page(review: Review, name: str) -> str:
    """Return the page.

    Args:
        review: a look at masks.
        name: of the run.
    """
    groups = {category: list(seen) for category, seen in _by_category(review.seen)}
    return (
        environment()
        .get_template("masks_page.html.j2")
        .render(
            title=printable(name, 80),
            review=review,
            strange=sum(bool(seen.remarks) for seen in review.seen),
            counts=_counts(groups),
            categories=[_category(category, seen) for category, seen in groups.items()],
            per_category=PER_CATEGORY,
        )
    )


def _by_category(seen: Sequence[Seen]) -> Iterator[tuple[str, Iterator[Seen]]]:
    for category in dict.fromkeys(one.category for one in seen):
        yield category, (one for one in seen if one.category == category)


def _counts(groups: dict[str, list[Seen]]) -> Table:
    """Make the table of masks and their sizes by category."""
    return Table.of(
        groups.items(),
        ("name category", lambda item: item[0]),
        ("number looked at", lambda item: f"{len(item[1]):,}"),
        ("number masks", lambda item: f"{len(_areas(item[1])):,}"),
        ("number strange", lambda item: f"{sum(bool(seen.look and seen.look.signs) for seen in item[1]):,}"),
        ("number rejected", lambda item: f"{sum(bool(seen.reason) for seen in item[1]):,}"),
        ("number median size", lambda item: percent(float(np.median(_areas(item[1]))), 1) if _areas(item[1]) else NONE),
        ("number smallest", lambda item: percent(min(_areas(item[1])), 1) if _areas(item[1]) else NONE),
        ("number largest", lambda item: percent(max(_areas(item[1])), 1) if _areas(item[1]) else NONE),
    )


def _areas(seen: Sequence[Seen]) -> list[float]:
    return [one.look.area for one in seen if one.look is not None]


def _category(category: str, seen: Sequence[Seen]) -> dict[str, Any]:
    ordered = sorted(seen, key=lambda one: (-bool(one.reason), -len(one.remarks)))
    return {"name": category, "tiles": [_tile(one) for one in ordered[:PER_CATEGORY]], "n": len(seen)}


def _tile(seen: Seen) -> dict[str, Any]:
    picture = None if seen.picture is None else mask_thumbnail(seen.picture, seen.mask, seen.boxes)
    facts = [] if seen.look is None else [f"{percent(seen.look.area, 1)} of the image", seen.origin]
    if seen.boxes:
        facts = [f"{len(seen.boxes):,} box{'es' if len(seen.boxes) > 1 else ''}"]
    elif seen.look is None and not seen.reason:
        facts = ["no mask yet"]
    return {"name": seen.name, "picture": picture, "facts": ", ".join(facts), "remarks": seen.remarks}
