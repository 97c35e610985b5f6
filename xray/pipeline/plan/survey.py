"""Survey the inputs of a run: check the recipe, read every photograph once, build the background pool."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.backgrounds.base import Bank
from xray.backgrounds.removal.base import Remover
from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.files import read_bytes
from xray.core.images import Limits
from xray.core.parallel import map_ahead
from xray.core.plugins import settings_of
from xray.core.uri import short_name
from xray.masks.base import AnnotationFile, Annotations
from xray.masks.formats.from_source import Alpha
from xray.masks.reading.mask_images import OTHER_SIZE
from xray.masks.signs import BORDERS
from xray.pipeline.plan.backgrounds import build_pool, choose_bank
from xray.pipeline.plan.checks import check_categories, check_disk, check_recipe, mask_notes
from xray.pipeline.plan.donor_checks import check_donors
from xray.pipeline.plan.folds import plan_folds
from xray.pipeline.plan.groups import check_groups
from xray.pipeline.plan.look import Review, review_source
from xray.pipeline.plan.maskless import check_masks
from xray.pipeline.plan.matching import match_masks
from xray.pipeline.plan.near_duplicates import near_duplicate_notes, near_duplicates
from xray.pipeline.plan.position import TurnedPhotos
from xray.pipeline.plan.removal import choose_remover
from xray.pipeline.plan.scan import scan_source, usable_photographs
from xray.runs.folder import RunFolder
from xray.runs.groups import shared_groups
from xray.runs.recipe import Recipe
from xray.sources.categories import Category

_READERS = 8
_MAX_MASKS, _MAX_MASK_PIXELS = 20_000, 6_000_000_000
"""Mask files that are looked at: 20,000 of a common size take 40 s. Of more, an even sample."""


@dataclass(frozen=True)
class Survey:
    """The inputs of a plan.

    Args:
        categories: of the recipe, or of the source.
        source: photographs that no earlier plan has (SOURCE).
        backgrounds: the pool that donors are sampled from (BACKGROUNDS).
        known: photographs of earlier plans (SOURCE).
        notes: caveats for readers of the run.
        annotations: with what was decided about them; None: as in the recipe.
        bank: the background pool that was chosen; None: as in the recipe.
        remover: the one that was chosen; None: as in the recipe.
        first: the most photographs of a category, if some are left out (`--first`).
        left_out: those (SOURCE).
        review: a look at the masks; None if no scenario needs them.
        near_duplicates: photographs that look like others, as `near_duplicates` returns them.
    """

    categories: tuple[Category, ...]
    source: pa.Table
    backgrounds: pa.Table
    known: pa.Table
    notes: tuple[str, ...]
    annotations: Annotations | None = None
    bank: Bank | None = None
    remover: Remover | None = None
    first: int | None = None
    left_out: pa.Table = field(default_factory=schema.SOURCE.empty_table)
    review: Review | None = None
    near_duplicates: pa.Table | None = None

    @property
    def usable(self) -> dict[str, str]:
        """Categories of the readable photographs, also of those that are left out, by id."""
        return usable_photographs([self.known, self.source, self.left_out])

    @property
    def groups(self) -> dict[str, str]:
        """Groups of the photographs that are not alone, also of those that are left out, by id."""
        return shared_groups(pa.concat_tables([self.known, self.source, self.left_out]))


def survey(recipe: Recipe, run: RunFolder | None = None, progress: Callable[[int], None] = lambda done: None) -> Survey:
    """Check a recipe, and look at every photograph of its source and at its background pool.

    Photographs that become backgrounds are decoded completely, so that a damaged one affects only its own rows.

    Args:
        recipe: the recipe.
        run: an earlier plan of the run, whose photographs are not read again.
        progress: called with the number of photographs so far.

    Raises:
        ConfigError: the source, the background pool or weights are missing, or no photograph fits the categories.
    """
    planned = run if run is not None and run.plan.exists else None
    known = planned.store.table("source") if planned else schema.SOURCE.empty_table()
    scenarios = {**(planned.recipe.scenarios if planned else {}), **recipe.scenarios}
    categories, notes = check_recipe(recipe, scenarios)
    recipe = replace(recipe, categories=categories, scenarios=scenarios)
    remover, of_remover = choose_remover(recipe, planned)
    given = recipe.masks.annotations if recipe.needs_masks else Alpha()  # `Alpha` reads no annotation
    needs_donors = any(entry.scenario.donor_rule for entry in scenarios.values())
    turned = TurnedPhotos()
    partial = planned is not None and planned.plan.first is not None
    seen = schema.SOURCE.empty_table() if partial else known  # masks are matched among all photographs
    source, refused = scan_source(recipe, categories, given, seen, progress, whole=needs_donors, turned=turned)
    if not len(source) + len(known):
        raise ConfigError(f"the source {recipe.source!r} has no photograph of the categories")
    source, matching = match_masks(source, given)
    annotations, meaning = resolve_annotations(given, source, planned, recipe.limits)
    source, annotations, placing = turned.place(source, annotations, decided=planned is not None)
    notes += [*recipe.source.notes(categories), *refused, *matching, *meaning, *placing]
    if partial:
        source = source.filter(pc.invert(pc.is_in(source["image_id"], known["image_id"])))
    everything = pa.concat_tables([known, source])
    usable, groups = usable_photographs([everything]), shared_groups(everything)
    alike = near_duplicates(everything)
    notes += [*check_groups(everything, usable, groups, recipe), *near_duplicate_notes(alike, groups, recipe)]
    notes += check_categories(recipe, categories, usable, groups)
    backgrounds = schema.BACKGROUNDS.empty_table()
    if needs_donors:
        bank, fallback = choose_bank(recipe, everything, planned)
        recipe = replace(recipe, backgrounds=bank)
        backgrounds, more = build_pool(recipe, everything, planned)
        folds = plan_folds(planned, recipe, usable, groups) if bank.shows_objects else {}
        notes += [*fallback, *more, *check_donors(everything, backgrounds, recipe, folds, groups)]
    remover, of_remover = (remover, of_remover) if recipe.needs_removed else (None, [])
    notes += of_remover
    if run is not None:
        notes += check_disk(run, recipe, source, known)
    if not recipe.needs_masks:
        bank = recipe.backgrounds
        return Survey(categories, source, backgrounds, known, tuple(notes), bank=bank, near_duplicates=alike)
    decided = replace(recipe, masks=replace(recipe.masks, annotations=annotations))
    review, more = _review_masks(everything, decided, meaning)
    bank = recipe.backgrounds
    return Survey(
        categories, source, backgrounds, known, (*notes, *more), annotations, bank, remover=remover, review=review,
        near_duplicates=alike,
    )  # fmt: skip


def _review_masks(photographs: pa.Table, recipe: Recipe, meaning: Sequence[str]) -> tuple[Review, list[str]]:
    """Look at the masks of photographs (SOURCE), and return notes on them; `recipe`: with annotations as decided."""
    notes = check_masks(photographs, recipe)
    if recipe.masks.refiner.needs_hint:
        notes += mask_notes(photographs, recipe)
    review = review_source(photographs, recipe)
    known = ("missing_mask", *(["mask_wrong_size"] if any(OTHER_SIZE in note for note in meaning) else []))
    findings = [*review.rejections(besides=known), *review.findings]
    if any(BORDERS in note for note in meaning):  # of all masks, and not only of those that were reviewed
        findings = [note for note in findings if BORDERS not in note]
    return review, [*notes, *findings]


def resolve_annotations(
    annotations: Annotations, source: pa.Table, planned: RunFolder | None, limits: Limits
) -> tuple[Annotations, list[str]]:
    """Decide what the annotations leave open, from all files or very many of them, and return notes.

    The decisions of an earlier plan stay, if the recipe is otherwise the same.
    """
    if planned is not None:
        earlier = planned.recipe.masks.annotations
        given = {name: value for name, value in settings_of(annotations).items() if value is not None}
        if type(earlier) is type(annotations) and given.items() <= settings_of(earlier).items():
            return earlier, []
    usable = pc.and_(pc.is_valid(source["mask_uri"]), pc.greater(source["width"], 0))
    masks = source.filter(usable).select(["mask_uri", "width", "height"])
    pixels = pc.sum(pc.multiply(masks["width"].cast(pa.int64()), masks["height"].cast(pa.int64()))).as_py() or 0
    step = max(1, -(-len(masks) // _MAX_MASKS), -(-pixels // _MAX_MASK_PIXELS))
    sample = masks.take(pa.array(range(0, len(masks), step), pa.int64()))
    rows = (row for batch in sample.to_batches(max_chunksize=_READERS) for row in batch.to_pylist())
    files = map_ahead(functools.partial(_read_mask, limits), rows, _READERS)
    resolved, notes = annotations.resolve(file for file in files if file is not None)
    if notes and len(sample) < len(masks):
        notes = [*notes, f"{len(sample):,} of {len(masks):,} masks were looked at to know what their numbers mean"]
    return resolved, notes


def _read_mask(limits: Limits, row: dict[str, Any]) -> AnnotationFile | None:
    """Read a mask file; its problems are reported when its mask is made."""
    with contextlib.suppress(Rejected):
        data = read_bytes(row["mask_uri"], limits.max_bytes)
        return AnnotationFile(short_name(row["mask_uri"]), data, row["width"], row["height"])
    return None
