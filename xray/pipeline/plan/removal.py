"""Decide, while planning, how objects are removed, and of which photographs they can be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.backgrounds.removal.base import Remover
from xray.core import schema
from xray.core.errors import ResourceError, XrayError
from xray.core.plugins import build
from xray.runs.folder import RunFolder
from xray.runs.recipe import Masks, Recipe

_DEFAULTS = ("patchmatch", "telea")
"""Removers without weights, the best first; the last one is always installed."""


def choose_remover(recipe: Recipe, planned: RunFolder | None) -> tuple[Remover | None, list[str]]:
    """Return the remover of a run, with what readers must know about it; None if no object is removed.

    A recipe that names none takes that of the run's earlier plan, otherwise the best one that is installed here.

    Raises:
        ConfigError: its weights are missing.
        ResourceError: a library that it needs is not installed.
    """
    if not recipe.needs_removed:
        return recipe.remover, []
    remover = recipe.remover or (planned.recipe.remover if planned is not None else None) or _installed()
    try:
        notes = remover.check()
    except ResourceError as error:
        raise ResourceError(f"`remover: {remover.name}`: {error}; or write `remover: {_DEFAULTS[-1]}`") from error
    return remover, [*notes, *([remover.caveat] if remover.caveat else [])]


def _installed() -> Remover:
    *better, last = _DEFAULTS
    for name in better:
        try:
            remover = build("remover", Remover, name)
            remover.check()
        except XrayError:
            continue
        return remover
    return build("remover", Remover, last)


def removable_donors(
    pool: pa.Table, photographs: pa.Table, masks: Masks, left_out: pa.Table | None = None
) -> NDArray[np.bool_]:
    """Return, for each of the run's own photographs in the pool, whether its object can be removed, shape (N,).

    Args:
        pool: BACKGROUNDS.
        photographs: those of the plan (SOURCE).
        masks: those of the recipe.
        left_out: photographs that are not planned (SOURCE), so that no masks of them are made.
    """
    without = [] if left_out is None else [left_out["image_id"]]
    if masks.refiner.needs_hint and masks.annotations.separate:
        without.append(photographs.filter(lacks_annotation(photographs))["image_id"])
    ids = pa.chunked_array([chunk for some in without for chunk in some.chunks], pa.string())
    known: NDArray[np.bool_] = pc.invert(pc.is_in(pool["donor_id"], ids.combine_chunks())).to_numpy()
    return known


def lacks_annotation(source: pa.Table) -> pa.ChunkedArray:
    """Return whether photographs (SOURCE) are readable, and have no mask, box or point, shape (N,)."""
    hints = [pc.equal(pc.list_value_length(source[name]), 0) for name in ("boxes", "points")]
    return pc.and_(pc.equal(source["status"], schema.OK), pc.and_(pc.is_null(source["mask_uri"]), pc.and_(*hints)))
