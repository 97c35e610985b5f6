"""Build the rows of a plan column by column: every image of some photographs."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.hashing import digest, product_hashes
from xray.core.plugins import settings_of
from xray.pipeline.plan.donors import Photographs, Sampler
from xray.runs.recipe import ScenarioEntry
from xray.scenarios import Scenario


def sample_id(image: str, scenario: str, variant: int) -> str:
    """The id of a planned image: 20 hexadecimal digits."""
    return f"{digest(image, scenario, variant):020x}"


def plan_rows(source: pa.Table, scenarios: Mapping[str, ScenarioEntry], sampler: Sampler, shard: str) -> pa.Table:
    """Build PLAN of some photographs (SOURCE): the rows of a scenario together, scenarios in their order."""
    images, categories = (source.column(name).to_pylist() for name in ("image_id", "category"))
    count = len(source)
    columns: dict[str, list[Any]] = {name: [] for name in schema.PLAN.names}
    rules = {name: entry.scenario.donor_rule for name, entry in scenarios.items()}
    photographs = Photographs.of(source, sampler.donors.pool) if any(rules.values()) else None
    no_donor = sampler.donors.columns(np.full((count, 1), -1))
    suffixes = [f"\0{name}\0{variant}" for name, entry in scenarios.items() for variant in range(entry.variants)]
    ids = product_hashes(images, suffixes)
    seed_hashes = product_hashes([f"{sampler.seed}\0{image}" for image in images], suffixes)
    for name, entry in scenarios.items():
        settings = _settings(entry.scenario)
        for variant in range(entry.variants):
            # Equal to `sample_id` and `digest`, without hashing equal prefixes again.
            seeds = [int.from_bytes(seed[:8], "big") >> 1 for seed in next(seed_hashes)]
            columns["sample_id"] += [sample[:10].hex() for sample in next(ids)]
            columns["image_id"] += images
            columns["seed"] += seeds
            for column, value in (("scenario", name), ("variant", variant), ("settings", settings)):
                columns[column] += [value] * count
            donors, rule = no_donor, rules[name]
            if rule is not None and photographs is not None:
                donors = sampler.donors.columns(sampler.donors.sample(rule, seeds, photographs))
            for column, values in donors.items():
                columns[column] += values
            if entry.scenario.inpaints:
                numbers = [digest(sampler.seed, image, name, bits=63) for image in images]
                prompts = [sampler.prompt(entry.scenario, *of, variant) for of in zip(numbers, categories, strict=True)]
            else:
                prompts = [None] * count
            columns["prompt"] += [prompt and prompt.text for prompt in prompts]
            columns["place"] += [prompt and prompt.place for prompt in prompts]
    columns["shard"] = [shard] * len(columns["sample_id"])
    columns["carried_from"] = [None] * len(columns["sample_id"])
    return pa.table(columns, schema=schema.PLAN)


@functools.lru_cache
def _settings(scenario: Scenario) -> str:
    return json.dumps(settings_of(scenario), sort_keys=True)
