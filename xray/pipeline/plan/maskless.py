"""Refuse, in the plan, recipes whose photographs have no masks at all, with the lines to write."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.masks.photographs import read_photo
from xray.runs.recipe import Recipe
from xray.sources.base import join_names

_SAMPLED = 24

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
        return [refiner.caveat] if refiner.caveat else []
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


def _is_transparent(row: dict[str, object], recipe: Recipe) -> bool:
    try:
        return read_photo(row, recipe.limits).alpha is not None
    except Rejected:
        return False
