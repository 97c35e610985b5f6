"""Refuse, in the plan, recipes whose photographs have no masks at all, with the lines to write."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.uri import short_name
from xray.masks.photographs import read_photo
from xray.runs.recipe import Recipe
from xray.sources.base import join_names

_SAMPLED = 24
_WHOLE = 0.95

_ADVICE = """\
  masks: {annotations: {kind: png, root: masks}}   # masks that you have; docs/data.md lists the formats
  masks: {annotations: {kind: text}, refine: {kind: sam, model: sam2.1-hiera-large}}   # found by words, with weights
  masks: {refine: guess}   # a box in the middle, cut out by colour: for a first look, not for numbers"""


def check_masks(source: pa.Table, recipe: Recipe) -> list[str]:
    """Check that some photograph has a mask, a box or a point, if the refiner needs one; return caveats.

    Annotations that are apart from the source are matched, and reported, elsewhere.

    Args:
        source: all photographs (SOURCE).
        recipe: one whose scenarios need masks.

    Raises:
        ConfigError: every photograph would be rejected; the message has the lines to write.
    """
    refiner = recipe.masks.refiner
    if not refiner.needs_hint or recipe.masks.annotations.separate:
        return [*([refiner.caveat] if refiner.caveat else []), *_boxes_alone(source, recipe)]
    usable = source.filter(pc.equal(source["status"], schema.OK))
    hints = [pc.greater(pc.list_value_length(usable[name]), 0) for name in ("boxes", "points")]
    if not len(usable) or pc.any(pc.or_(pc.is_valid(usable["mask_uri"]), pc.or_(*hints))).as_py():
        return []
    step = -(-len(usable) // _SAMPLED)
    sample = usable.take(list(range(0, len(usable), step))).to_pylist()
    if any(_is_transparent(row, recipe) for row in sample):
        return []
    without = join_names(name for name, entry in recipe.scenarios.items() if not entry.scenario.needs_mask)
    raise ConfigError(
        f"no photograph has a mask: {recipe.masks.annotations.name!r} gives none of the {len(usable):,}, and none of "
        f"{len(sample)} that were looked at is transparent. Write one of these lines in the recipe:\n{_ADVICE}\n"
        f"or keep only scenarios that need no mask ({without})"
    )


def _boxes_alone(source: pa.Table, recipe: Recipe) -> list[str]:
    """Return notes on photographs that have boxes or points and no mask."""
    if not recipe.masks.refiner.needs_hint:
        return []
    hints = [pc.greater(pc.list_value_length(source[name]), 0) for name in ("boxes", "points")]
    alone = source.filter(pc.and_(pc.is_null(source["mask_uri"]), pc.or_(*hints)))
    notes = []
    if len(alone) and recipe.masks.refiner.name == "given":
        notes.append(
            f"{len(alone):,} of {len(source):,} photographs have boxes or points and no mask, and will be rejected: "
            "write `refine: grabcut` or `refine: {kind: sam, …}`, which make masks from them"
        )
    rows = alone.select(["boxes", "width", "height", "uri"]).to_pylist()
    whole = [short_name(row["uri"]) for row in rows if _covers_all(row)]
    if len(whole) * 2 > len(rows):
        notes.append(
            f"masks may be wrong: the boxes of {len(whole):,} of {len(rows):,} photographs cover (nearly) all of them: "
            f"{join_names(whole, 3)}"
        )
    return notes


def _covers_all(row: dict[str, Any]) -> bool:
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in row["boxes"]]
    return bool(max(areas, default=0) >= _WHOLE * max(1, row["width"] * row["height"]))


def _is_transparent(row: dict[str, object], recipe: Recipe) -> bool:
    try:
        return read_photo(row, recipe.limits).alpha is not None
    except Rejected:
        return False
