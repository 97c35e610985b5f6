"""Survey the inputs of a run: check the recipe, read every photograph once, build the background pool."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.backgrounds.base import Bank
from xray.backgrounds.drawn import Drawn
from xray.backgrounds.own_photos import OwnPhotos
from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.files import read_bytes
from xray.core.hashing import digest
from xray.core.images import Limits, decode, read_header
from xray.core.plugins import settings_of
from xray.core.uri import base_name, short_name
from xray.masks.base import AnnotationFile, Annotations
from xray.masks.fitting import fit_to_photo
from xray.masks.formats.from_source import Alpha
from xray.pipeline.plan.checks import (
    check_categories,
    check_disk,
    check_donors,
    check_recipe,
    mask_notes,
)
from xray.pipeline.plan.look import Review, review_source
from xray.pipeline.plan.maskless import check_masks
from xray.pipeline.plan.matching import match_masks
from xray.pipeline.plan.position import TurnedPhotos, turned_photo
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe
from xray.sources.base import Candidate, join_names
from xray.sources.categories import Category

_READERS, _CHUNK_ROWS, _SAMPLED_MASKS = 8, 4096, 64
Row = dict[str, Any]


def image_id(key: str) -> str:
    """A readable and unique id of a photograph, from its key in the source.

    >>> image_id("red fox/photo 1.jpg")
    'photo_1-076c2524fa'
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "_", key.rpartition("/")[2].rpartition(".")[0] or key).strip("_")[:32]
    return f"{stem or 'image'}-{digest(key, bits=40):010x}"


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
        first: the most photographs of a category, if some are left out (`--first`).
        left_out: those (SOURCE).
        review: a look at the masks; None if no scenario needs them.
    """

    categories: tuple[Category, ...]
    source: pa.Table
    backgrounds: pa.Table
    known: pa.Table
    notes: tuple[str, ...]
    annotations: Annotations | None = None
    bank: Bank | None = None
    first: int | None = None
    left_out: pa.Table = field(default_factory=schema.SOURCE.empty_table)
    review: Review | None = None


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
    recipe = replace(recipe, categories=categories)
    masked = replace(recipe, scenarios=scenarios).needs_masks
    given = recipe.masks.annotations if masked else Alpha()  # `Alpha` reads no annotation
    needs_donors = any(entry.scenario.needs_donor for entry in scenarios.values())
    turned = TurnedPhotos()
    partial = planned is not None and planned.plan.first is not None
    seen = schema.SOURCE.empty_table() if partial else known  # masks are matched among all photographs
    source, refused = scan_source(recipe, categories, seen, progress, whole=needs_donors, turned=turned, given=given)
    if not len(source) + len(known):
        raise ConfigError(f"the source {recipe.source!r} has no photograph of the categories")
    source, matching = match_masks(source, given)
    annotations, meaning = resolve_annotations(given, source, planned)
    source, annotations, placing = turned.place(source, annotations, decided=planned is not None)
    notes += [*recipe.source.notes(categories), *refused, *matching, *meaning, *placing]
    if partial:
        source = source.filter(pc.invert(pc.is_in(source["image_id"], known["image_id"])))
    everything = pa.concat_tables([known, source])
    notes += check_categories(recipe, categories, usable_photographs([everything]))
    backgrounds, bank = schema.BACKGROUNDS.empty_table(), recipe.backgrounds
    if needs_donors:
        bank, fallback = choose_bank(recipe.backgrounds, everything, planned)
        backgrounds, more = build_pool(replace(recipe, backgrounds=bank), everything)
        notes += [*fallback, *more, *check_donors(everything, backgrounds, scenarios)]
    if run is not None:
        notes += check_disk(run, recipe, source, known)
    review = None
    if masked:
        notes += check_masks(everything, replace(recipe, scenarios=scenarios))
        if recipe.masks.refiner.needs_hint:
            notes += mask_notes(everything, recipe, scenarios)
        decided = replace(recipe, masks=replace(recipe.masks, annotations=annotations))
        review = review_source(everything, decided)
        known_reasons = ("missing_mask", *(["mask_wrong_size"] if hasattr(annotations, "invert") else []))
        notes += [*review.rejections(besides=known_reasons), *review.findings]
    decided_annotations = annotations if masked else None
    return Survey(categories, source, backgrounds, known, tuple(notes), decided_annotations, bank, review=review)


def scan_source(
    recipe: Recipe,
    categories: Sequence[Category],
    known: pa.Table,
    progress: Callable[[int], None] = lambda done: None,
    *,
    whole: bool = False,
    turned: TurnedPhotos | None = None,
    given: Annotations | None = None,
) -> tuple[pa.Table, list[str]]:
    """Look at the photographs of a source that are not known yet (SOURCE), and note an example of each refusal.

    `whole`: decode the pixels too. `turned`: collects the photographs with an EXIF orientation. `given`: annotations
    instead of the recipe's.
    """
    candidates = (given or recipe.masks.annotations).attach(recipe.source.candidates(categories))
    seen = set(known.column("image_id").to_pylist())
    new = (candidate for candidate in candidates if image_id(candidate.key) not in seen)
    refusals = Refusals()
    rows = refusals.watch((turned or TurnedPhotos()).watch(inspect(new, recipe.limits, whole=whole)))
    return _with_unique_ids(source_table(rows, progress)), refusals.notes()


class Refusals:
    """Counts refused photographs by reason, with an example of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows unchanged, and count those that are refused."""
        for row in rows:
            if row["status"] != schema.OK:
                self.counts[row["reason"]] += 1
                detail = f" ({row['detail']})" if row.get("detail") else ""
                self.examples.setdefault(row["reason"], f"{short_name(row['uri'])}{detail}")
            yield row

    def notes(self) -> list[str]:
        """Return one sentence for each reason."""
        return [
            f"{count:,} photographs cannot be used: {schema.REASONS[reason]}. The first is {self.examples[reason]}"
            for reason, count in self.counts.items()
        ]


def resolve_annotations(
    annotations: Annotations, source: pa.Table, planned: RunFolder | None
) -> tuple[Annotations, list[str]]:
    """Decide what the annotations leave open, from at most `_SAMPLED_MASKS` of their files, and return notes.

    The decisions of an earlier plan stay, if the recipe is otherwise the same.
    """
    if planned is not None:
        earlier = planned.recipe.masks.annotations
        given = {name: value for name, value in settings_of(annotations).items() if value is not None}
        if type(earlier) is type(annotations) and given.items() <= settings_of(earlier).items():
            return earlier, []
    usable = pc.and_(pc.is_valid(source["mask_uri"]), pc.greater(source["width"], 0))
    masks = source.filter(usable).select(["mask_uri", "width", "height"])
    files = []
    for index in range(0, len(masks), -(-len(masks) // _SAMPLED_MASKS) or 1):
        uri, width, height = masks.slice(index, 1).to_pylist()[0].values()
        with contextlib.suppress(Rejected):
            files.append(AnnotationFile(short_name(uri), read_bytes(uri), width, height))
    return annotations.resolve(files)


def source_table(rows: Iterable[Row], progress: Callable[[int], None] = lambda done: None) -> pa.Table:
    """Build SOURCE chunk by chunk: as Python objects the rows would take several times as much memory."""
    chunk: list[Row] = []
    tables = [schema.SOURCE.empty_table()]
    for done, row in enumerate(rows, start=1):
        chunk.append(row)
        if len(chunk) == _CHUNK_ROWS:
            tables.append(pa.Table.from_pylist(chunk, schema=schema.SOURCE))
            chunk = []
        progress(done)
    return pa.concat_tables([*tables, pa.Table.from_pylist(chunk, schema=schema.SOURCE)])


def _with_unique_ids(source: pa.Table) -> pa.Table:
    """Make duplicate ids unique, so that no row is lost."""
    ids = source["image_id"].to_pandas()
    times = ids.groupby(ids).cumcount()
    unique = pa.array(ids.where(times == 0, ids + "-again" + times.astype(str)), pa.string())
    return source.set_column(source.schema.get_field_index("image_id"), source.schema.field("image_id"), unique)


def inspect(candidates: Iterable[Candidate], limits: Limits, *, whole: bool = False) -> Iterator[Row]:
    """Read candidates, a few at a time, and yield their rows of SOURCE in order; `whole`: decode the pixels too."""
    candidates = iter(candidates)
    with ThreadPoolExecutor(_READERS) as pool:
        pending = [pool.submit(_inspect, candidate, limits, whole) for candidate in islice(candidates, 8 * _READERS)]
        while pending:
            row = pending.pop(0).result()
            pending += [pool.submit(_inspect, candidate, limits, whole) for candidate in islice(candidates, 1)]
            yield row


def _inspect(candidate: Candidate, limits: Limits, whole: bool) -> Row:
    row: Row = {"image_id": image_id(candidate.key), "sha256": "", "width": 0, "height": 0}
    row |= {name: getattr(candidate, name) for name in ("category", "uri", "mask_uri", "place", "split", "licence")}
    row |= {"mask_sha256": _mask_sha256(candidate.mask_uri), "mask_from": None, "status": schema.OK, "reason": ""}
    boxes, points = list(candidate.boxes), list(candidate.points)
    try:
        if candidate.problem:
            reason, _, detail = candidate.problem.partition(": ")
            raise Rejected(reason, detail)
        data = read_bytes(candidate.uri)
        row["sha256"] = hashlib.sha256(data).hexdigest()
        header = read_header(data, limits)
        row |= {"width": header.width, "height": header.height}
        row["turned"] = turned_photo(candidate, header)
        boxes, points = fit_to_photo(boxes, points, candidate.drawn_on, header)
        if whole:
            decode(data, limits)
    except Rejected as verdict:
        row |= schema.outcome_of(verdict)
    return row | {"boxes": [list(box) for box in boxes], "points": [list(point) for point in points]}


def _mask_sha256(uri: str | None) -> str | None:
    """Hash a mask's file; its problems are reported when it is read."""
    if uri is None:
        return None
    try:
        return hashlib.sha256(read_bytes(uri)).hexdigest()
    except Rejected:
        return None


