"""The plan: every photograph looked at once, every image that will be made written down beforehand.

All that is random is decided here, by a hash of (run seed, image_id, scenario, variant): neither the order of rows nor
the number of workers can change an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xray import schema
from xray.draw import Donors, Draw, digest
from xray.errors import XrayError
from xray.gather import gathered
from xray.lease import alone
from xray.parquet import to_parquet
from xray.plugins import settings_of
from xray.recipe import Recipe, ScenarioEntry, recipe_values
from xray.replan import Carrying, Earlier, Fingerprints, take_back_trainings
from xray.run import Run
from xray.survey import Survey, image_id, references, survey, usable
from xray.training.folds import assign
from xray.weights import pinned

__all__ = ["Survey", "added_scenarios", "image_id", "plan_rows", "sample_id", "survey", "write_plan", "write_plan_anew"]

_SHARD_PIXELS = 24_000_000
Row = dict[str, Any]


def sample_id(image: str, scenario: str, variant: int) -> str:
    """The id of one planned image: 20 hexadecimal digits."""
    return f"{digest(image, scenario, variant):020x}"


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
                    "carried_from": None,
                }


@alone("images")
def write_plan(run: Run, recipe: Recipe, found: Survey) -> None:
    """Write down what is not planned yet: new photographs in all scenarios, known ones in new scenarios.

    Args:
        run: that the plan is of.
        recipe: what is wanted.
        found: by `xray.survey.survey` for this run.

    Raises:
        XrayError: the recipe contradicts what the run has planned already.
    """
    if sum(run.rows_by_unit().values()) != len(found.known):
        raise XrayError(f"{run.uri} was planned by somebody else while photographs were looked at; plan again")
    found, recipe = gathered(run, recipe, found), replace(recipe, categories=found.categories)
    added: Mapping[str, ScenarioEntry] = {}
    pins: dict[str, str] = {}
    if run.planned:
        added = added_scenarios(run.recipe_object, recipe)
        recipe = replace(recipe, scenarios={**run.recipe_object.scenarios, **recipe.scenarios})
        pins = run.record()["weights"]
    pins |= pinned(sorted(references(recipe) - pins.keys()))
    draw = _draw(recipe, found)
    parts = run.parts("plan")
    for old in run.parts("source") if added else ():
        parts += _write_parts(run, parts, old, added, draw)
    if len(found.source):
        parts += _write_source(run, parts, found.source, recipe, draw)
    _commit(run, recipe, found, parts, pins)


@alone("images")
def write_plan_anew(run: Run, recipe: Recipe, found: Survey) -> Carrying:
    """Plan all of it as recipe and photographs are now; an image that would come out the same is carried over.

    The files of the earlier plan stay until everything is made: `xray verify --clean` removes them then. Trainings
    within scenarios, or tests of them, in which an image has changed, come or gone are taken back.

    Args:
        run: with a plan.
        recipe: what is wanted; nothing of the earlier recipe is kept.
        found: by `xray.survey.survey` without a run.

    Returns:
        What is carried over, and what is to be made; whether anything was written.

    Raises:
        XrayError: painters refuse a prompt, or models were trained in other folds; the plan before stays.
    """
    found, recipe = gathered(run, recipe, found), replace(recipe, categories=found.categories)
    pins = pinned(sorted(references(recipe)))
    carrying = Carrying(Earlier.of(run), Fingerprints(recipe, pins))
    draw = _draw(recipe, found)
    parts = _write_source(run, [], carrying.photographs(found.source), recipe, draw, carrying)
    if carrying.changes or recipe_values(recipe) != run.recipe:
        _commit(run, recipe, found, parts, pins, carrying)
        carrying.written = True
    else:
        run.drop_parts(parts)
    return carrying


def compare_anew(run: Run, recipe: Recipe, found: Survey) -> Carrying:
    """What `write_plan_anew` would carry over and make; nothing is written."""
    recipe = replace(recipe, categories=found.categories)
    carrying = Carrying(Earlier.of(run), Fingerprints(recipe, pinned(sorted(references(recipe)))))
    rows, draw = found.source.to_pylist(), _draw(recipe, found)
    for start in range(0, len(rows), recipe.shard_size):
        some = rows[start : start + recipe.shard_size]
        carrying.images(list(plan_rows(some, recipe.scenarios, draw, "")), some)
    return carrying


def _draw(recipe: Recipe, found: Survey) -> Draw:
    return Draw(recipe.seed, Donors(found.backgrounds.to_pylist()), {item.name: item for item in found.categories})


def _commit(
    run: Run,
    recipe: Recipe,
    found: Survey,
    parts: list[str],
    pins: Mapping[str, str],
    carrying: Carrying | None = None,
) -> None:
    """Write down what parts rest on, and let them count; what may be refused is, before anything changes."""
    new = [part for part in parts if part not in run.parts("plan")]
    remarks = [*found.remarks, *_check_prompts(run, new, recipe)]
    folds = _folds(run, recipe, found) if recipe.training is not None else None
    if carrying is not None:
        take_back_trainings(run, carrying)
    if len(found.backgrounds):
        run.write_table("backgrounds", found.backgrounds)
    if folds is not None:
        run.write_table("folds", folds)
    run.write_recipe(recipe, parts, remarks, pins)


def _folds(run: Run, recipe: Recipe, found: Survey) -> pa.Table:
    """In which fold each usable photograph is tested; once a model was trained, no photograph changes its fold."""
    assert recipe.training is not None
    categories = usable([found.known, found.source])
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
            raise XrayError(f"{said}; use a new run, or `--replan` this one")
    for name in old.scenarios.keys() & new.scenarios.keys():
        if (was := before["scenarios"][name]) != (now := after["scenarios"][name]):
            raise XrayError(
                f"scenario {name!r} was planned as {was}, the recipe says {now}; give it another name, or `--replan`"
            )
    return {name: entry for name, entry in new.scenarios.items() if name not in old.scenarios}


def _write_source(
    run: Run, parts: Sequence[str], source: pa.Table, recipe: Recipe, draw: Draw, carrying: Carrying | None = None
) -> list[str]:
    """Plan all scenarios of new photographs."""
    known = [*run.parts("plan"), *run.replaced()]
    new = f"{1 + max((int(part.partition('-')[2]) for part in known), default=-1):02d}"
    run.write_part("source", new, to_parquet(source, list(_groups(source, recipe.shard_size))))
    return _write_parts(run, parts, new, recipe.scenarios, draw, carrying)


def _write_parts(
    run: Run,
    parts: Sequence[str],
    source_part: str,
    scenarios: Mapping[str, ScenarioEntry],
    draw: Draw,
    carrying: Carrying | None = None,
) -> list[str]:
    """Plan some scenarios of a part of the source; what is painted has shards of its own, on GPUs."""
    rendered = {name: entry for name, entry in scenarios.items() if not entry.scenario.paints}
    painted = {name: entry for name, entry in scenarios.items() if entry.scenario.paints}
    known = {*parts, *run.parts("plan"), *run.replaced()}
    number = 1 + max((int(part.partition("-")[0]) for part in known), default=-1)
    written: list[str] = []
    for kind in filter(None, (rendered, painted)):
        written.append(_write_part(run, f"{number + len(written):02d}-{source_part}", kind, draw, carrying))
    return written


def _write_part(
    run: Run, part: str, scenarios: Mapping[str, ScenarioEntry], draw: Draw, carrying: Carrying | None
) -> str:
    """One row group of the plan for each of the source's, written as they come: memory hardly grows with them."""
    sink = pa.BufferOutputStream()
    with (
        run.open_part("source", part.partition("-")[2]) as source,
        pq.ParquetWriter(sink, schema.PLAN, compression="zstd") as out,
    ):
        for group in range(source.num_row_groups):
            rows = source.read_row_group(group).to_pylist()
            planned = list(plan_rows(rows, scenarios, draw, f"{part}-{group:05d}"))
            if carrying:
                carrying.images(planned, rows)
            out.write_table(pa.Table.from_pylist(planned, schema=schema.PLAN), row_group_size=len(planned))
    run.write_part("plan", part, bytes(sink.getvalue()))
    return part
