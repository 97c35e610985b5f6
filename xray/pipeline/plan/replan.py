"""Compare a new plan with the images of a run: those that would come out the same are reused.

The bytes of an image depend on its row of the plan, the photograph and its mask, the settings of the recipe that apply
to it, the weights of its models, and the libraries; if it shows a photograph without its object, also on the remover,
and if that is another photograph, on the mask of that one. If all of these are equal, the new plan refers to the shard
that has the image.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from xray.core import schema
from xray.core.hashing import digest
from xray.core.plugins import settings_of
from xray.core.types import DonorRule
from xray.core.uri import base_name
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, REMOVE, Stage, training
from xray.runs.recipe import Recipe, recipe_values
from xray.runs.versions import changed_versions

Row = dict[str, Any]

_OF_PLAN = ("seed", "prompt", "place", "donor_id", "donor_sha256")
_OF_SOURCE = ("image_id", "sha256", "category", "mask_sha256", "boxes", "points", "status", "reason")


class Fingerprints:
    """Hashes of everything that the bytes of a mask or an image depend on, such as the pinned weights.

    Args:
        recipe: of the plan.
        pins: fingerprints of its weights, by reference.
        source: its photographs, which may serve each other as donors (SOURCE).
        backgrounds: its background pool (BACKGROUNDS); None: of no category.
    """

    def __init__(
        self, recipe: Recipe, pins: Mapping[str, str], source: pa.Table, backgrounds: pa.Table | None = None
    ) -> None:
        self.recipe, self.pins = recipe, pins
        self.values = recipe_values(recipe)
        self._of_scenario = functools.cache(self._shared)
        donors = source.to_pylist() if recipe.removes_donors else []
        self._donors = {row["image_id"]: self.removed(row) for row in donors}
        pool = [] if backgrounds is None else backgrounds.select(["donor_id", "category"]).to_pylist()
        self._categories = {row["donor_id"]: row["category"] for row in pool if row["category"] is not None}

    def mask(self, source: Row) -> int:
        """The fingerprint of a photograph's mask, from its row of SOURCE."""
        return digest(self._of_masks, self._of_photograph(source), bits=128)

    def removed(self, source: Row) -> int:
        """The fingerprint of a photograph without its object, from its row of SOURCE."""
        return digest(self._of_removal, self.mask(source), bits=128)

    def image(self, plan: Row, source: Row) -> int:
        """The fingerprint of an image, from its row of PLAN and the photograph's row of SOURCE."""
        shared = self._of_scenario(plan["scenario"])
        inputs = [[plan[name] for name in _OF_PLAN], self._of_photograph(source), *self._of_donors(plan)]
        return digest(shared, *inputs, bits=128)

    def _of_donors(self, plan: Row) -> list[Any]:
        """The donor and its spares without their objects; the category of a donor that is shown as it is."""
        rule = self._rules.get(plan["scenario"])
        if not self.recipe.removes_donors or rule is None or not rule.removed:
            return [self._categories[plan["donor_id"]]] if plan["donor_id"] in self._categories else []
        spares = plan["donor_spares"] or ()
        ids = [plan["donor_id"], *(donor["donor_id"] for donor in spares)]
        return [[self._donors.get(name) for name in ids], [donor["sha256"] for donor in spares]]

    def _of_photograph(self, source: Row) -> list[Any]:
        return [base_name(source["uri"]), source["mask_uri"] is None, *(source[name] for name in _OF_SOURCE)]

    @functools.cached_property
    def _of_masks(self) -> str:
        refiner = self.recipe.masks.refiner
        inputs = [self.values["masks"], self.values["limits"], self._pinned(refiner.weights())]
        if refiner.accelerated:
            inputs.append(self._work("refine"))
        return json.dumps(inputs, sort_keys=True)

    @functools.cached_property
    def _rules(self) -> dict[str, DonorRule | None]:
        return {name: entry.scenario.donor_rule for name, entry in self.recipe.scenarios.items()}

    @functools.cached_property
    def _of_removal(self) -> str:
        remover = self.recipe.remover if self.recipe.needs_removed else None
        inputs: list[Any] = [self.values["remover"], self._pinned(remover.weights() if remover else {})]
        if remover is not None and remover.accelerated:
            inputs.append(self._work("remove"))
        return json.dumps(inputs, sort_keys=True)

    def _shared(self, scenario: str) -> str:
        """The inputs that all images of a scenario share."""
        inputs: list[Any] = [self._of_masks, self.values["images"], self.recipe.needs_masks]
        entry = self.recipe.scenarios.get(scenario)
        if entry is not None:  # not the plan's: an earlier version wrote fewer settings down
            inputs.append(settings_of(entry.scenario))
        if entry is not None and entry.scenario.needs_removed:
            inputs.append(self._of_removal)
        if entry is not None and entry.scenario.inpaints:
            weights = (entry.scenario.painter.weights(), self.recipe.filter.weights())
            inputs += [self.values["filter"], *map(self._pinned, weights), self._work("paint")]
        return json.dumps(inputs, sort_keys=True)

    def _work(self, pool: str) -> list[Any]:
        return [self.values["pools"][pool][name] for name in ("device", "batch")]

    def _pinned(self, weights: Mapping[str, str]) -> dict[str, str]:
        return {role: self.pins[reference] for role, reference in weights.items()}


