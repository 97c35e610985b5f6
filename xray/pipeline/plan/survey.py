"""Looking at what there is to work on: every photograph once, and the bank of backgrounds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import Rejected, XrayError
from xray.core.files import read_bytes
from xray.core.hashing import digest
from xray.core.images import Limits, decode, read_header
from xray.core.uri import name_of
from xray.models.weights import locate
from xray.runs.folds import fold_remarks
from xray.runs.recipe import Recipe
from xray.runs.run import Run
from xray.runs.trial import check_training
from xray.sources.base import Candidate
from xray.sources.categories import Category

_READERS, _AT_ONCE = 8, 4096
Row = dict[str, Any]


def image_id(key: str) -> str:
    """A readable and unique id of the photograph with this key in its source.

    >>> image_id("red fox/photo 1.jpg")
    'photo_1-076c2524fa'
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "_", key.rpartition("/")[2].rpartition(".")[0] or key).strip("_")[:32]
    return f"{stem or 'image'}-{digest(key, bits=40):010x}"


@dataclass(frozen=True)
class Survey:
    """What there is to work on.

    Args:
        categories: of the recipe, or as the source tells.
        source: the photographs that no earlier plan has (SOURCE).
        backgrounds: the bank that donors are drawn from (BACKGROUNDS).
        known: the photographs of earlier plans (SOURCE).
        remarks: what people should know before they start.
    """

    categories: tuple[Category, ...]
    source: pa.Table
    backgrounds: pa.Table
    known: pa.Table
    remarks: tuple[str, ...]


def survey(recipe: Recipe, run: Run | None = None, tick: Callable[[int], None] = lambda done: None) -> Survey:
    """Look at every photograph of the recipe's source, and at the bank of backgrounds.

    Where photographs become backgrounds they are decoded as a whole, so that a damaged one costs no other its row.

    Args:
        recipe: what is wanted.
        run: that was planned before: its photographs are not read again.
        tick: called with the number of photographs looked at so far.

    Raises:
        XrayError: the source, the bank or the weights are not there, or there is nothing for the categories.
    """
    planned = run if run is not None and run.planned else None
    known = planned.table("source") if planned else schema.SOURCE.empty_table()
    scenarios = {**(planned.recipe_object.scenarios if planned else {}), **recipe.scenarios}
    needs_donors = any(entry.scenario.needs_donor for entry in scenarios.values())
    _assert_there(references(recipe))
    if recipe.training is not None:
        check_training(recipe.training, scenarios)
    paints = any(entry.scenario.paints for entry in scenarios.values())
    judged = recipe.filter.check(recipe.models, recipe.masks.refine) if paints else []
    categories = recipe.categories or tuple(recipe.source.categories())
    for entry in scenarios.values():
        for category in categories:
            entry.scenario.prompt(category, draw=0, variant=0)
    candidates = recipe.masks.annotations.attach(recipe.source.candidates(categories))
    seen = set(known.column("image_id").to_pylist())
    fresh = (candidate for candidate in candidates if image_id(candidate.key) not in seen)
    source = _distinct(source_table(inspect(fresh, recipe.limits, whole=needs_donors), tick))
    if not len(source) + len(known):
        raise XrayError(f"the source {recipe.source!r} has no photograph of the categories")
    remarks = [*judged, *recipe.source.remarks(categories)]
    if recipe.training is not None:
        remarks += fold_remarks(usable([known, source]), recipe.training)
    backgrounds = schema.BACKGROUNDS.empty_table()
    if needs_donors:
        backgrounds, more = _bank(recipe, pa.concat_tables([known, source]))
        remarks += more
    return Survey(categories, source, backgrounds, known, tuple(remarks))


def source_table(rows: Iterable[Row], tick: Callable[[int], None] = lambda done: None) -> pa.Table:
    """SOURCE, made of some rows at a time: as objects of Python they take several times as much memory.

    Args:
        rows: as `inspect` finds them.
        tick: called with the number of rows so far.
    """
    some: list[Row] = []
    tables = [schema.SOURCE.empty_table()]
    for done, row in enumerate(rows, start=1):
        some.append(row)
        if len(some) == _AT_ONCE:
            tables.append(pa.Table.from_pylist(some, schema=schema.SOURCE))
            some = []
        tick(done)
    return pa.concat_tables([*tables, pa.Table.from_pylist(some, schema=schema.SOURCE)])


