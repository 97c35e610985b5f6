"""Choose and build the background pool of a run (BACKGROUNDS)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from xray.backgrounds.base import Bank
from xray.backgrounds.drawn import Drawn
from xray.backgrounds.own_photos import OwnPhotos
from xray.core import schema
from xray.core.complexity import complexity
from xray.core.errors import ConfigError, DamagedError, Rejected
from xray.core.files import read_bytes
from xray.core.images import Limits, decode
from xray.core.uri import base_name
from xray.pipeline.plan.donor_checks import rules_of
from xray.pipeline.plan.scan import inspect
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe
from xray.sources.base import join_names


def choose_bank(recipe: Recipe, source: pa.Table, planned: RunFolder | None) -> tuple[Bank, list[str]]:
    """Return the pool of backgrounds, with a note if the run's own photographs are all of one category.

    Then landscapes drawn by xray are used, unless a scenario asks for backgrounds of the photograph's own category.
    The decision of an earlier plan of the run stays.

    Args:
        recipe: with all scenarios of the run.
        source: all photographs (SOURCE).
        planned: an earlier plan.
    """
    bank, rules = recipe.backgrounds, rules_of(recipe.scenarios)
    if not isinstance(bank, OwnPhotos):
        return bank, []
    if planned is not None and rules_of(planned.recipe.scenarios):
        drawn = isinstance(planned.recipe.backgrounds, Drawn)
    else:
        usable = source.filter(pc.equal(source["status"], schema.OK))
        drawn = len(usable["category"].unique()) == 1 and not any(rule.category == "same" for rule in rules)
    if not drawn:
        return bank, []
    return Drawn(), [
        "all photographs are of one category, so their new backgrounds are landscapes drawn by xray. For photographs, "
        "write `backgrounds: {kind: photos, root: FOLDER}`"
    ]


def build_pool(recipe: Recipe, source: pa.Table, planned: RunFolder | None) -> tuple[pa.Table, list[str]]:
    """Build the background pool (BACKGROUNDS) of the run's own photographs and others, and return it with notes.

    Arguments as for `choose_bank`; the recipe with the bank that was chosen.
    """
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
    others = [{name: row.get(name) for name in schema.BACKGROUNDS.names} for row in rows]
    own = recipe.backgrounds.own(source)
    pool = pa.concat_tables([own, pa.Table.from_pylist(others, schema=schema.BACKGROUNDS)])
    if not len(pool):
        raise ConfigError(f"the background pool {recipe.backgrounds!r} has no usable photograph")
    if any(rule.complexity for rule in rules_of(recipe.scenarios)):
        pool = _with_complexity(pool, recipe.limits, planned)
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


def _with_complexity(pool: pa.Table, limits: Limits, planned: RunFolder | None) -> pa.Table:
    """Measure the complexity of photographs as they are, null where they cannot be read.

    That of a run's own photograph stands for that of its background, which is not made yet.
    """
    known: dict[str, float] = {}
    with contextlib.suppress(DamagedError):  # then all are measured, and the table is written again
        earlier = [] if planned is None else planned.store.table("backgrounds", ["sha256", "complexity"]).to_pylist()
        known = {row["sha256"]: row["complexity"] for row in earlier if row["complexity"] is not None}

    def measure(uri: str, sha256: str) -> float | None:
        if sha256 in known:
            return known[sha256]
        with contextlib.suppress(Rejected):
            return complexity(decode(read_bytes(uri, limits.max_bytes), limits).image)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(measure, pool["uri"].to_pylist(), pool["sha256"].to_pylist()))
    index = pool.schema.get_field_index("complexity")
    return pool.set_column(index, pool.schema.field(index), pa.array(found, pa.float32()))
