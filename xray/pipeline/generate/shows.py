"""The remover of a run, and which parts of its plan show photographs without their objects (REMOVED)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xray.backgrounds.removal.base import Remover
from xray.core.errors import ConfigError
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.recipe import Recipe
from xray.scenarios import Scenario

if TYPE_CHECKING:
    from xray.pipeline.generate.donors import Donors


def remover_of(recipe: Recipe) -> Remover:
    """Return the remover of a planned recipe.

    Raises:
        ConfigError: the run was planned without one.
    """
    if recipe.remover is None:
        raise ConfigError("the run was planned without a remover; plan it again with `xray plan RECIPE RUN`")
    return recipe.remover


def shows_own(run: RunFolder, part: str) -> bool:
    """Return whether a part of the plan shows its own photographs without their objects."""
    return run.recipe.needs_removed and any(one.needs_removed for one in _scenarios_of(run, part))


def shows_donors(run: RunFolder, part: str) -> bool:
    """Return whether a part of the plan shows other photographs of the run without their objects."""
    if not run.recipe.removes_donors:
        return False
    rules = [one.donor_rule for one in _scenarios_of(run, part)]
    return any(rule is not None and rule.removed for rule in rules)


def shown_batches(run: RunFolder, shards: Iterable[str]) -> tuple[list[str], bool]:
    """Return the photo batches that shards show without objects, and whether they show those of other batches.

    Then these are all batches of the run: a donor may be anywhere.
    """
    batches: dict[str, set[str]] = {}
    for shard in shards:
        batches.setdefault(ShardId(shard).part, set()).add(ShardId(shard).batch)
    if any(shows_donors(run, part) for part in batches):
        return run.plan.batches(), True
    return sorted(set().union(*(batches[part] for part in batches if shows_own(run, part)))), False


def removed_of(run: RunFolder, shard: str) -> pa.Table | None:
    """Return the photographs of a shard without their objects (REMOVED); None if none of its scenarios needs them.

    Raises:
        ConfigError: they are not made yet.
    """
    if not shows_own(run, ShardId(shard).part):
        return None
    removed = run.store.removed(ShardId(shard).batch)
    if removed is None:
        raise not_removed(run)
    return removed


def inputs_of_images(run: RunFolder, shard: str, donors: Donors | None = None) -> dict[str, str]:
    """Return the hashes of what the images of a shard are made from now; see `xray.runs.dependencies`.

    `donors`: of the run; None: the shard's scenarios show none without their objects.
    """
    part, removed = ShardId(shard).part, set[str]()
    if shows_own(run, part):
        removed.add(ShardId(shard).batch)
    if donors is not None and shows_donors(run, part):
        removed |= donors.batches(run.plan.shard(shard).plan)
    return run.store.dependencies().of_images(shard, sorted(removed))


def remover_facts(run: RunFolder, shard: str) -> dict[str, Any]:
    """Return what the receipt of a shard's images records of the remover: nothing if they show nothing of its."""
    part = ShardId(shard).part
    return {"remover": remover_of(run.recipe).name} if shows_own(run, part) or shows_donors(run, part) else {}


def not_removed(run: RunFolder) -> ConfigError:
    """The error of a step that needs photographs without their objects before they are made."""
    return ConfigError(
        f"{run.location} lacks photographs without their objects; `xray remove {run.location}` makes them"
    )


def _scenarios_of(run: RunFolder, part: str) -> list[Scenario]:
    return [run.recipe.scenarios[name].scenario for name in run.plan.scenarios_of(part)]