@dataclass(frozen=True)
class ExistingImages:
    """The images, masks and removals that a run has, or reuses already.

    Args:
        images: shards by sample and fingerprint.
        pending: fingerprints of the planned images that are neither made nor reused, by sample.
        masks: photo batches by photograph and fingerprint, of masks that were made by a stage of their own.
        removed: photo batches by photograph and fingerprint, of photographs without their objects.
        scenarios: by sample.
        photographs: ids in order.
    """

    images: Mapping[tuple[str, int], str]
    pending: Mapping[str, int]
    masks: Mapping[tuple[str, int], str]
    removed: Mapping[tuple[str, int], str]
    scenarios: Mapping[str, str]
    photographs: Sequence[str]

    @classmethod
    def of(cls, run: RunFolder) -> ExistingImages:
        """Find the images, masks and removals of a run that were made with the library versions of this process."""
        photographs = run.store.table("source")
        backgrounds = run.store.table("backgrounds", ["donor_id", "category"])
        prints = Fingerprints(run.recipe, run.plan.record()["weights"], photographs, backgrounds)
        source = {row["image_id"]: row for row in photographs.to_pylist()}
        usable = functools.cache(functools.partial(_usable, run))
        made, masked, cleared = (run.store.done(stage) for stage in (GENERATE, MASK, REMOVE))
        images, pending, scenarios = {}, {}, {}
        for row in run.store.table("plan").to_pylist():
            name = row["shard"] if row["shard"] in made else row["carried_from"]
            scenarios[row["sample_id"]] = row["scenario"]
            fingerprint = prints.image(row, source[row["image_id"]])
            if name is None:
                pending[row["sample_id"]] = fingerprint
            elif usable(GENERATE, name):
                images[row["sample_id"], fingerprint] = name
        masks, removed = {}, {}
        for batch in run.plan.batches():
            for row in run.plan.batch(batch).to_pylist():
                name = batch if batch in masked else row["mask_from"]
                if name is not None and usable(MASK, name):
                    masks[row["image_id"], prints.mask(row)] = name
                name = batch if batch in cleared else row.get("removed_from")
                if name is not None and usable(REMOVE, name):
                    removed[row["image_id"], prints.removed(row)] = name
        return cls(images, pending, masks, removed, scenarios, list(source))


def _usable(run: RunFolder, stage: Stage, name: str) -> bool:
    return run.store.is_current(stage, name) and not changed_versions(run, stage, run.store.receipt(stage, name))


class PlanDiff:
    """The difference between a new plan and the images of a run; computed while the plan is written.

    Args:
        existing: images and masks of the run.
        prints: of the new recipe.

    Attributes:
        reused: number of images that are reused, by scenario.
        missing: number of images to make, by scenario.
        changed: scenarios with images to make that the run has not planned just so.
        written: whether the plan was committed.
    """

    def __init__(self, existing: ExistingImages, prints: Fingerprints) -> None:
        self.existing, self.prints = existing, prints
        self.reused: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.changed: set[str] = set()
        self.written = False
        self._removed = dict(existing.scenarios)

    @property
    def removed(self) -> Counter[str]:
        """Number of images that are no longer planned, by scenario."""
        return Counter(self._removed.values())

    @property
    def changes(self) -> set[str]:
        """Scenarios with images that are planned otherwise than before, or no longer."""
        return self.changed | {*self.removed}

    def photographs(self, source: pa.Table) -> pa.Table:
        """Sort SOURCE into the order of the earlier plan, so that shards stay the same; new photographs come last."""
        order = {image: index for index, image in enumerate(self.existing.photographs)}
        rows = sorted(source.to_pylist(), key=lambda row: order.get(row["image_id"], len(order)))
        for row in rows:
            row["mask_from"] = self.existing.masks.get((row["image_id"], self.prints.mask(row)))
            row["removed_from"] = self.existing.removed.get((row["image_id"], self.prints.removed(row)))
        return pa.Table.from_pylist(rows, schema=schema.SOURCE)

    def images(self, planned: Iterable[Row], source: Iterable[Row]) -> None:
        """Set, in rows of PLAN, the shard that has their image."""
        photographs = {row["image_id"]: row for row in source}
        for row in planned:
            name = row["sample_id"]
            self._removed.pop(name, None)
            fingerprint = self.prints.image(row, photographs[row["image_id"]])
            row["carried_from"] = self.existing.images.get((name, fingerprint))
            (self.missing if row["carried_from"] is None else self.reused)[row["scenario"]] += 1
            if row["carried_from"] is None and self.existing.pending.get(name) != fingerprint:
                self.changed.add(row["scenario"])


def revoke_trainings(run: RunFolder, diff: PlanDiff) -> None:
    """Revoke the trainings that used, or were tested on, a scenario with changes; they count no more anyway."""
    from xray.runs.trials_table import KEY_COLUMNS, trials_table  # imports pandas: half a second that plans do not need

    for model, scenario in run.store.receipt_files.trainings():
        stage = training(model, scenario)
        for shard in run.store.receipted(stage):
            receipt, mismatch = run.store.receipt_files.find(stage, shard), run.store.mismatch(stage, shard)
            stale = mismatch is not None and not mismatch.waiting
            if stale or (receipt is not None and diff.changes & {scenario, *receipt.counts}):
                run.plan.check_leases()
                run.store.revoke(stage, shard)
    for row in trials_table(run).to_dict("records") if diff.changes else ():
        if row["status"] == "begun":
            Checkpoints(run.store.trial_folder(*(row[name] for name in KEY_COLUMNS))).drop_state()
