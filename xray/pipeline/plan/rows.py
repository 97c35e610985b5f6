"""The rows of a plan: every image of some photographs, column by column."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.hashing import digest, product_hashes
from xray.core.plugins import settings_of
from xray.pipeline.plan.donors import Draw
from xray.runs.recipe import ScenarioEntry
from xray.scenarios import Scenario


def sample_id(image: str, scenario: str, variant: int) -> str:
    """The id of one planned image: 20 hexadecimal digits."""
    return f"{digest(image, scenario, variant):020x}"


def plan_rows(source: pa.Table, scenarios: Mapping[str, ScenarioEntry], draw: Draw, shard: str) -> pa.Table:
    """PLAN of some photographs: the rows of a scenario together, scenarios in their order.

    Args:
        source: the photographs (SOURCE).
        scenarios: that they are planned in.
        draw: decides what is left to chance.
        shard: that makes the images.
    """
    images, categories, places = (source.column(name).to_pylist() for name in ("image_id", "category", "place"))
    count = len(source)
    columns: dict[str, list[Any]] = {name: [] for name in schema.PLAN.names}
    donors: list[int | None] = []
    endings = [f"\0{name}\0{variant}" for name, entry in scenarios.items() for variant in range(entry.variants)]
    ids = product_hashes(images, endings)
    seeding = product_hashes([f"{draw.seed}\0{image}" for image in images], endings)
    for name, entry in scenarios.items():
        settings = _settings(entry.scenario)
        for variant in range(entry.variants):
            # As `sample_id` and `digest` have it, without hashing the same beginnings again.
            seeds = [int.from_bytes(seed[:8], "big") >> 1 for seed in next(seeding)]
            columns["sample_id"] += [sample[:10].hex() for sample in next(ids)]
            columns["image_id"] += images
            columns["seed"] += seeds
            for column, value in (("scenario", name), ("variant", variant), ("settings", settings)):
                columns[column] += [value] * count
            if entry.scenario.needs_donor:
                donors += draw.donors.draw(seeds, categories, places, images)
            else:
                donors += [None] * count
            if entry.scenario.paints:
                numbers = [digest(draw.seed, image, name, bits=63) for image in images]
                told = [draw.prompt(entry.scenario, *of, variant) for of in zip(numbers, categories, strict=True)]
            else:
                told = [None] * count
            columns["prompt"] += [prompt and prompt.text for prompt in told]
            columns["place"] += [prompt and prompt.place for prompt in told]
    columns["shard"] = [shard] * len(donors)
    columns["carried_from"] = [None] * len(donors)
    return pa.table({**columns, **draw.donors.columns(donors)}, schema=schema.PLAN)


@functools.lru_cache
def _settings(scenario: Scenario) -> str:
    return json.dumps(settings_of(scenario), sort_keys=True)