def _distinct(source: pa.Table) -> pa.Table:
    """Give every further row of an id an id of its own, so that it is accounted for under its own name."""
    ids = source.column("image_id")
    if pc.count_distinct(ids).as_py() == len(source):
        return source
    times: dict[str, int] = {}
    own = []
    for name in ids.to_pylist():
        count = times[name] = times.get(name, 0) + 1
        own.append(name if count == 1 else f"{name}-again{count - 1}")
    return source.set_column(source.schema.get_field_index("image_id"), schema.SOURCE.field("image_id"), pa.array(own))


def inspect(candidates: Iterable[Candidate], limits: Limits, *, whole: bool = False) -> Iterator[Row]:
    """SOURCE rows of the candidates, in their order; a few are read at a time.

    Args:
        candidates: what a source or bank offers.
        limits: which are refused from their header.
        whole: decode the pixels, too.
    """
    candidates = iter(candidates)
    with ThreadPoolExecutor(_READERS) as pool:
        pending = [pool.submit(_inspect, candidate, limits, whole) for candidate in islice(candidates, 8 * _READERS)]
        while pending:
            row = pending.pop(0).result()
            pending += [pool.submit(_inspect, candidate, limits, whole) for candidate in islice(candidates, 1)]
            yield row


def _inspect(candidate: Candidate, limits: Limits, whole: bool) -> Row:
    row: Row = {
        "image_id": image_id(candidate.key),
        "sha256": "",
        "width": 0,
        "height": 0,
        "status": schema.OK,
        "reason": "",
    }
    row |= {name: getattr(candidate, name) for name in ("category", "uri", "mask_uri", "place", "split", "licence")}
    row |= {"mask_sha256": _mask_sha256(candidate.mask_uri), "mask_from": None}
    row["boxes"] = [list(box) for box in candidate.boxes]
    row["points"] = [list(point) for point in candidate.points]
    try:
        if candidate.problem:
            raise Rejected(candidate.problem)
        data = read_bytes(candidate.uri)
        row["sha256"] = hashlib.sha256(data).hexdigest()
        header = read_header(data, limits)
        row |= {"width": header.width, "height": header.height}
        if whole:
            decode(data, limits)
    except Rejected as verdict:
        row |= {"status": schema.status_of(verdict.reason), "reason": verdict.reason}
    return row


def _mask_sha256(uri: str | None) -> str | None:
    """What is wrong with a mask is said when it is read."""
    if uri is None:
        return None
    try:
        return hashlib.sha256(read_bytes(uri)).hexdigest()
    except Rejected:
        return None


def _bank(recipe: Recipe, source: pa.Table) -> tuple[pa.Table, list[str]]:
    """BACKGROUNDS, and what is to be remarked: the run's own photographs, then others, which are looked at first."""
    candidates = list(recipe.backgrounds.candidates(source))
    seen = source.filter(pc.is_in(source["uri"], pa.array([item.uri for item in candidates], pa.string())))
    by_uri = {row["uri"]: row for row in seen.to_pylist()}
    read = inspect((item for item in candidates if item.uri not in by_uri), recipe.limits, whole=True)
    rows, unusable = [], []
    for candidate in candidates:
        row = by_uri.get(candidate.uri) or next(read)
        if row["status"] != schema.OK:
            unusable.append(f"{name_of(candidate.uri)} ({row['reason']})")
            continue
        rows.append({**row, "donor_id": row["image_id"], "category": candidate.category or row["category"] or None})
    others = [{name: row[name] for name in schema.BACKGROUNDS.names} for row in rows]
    own = recipe.backgrounds.own(source)
    bank = pa.concat_tables([own, pa.Table.from_pylist(others, schema=schema.BACKGROUNDS)])
    if not len(bank):
        raise XrayError(f"the background bank {recipe.backgrounds!r} has no usable photograph")
    remarks = [f"backgrounds that cannot be used: {', '.join(sorted(unusable)[:5])}"] if unusable else []
    return bank, remarks


def _assert_there(references: Iterable[str]) -> None:
    missing = []
    for reference in sorted(references):
        try:
            locate(reference)
        except XrayError as error:
            missing.append(str(error))
    if missing:
        raise XrayError("\n".join(missing))


def references(recipe: Recipe) -> set[str]:
    """The weights that making images takes."""
    painters = [entry.scenario.painter for entry in recipe.scenarios.values() if entry.scenario.paints]
    parts = [recipe.masks.refine.weights(), *(painter.weights() for painter in painters)]
    if painters:
        parts.append(recipe.filter.weights())
    return {reference for part in parts for reference in part.values()}


def usable(tables: Iterable[pa.Table]) -> dict[str, str]:
    """Categories of the photographs that can be read, by id."""
    rows = (row for table in tables for row in table.select(["image_id", "category", "status"]).to_pylist())
    return {row["image_id"]: row["category"] for row in rows if row["status"] == schema.OK}
