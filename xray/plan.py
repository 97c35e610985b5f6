"""The plan: every photograph looked at once, every image that will be made written down beforehand.

All that is random is decided here, by a hash of (run seed, image_id, scenario, variant): neither the order of rows nor
the number of workers can change an image.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray import schema
from xray.categories import Category
from xray.codec import Limits, decode, read_header
from xray.draw import Donors, Draw, digest
from xray.errors import Rejected, XrayError
from xray.files import name_of, read_bytes
from xray.lease import alone
from xray.parquet import to_parquet
from xray.plugins import settings_of
from xray.recipe import Recipe, ScenarioEntry, recipe_values
from xray.run import Run
from xray.sources.base import Candidate
from xray.training.folds import assign, fold_remarks
from xray.training.trial import check_training
from xray.weights import locate, pinned

_READERS = 8
_SHARD_PIXELS = 24_000_000
Row = dict[str, Any]


def image_id(key: str) -> str:
    """A readable and unique id of the photograph with this key in its source.

    >>> image_id("red fox/photo 1.jpg")
    'photo_1-076c2524fa'
    """
    stem = re.sub(r"[^A-Za-z0-9]+", "_", key.rpartition("/")[2].rpartition(".")[0] or key).strip("_")[:32]
    return f"{stem or 'image'}-{digest(key, bits=40):010x}"


def sample_id(image: str, scenario: str, variant: int) -> str:
    """The id of one planned image: 20 hexadecimal digits."""
    return f"{digest(image, scenario, variant):020x}"


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
    _assert_there(_references(recipe))
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
    rows = []
    for row in inspect(fresh, recipe.limits, whole=needs_donors):
        rows.append(row)
        tick(len(rows))
    source = pa.Table.from_pylist(_distinct(rows), schema=schema.SOURCE)
    if not len(source) + len(known):
        raise XrayError(f"the source {recipe.source!r} has no photograph of the categories")
    remarks = [*judged, *recipe.source.remarks(categories)]
    if recipe.training is not None:
        remarks += fold_remarks(_usable([known, source]), recipe.training)
    backgrounds = schema.BACKGROUNDS.empty_table()
    if needs_donors:
        backgrounds, more = _bank(recipe, pa.concat_tables([known, source]))
        remarks += more
    return Survey(categories, source, backgrounds, known, tuple(remarks))


def _distinct(rows: list[Row]) -> list[Row]:
    """Give every further row of an id an id of its own, so that it is accounted for under its own name."""
    times: dict[str, int] = {}
    for row in rows:
        count = times[row["image_id"]] = times.get(row["image_id"], 0) + 1
        if count > 1:
            row["image_id"] = f"{row['image_id']}-again{count - 1}"
    return rows


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


def _bank(recipe: Recipe, source: pa.Table) -> tuple[pa.Table, list[str]]:
    by_uri = {row["uri"]: row for row in source.to_pylist()}
    candidates = list(recipe.backgrounds.candidates(source))
    read = inspect((item for item in candidates if item.uri not in by_uri), recipe.limits, whole=True)
    rows, unusable = [], []
    for candidate in candidates:
        row = by_uri.get(candidate.uri) or next(read)
        if row["status"] != schema.OK:
            unusable.append(f"{name_of(candidate.uri)} ({row['reason']})")
            continue
        rows.append({**row, "donor_id": row["image_id"], "category": candidate.category or row["category"] or None})
    if not rows:
        raise XrayError(f"the background bank {recipe.backgrounds!r} has no usable photograph")
    remarks = [f"backgrounds that cannot be used: {', '.join(sorted(unusable)[:5])}"] if unusable else []
    names = schema.BACKGROUNDS.names
    bank = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema=schema.BACKGROUNDS)
    return bank, remarks


def plan_rows(source: Iterable[Row], scenarios: Mapping[str, ScenarioEntry], draw: Draw, shard: str) -> Iterator[Row]:
    """PLAN rows of some photographs: those of a scenario together, scenarios in their order."""
    source = list(source)
    for name, entry in scenarios.items():
        settings = json.dumps(settings_of(entry.scenario), sort_keys=True)
        for variant in range(entry.variants):
            for row in source:
                image = row["image_id"]
                number = digest(draw.seed, image, name, variant, bits=63)
                donor = draw.donor(entry.scenario, number, row)
                prompt = draw.prompt(entry.scenario, digest(draw.seed, image, name, bits=63), variant, row)
                yield {
                    "sample_id": sample_id(image, name, variant),
                    "shard": shard,
                    "image_id": image,
                    "scenario": name,
                    "variant": variant,
                    "seed": number,
                    "prompt": prompt and prompt.text,
                    "place": prompt and prompt.place,
                    "donor_id": donor and donor["donor_id"],
                    "donor_uri": donor and donor["uri"],
                    "donor_sha256": donor and donor["sha256"],
                    "settings": settings,
                }


@alone("images")
def write_plan(run: Run, recipe: Recipe, found: Survey) -> None:
    """Write down what is not planned yet: new photographs in all scenarios, known ones in new scenarios.

    Raises:
        XrayError: the recipe contradicts what the run has planned already.
    """
    if sum(run.rows_by_unit().values()) != len(found.known):
        raise XrayError(f"{run.uri} was planned by somebody else while photographs were looked at; plan again")
    recipe = replace(recipe, categories=found.categories)
    before, added = run.parts("plan"), {}
    parts = list(before)
    if run.planned:
        added = added_scenarios(run.recipe_object, recipe)
        recipe = replace(recipe, scenarios={**run.recipe_object.scenarios, **recipe.scenarios})
    pins = run.record().get("weights", {}) if run.planned else {}
    pins |= pinned(sorted(_references(recipe) - pins.keys()))
    if len(found.backgrounds):
        run.write_table("backgrounds", found.backgrounds)
    draw = Draw(recipe.seed, Donors(found.backgrounds.to_pylist()), {item.name: item for item in found.categories})
    for old in run.parts("source") if added else ():
        parts += _write_parts(run, parts, old, added, draw)
    if len(found.source):
        new = f"{len(run.parts('source')):02d}"
        run.write_part("source", new, to_parquet(found.source, list(_groups(found.source, recipe.shard_size))))
        parts += _write_parts(run, parts, new, recipe.scenarios, draw)
    if recipe.training is not None:
        run.write_table("folds", _folds(run, recipe, found))
    remarks = [*found.remarks, *_check_prompts(run, [part for part in parts if part not in before], recipe)]
    run.write_recipe(recipe, parts, remarks, pins)


def _folds(run: Run, recipe: Recipe, found: Survey) -> pa.Table:
    """In which fold each usable photograph is tested; once a model was trained, no photograph changes its fold."""
    assert recipe.training is not None
    categories = _usable([found.known, found.source])
    earlier = run.recipe_object.training if run.planned else None
    same = earlier is not None and (earlier.folds, earlier.holdout) == (recipe.training.folds, recipe.training.holdout)
    if earlier is not None and not same and run.trained():
        said = (
            "models were trained with `folds: {0.folds}, holdout: {0.holdout}`, the recipe says {1.folds}, {1.holdout}"
        )
        raise XrayError(f"{said.format(earlier, recipe.training)}; use a new run")
    table = run.table("folds").to_pylist() if same else []
    before = {row["image_id"]: row["fold"] for row in table if row["image_id"] in categories}
    folds = assign(categories, recipe.training, recipe.seed, before)
    told = [{"image_id": image, "category": categories[image], "fold": fold} for image, fold in folds.items()]
    return pa.Table.from_pylist(told, schema=schema.FOLDS)


def _usable(tables: Sequence[pa.Table]) -> dict[str, str]:
    """Categories of the photographs that can be read, by id."""
    rows = (row for table in tables for row in table.select(["image_id", "category", "status"]).to_pylist())
    return {row["image_id"]: row["category"] for row in rows if row["status"] == schema.OK}


def _check_prompts(run: Run, parts: Sequence[str], recipe: Recipe) -> list[str]:
    """Let painters refuse what they are planned to paint, before anything is committed."""
    prompts: dict[str, set[str]] = {}
    for part in parts:
        with run.open_part("plan", part) as file:
            table = file.read(["scenario", "prompt"])
        for scenario, prompt in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if prompt is not None:
                prompts.setdefault(scenario, set()).add(prompt)
    remarks = []
    for scenario, texts in prompts.items():
        painter = recipe.scenarios[scenario].scenario.painter
        remarks += painter.check(sorted(texts))
    return list(dict.fromkeys(remarks))


def _assert_there(references: Iterable[str]) -> None:
    missing = []
    for reference in sorted(references):
        try:
            locate(reference)
        except XrayError as error:
            missing.append(str(error))
    if missing:
        raise XrayError("\n".join(missing))


def _references(recipe: Recipe) -> set[str]:
    """The weights that making images takes."""
    painters = [entry.scenario.painter for entry in recipe.scenarios.values() if entry.scenario.paints]
    parts = [recipe.masks.refine.weights(), *(painter.weights() for painter in painters)]
    if painters:
        parts.append(recipe.filter.weights())
    return {reference for part in parts for reference in part.values()}


def _groups(source: pa.Table, most: int) -> Iterator[int]:
    """How many photographs go in each shard: at most so many, and not more pixels than a worker should hold."""
    count, pixels = 0, 0
    for width, height in zip(source.column("width").to_pylist(), source.column("height").to_pylist(), strict=True):
        if count and (count == most or pixels + width * height > _SHARD_PIXELS):
            yield count
            count, pixels = 0, 0
        count, pixels = count + 1, pixels + width * height
    yield count


def added_scenarios(old: Recipe, new: Recipe) -> dict[str, ScenarioEntry]:
    """The scenarios that only the new recipe has.

    Raises:
        XrayError: the new recipe contradicts the old one.
    """
    before, after = recipe_values(old), recipe_values(new)
    for key in ("seed", "categories", "source", "masks", "backgrounds", "filter", "images", "limits", "shard_size"):
        if before[key] != after[key]:
            said = f"the run was planned with `{key}: {before[key]}`, the recipe says {after[key]}"
            raise XrayError(f"{said}; use a new run")
    for name in old.scenarios.keys() & new.scenarios.keys():
        if (was := before["scenarios"][name]) != (now := after["scenarios"][name]):
            raise XrayError(f"scenario {name!r} was planned as {was}, the recipe says {now}; give it another name")
    return {name: entry for name, entry in new.scenarios.items() if name not in old.scenarios}


def _write_parts(
    run: Run, parts: Sequence[str], source_part: str, scenarios: Mapping[str, ScenarioEntry], draw: Draw
) -> list[str]:
    """Plan some scenarios of a part of the source; what is painted has shards of its own, on GPUs."""
    rendered = {name: entry for name, entry in scenarios.items() if not entry.scenario.paints}
    painted = {name: entry for name, entry in scenarios.items() if entry.scenario.paints}
    number = 1 + max((int(part.partition("-")[0]) for part in parts), default=-1)
    written: list[str] = []
    for kind in filter(None, (rendered, painted)):
        written.append(_write_part(run, f"{number + len(written):02d}-{source_part}", kind, draw))
    return written


def _write_part(run: Run, part: str, scenarios: Mapping[str, ScenarioEntry], draw: Draw) -> str:
    """One row group of the plan for each of the source's, written as they come: memory hardly grows with them."""
    sink = pa.BufferOutputStream()
    with (
        run.open_part("source", part.partition("-")[2]) as source,
        pq.ParquetWriter(sink, schema.PLAN, compression="zstd") as out,
    ):
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group).to_pylist()
            planned = list(plan_rows(rows, scenarios, draw, f"{part}-{group:05d}"))
            out.write_table(pa.Table.from_pylist(planned, schema=schema.PLAN), row_group_size=len(planned))
    run.write_part("plan", part, bytes(sink.getvalue()))
    return part
