"""Scan the photographs of a source: read each once, and write down what it is (SOURCE)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError, Rejected, rejecting
from xray.core.files import read_bytes
from xray.core.hashing import digest
from xray.core.images import Limits, decode, read_header
from xray.core.parallel import map_ahead
from xray.core.perceptual_hash import hash_of_file
from xray.core.uri import short_name, to_uri
from xray.masks.base import Annotations
from xray.masks.fitting import fit_to_photo
from xray.pipeline.plan.position import TurnedPhotos, turned_photo
from xray.runs.recipe import Recipe
from xray.sources.base import Candidate, join_names
from xray.sources.categories import Category
from xray.sources.groups import name_groups

_READERS, _CHUNK_ROWS = 8, 4096
_OF_CANDIDATE = ("category", "uri", "mask_uri", "place", "split", "licence", "group", "credit")
Row = dict[str, Any]


def image_id(key: str) -> str:
    """A readable and unique id of a photograph, from its key in the source.

    >>> image_id("red fox/photo 1.jpg")
    'photo_1-076c2524fa'
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "_", key.rpartition("/")[2].rpartition(".")[0] or key).strip("_")[:32]
    return f"{stem or 'image'}-{digest(key, bits=40):010x}"


def scan_source(
    recipe: Recipe,
    categories: Sequence[Category],
    annotations: Annotations,
    known: pa.Table,
    progress: Callable[[int], None],
    *,
    whole: bool,
    turned: TurnedPhotos,
) -> tuple[pa.Table, list[str]]:
    """Look at the photographs of a source that are not known yet (SOURCE), and note an example of each refusal.

    `whole`: decode the pixels too. `turned`: collects the photographs with an EXIF orientation.

    Raises:
        ConfigError: the table of groups does not fit the photographs, or what it says of known ones has changed.
    """
    candidates, notes = _grouped(recipe, recipe.source.candidates(categories), known)
    seen = set(known.column("image_id").to_pylist())
    new = (candidate for candidate in annotations.attach(candidates) if image_id(candidate.key) not in seen)
    refusals = Refusals()
    rows = refusals.watch(turned.watch(inspect(new, recipe.limits, whole=whole)))
    return _with_unique_ids(source_table(rows, progress)), [*notes, *refusals.notes()]


def _grouped(recipe: Recipe, candidates: Iterable[Candidate], known: pa.Table) -> tuple[Iterable[Candidate], list[str]]:
    """Return photographs with their named groups, and notes on names that fit none."""
    if recipe.groups is None:
        return candidates, []
    root = getattr(recipe.source, "root", None)
    photographs = list(candidates)
    ids = [image_id(one.key) for one in photographs]
    grouped, notes = name_groups(recipe.groups, photographs, ids, root and to_uri(root))
    groups = {image: one.group for image, one in zip(ids, grouped, strict=True)}
    before = zip(known["image_id"].to_pylist(), known["group"].to_pylist(), strict=True)
    if changed := [image for image, group in before if groups.get(image, group) != group]:
        raise ConfigError(
            f"the run was planned with other groups, or none, of {join_names(changed, 5)} than {recipe.groups.file!r} "
            "has now; use a new run, or `--replan` this one",
            ("groups",),
        )
    return grouped, notes


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
    """Read candidates, a few at a time, and return their rows of SOURCE in order; `whole`: decode the pixels too."""
    return map_ahead(lambda candidate: _inspect(candidate, limits, whole), candidates, _READERS)


def _inspect(candidate: Candidate, limits: Limits, whole: bool) -> Row:
    row: Row = {"image_id": image_id(candidate.key), "sha256": "", "width": 0, "height": 0}
    row |= {name: getattr(candidate, name) for name in _OF_CANDIDATE}
    row |= {
        "mask_sha256": _mask_sha256(candidate.mask_uri, limits),
        "mask_from": None,
        "status": schema.OK,
        "reason": "",
    }
    boxes, points = list(candidate.boxes), list(candidate.points)
    try:
        with rejecting("error"):
            if candidate.problem:
                reason, _, detail = candidate.problem.partition(": ")
                raise Rejected(reason, detail)
            data = read_bytes(candidate.uri, limits.max_bytes)
            row["sha256"] = hashlib.sha256(data).hexdigest()
            header = read_header(data, limits)
            row |= {"width": header.width, "height": header.height}
            row["turned"] = turned_photo(candidate, header, limits)
            boxes, points = fit_to_photo(boxes, points, candidate.drawn_on, header)
            decoded = decode(data, limits).image if whole else None
            row["perceptual_hash"] = hash_of_file(data, header, limits, decoded)
    except Rejected as verdict:
        row |= schema.outcome_of(verdict)
    return row | {"boxes": [list(box) for box in boxes], "points": [list(point) for point in points]}


def _mask_sha256(uri: str | None, limits: Limits) -> str | None:
    """Hash a mask's file; its problems are reported when it is read."""
    if uri is None:
        return None
    try:
        return hashlib.sha256(read_bytes(uri, limits.max_bytes)).hexdigest()
    except Rejected:
        return None


def usable_photographs(tables: Iterable[pa.Table]) -> dict[str, str]:
    """Categories of the readable photographs, by id."""
    rows = (row for table in tables for row in table.select(["image_id", "category", "status"]).to_pylist())
    return {row["image_id"]: row["category"] for row in rows if row["status"] == schema.OK}