def choose_bank(bank: Bank, source: pa.Table, planned: RunFolder | None) -> tuple[Bank, list[str]]:
    """Return the pool of backgrounds, with a note if the run's own photographs are all of one category.

    Then landscapes drawn by xray are used. The decision of an earlier plan of the run stays.
    """
    if not isinstance(bank, OwnPhotos):
        return bank, []
    if planned is not None and any(entry.scenario.needs_donor for entry in planned.recipe.scenarios.values()):
        drawn = isinstance(planned.recipe.backgrounds, Drawn)
    else:
        usable = source.filter(pc.equal(source["status"], schema.OK))
        drawn = len(usable["category"].unique()) == 1
    if not drawn:
        return bank, []
    return Drawn(), [
        "all photographs are of one category, so their new backgrounds are landscapes drawn by xray. For photographs, "
        "write `backgrounds: {kind: photos, root: FOLDER}`"
    ]


def build_pool(recipe: Recipe, source: pa.Table) -> tuple[pa.Table, list[str]]:
    """Build the background pool (BACKGROUNDS) of the run's own photographs and others, and return it with notes."""
    candidates = list(recipe.backgrounds.candidates(source))
    seen = source.filter(pc.is_in(source["uri"], pa.array([item.uri for item in candidates], pa.string())))
    by_uri = {row["uri"]: row for row in seen.to_pylist()}
    read = inspect((item for item in candidates if item.uri not in by_uri), recipe.limits, whole=True)
    rows, unusable = [], []
    for candidate in candidates:
        row = by_uri.get(candidate.uri) or next(read)
        if row["status"] != schema.OK:
            unusable.append(f"{base_name(candidate.uri)} ({row['reason']})")
            continue
        rows.append({**row, "donor_id": row["image_id"], "category": candidate.category or row["category"] or None})
    photographs = _categories_by_hash(source, [row["sha256"] for row in rows])
    rows = [{**row, "category": row["category"] or photographs.get(row["sha256"])} for row in rows]
    others = [{name: row[name] for name in schema.BACKGROUNDS.names} for row in rows]
    own = recipe.backgrounds.own(source)
    pool = pa.concat_tables([own, pa.Table.from_pylist(others, schema=schema.BACKGROUNDS)])
    if not len(pool):
        raise ConfigError(f"the background pool {recipe.backgrounds!r} has no usable photograph")
    notes = [f"unusable backgrounds: {', '.join(sorted(unusable)[:5])}"] if unusable else []
    if same := sorted(base_name(row["uri"]) for row in rows if row["sha256"] in photographs):
        notes.append(
            f"{len(same):,} of {len(pool):,} backgrounds are photographs of the run, with their objects in them "
            f"({join_names(same, 5)}): take them out of the backgrounds"
        )
    return pool, notes


def _categories_by_hash(source: pa.Table, hashes: Sequence[str]) -> dict[str, str]:
    """Return the categories of the photographs with these SHA-256."""
    found = source.filter(pc.is_in(source["sha256"], pa.array(hashes, pa.string())))
    return dict(zip(found["sha256"].to_pylist(), found["category"].to_pylist(), strict=True))


def usable_photographs(tables: Iterable[pa.Table]) -> dict[str, str]:
    """Categories of the readable photographs, by id."""
    rows = (row for table in tables for row in table.select(["image_id", "category", "status"]).to_pylist())
    return {row["image_id"]: row["category"] for row in rows if row["status"] == schema.OK}
