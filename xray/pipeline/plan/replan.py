"""Compare a new plan with the images of a run: those that would come out the same are reused.

The bytes of an image depend on its row of the plan, the photograph and its mask, the settings of the recipe that apply
to it, the weights of its models, and the libraries. If all of these are equal, the new plan refers to the shard that
has the image.
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
from xray.core.uri import base_name
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, Stage, training
from xray.runs.recipe import Recipe, recipe_values
from xray.runs.versions import changed_versions

Row = dict[str, Any]

_OF_PLAN = ("seed", "prompt", "place", "donor_id", "donor_sha256", "settings")
_OF_SOURCE = ("image_id", "sha256", "category", "mask_sha256", "boxes", "points", "status", "reason")


class Fingerprints:
    """Hashes of everything that the bytes of a mask or an image depend on, such as the pinned weights."""

    def __init__(self, recipe: Recipe, pins: Mapping[str, str]) -> None:
        self.recipe, self.pins = recipe, pins
        self.values = recipe_values(recipe)
        self._of_scenario = functools.cache(self._shared)

    def mask(self, source: Row) -> int:
        """The fingerprint of a photograph's mask, from its row of SOURCE."""
        return digest(self._of_masks, self._of_photograph(source), bits=128)

    def image(self, plan: Row, source: Row) -> int:
        """The fingerprint of an image, from its row of PLAN and the photograph's row of SOURCE."""
        shared = self._of_scenario(plan["scenario"])
        return digest(shared, [plan[name] for name in _OF_PLAN], self._of_photograph(source), bits=128)

    def _of_photograph(self, source: Row) -> list[Any]:
        return [base_name(source["uri"]), source["mask_uri"] is None, *(source[name] for name in _OF_SOURCE)]

    @functools.cached_property
    def _of_masks(self) -> str:
        refiner = self.recipe.masks.refiner
        inputs = [self.values["masks"], self.values["limits"], self._pinned(refiner.weights())]
        if refiner.accelerated:
            inputs.append(self._work("refine"))
        return json.dumps(inputs, sort_keys=True)

    def _shared(self, scenario: str) -> str:
        """The inputs that all images of a scenario share."""
        inputs = [self._of_masks, self.values["images"], self.recipe.needs_masks]
        entry = self.recipe.scenarios.get(scenario)
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
    """The images and masks that a run has, or reuses already.

    Args:
        images: shards by sample and fingerprint.
        masks: photo batches by photograph and fingerprint, of masks that were made by a stage of their own.
        scenarios: by sample.
        photographs: ids in order.
    """

    images: Mapping[tuple[str, int], str]
    masks: Mapping[tuple[str, int], str]
    scenarios: Mapping[str, str]
    photographs: Sequence[str]

    @classmethod
    def of(cls, run: RunFolder) -> ExistingImages:
        """Find the images and masks of a run that were made with the library versions of this process."""
        prints = Fingerprints(run.recipe, run.plan.record()["weights"])
        source = {row["image_id"]: row for row in run.store.table("source").to_pylist()}
        usable = functools.cache(functools.partial(_usable, run))
        made, masked = run.store.done(GENERATE), run.store.done(MASK)
        images, scenarios = {}, {}
        for row in run.store.table("plan").to_pylist():
            name = row["shard"] if row["shard"] in made else row["carried_from"]
            scenarios[row["sample_id"]] = row["scenario"]
            if name is not None and usable(GENERATE, name):
                images[row["sample_id"], prints.image(row, source[row["image_id"]])] = name
        masks = {}
        for batch in run.plan.batches():
            for row in run.plan.batch(batch).to_pylist():
                name = batch if batch in masked else row["mask_from"]
                if name is not None and usable(MASK, name):
                    masks[row["image_id"], prints.mask(row)] = name
        return cls(images, masks, scenarios, list(source))


def _usable(run: RunFolder, stage: Stage, name: str) -> bool:
    return run.store.has_receipt(stage, name) and not changed_versions(run, stage, run.store.receipt(stage, name))


class PlanDiff:
    """The difference between a new plan and the images of a run; computed while the plan is written.

    Args:
        existing: images and masks of the run.
        prints: of the new recipe.

    Attributes:
        reused: number of images that are reused, by scenario.
        missing: number of images to make, by scenario.
        written: whether the plan was committed.
    """

    def __init__(self, existing: ExistingImages, prints: Fingerprints) -> None:
        self.existing, self.prints = existing, prints
        self.reused: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.written = False
        self._removed = dict(existing.scenarios)

    @property
    def removed(self) -> Counter[str]:
        """Number of images that are no longer planned, by scenario."""
        return Counter(self._removed.values())

    @property
    def changes(self) -> set[str]:
        """Scenarios with images to make, or images that are no longer planned."""
        return {*self.missing, *self.removed}

    def photographs(self, source: pa.Table) -> pa.Table:
        """Sort SOURCE into the order of the earlier plan, so that shards stay the same; new photographs come last."""
        order = {image: index for index, image in enumerate(self.existing.photographs)}
        rows = sorted(source.to_pylist(), key=lambda row: order.get(row["image_id"], len(order)))
        for row in rows:
            row["mask_from"] = self.existing.masks.get((row["image_id"], self.prints.mask(row)))
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


def revoke_trainings(run: RunFolder, diff: PlanDiff) -> None:
    """Revoke the trainings that used, or were tested on, a scenario with changes."""
    from xray.runs.trials_table import trials_table  # imports pandas: half a second that plans do not need

    for model, scenario in run.store.trained():
        for receipt in run.store.receipts(training(model, scenario)):
            if diff.changes & {scenario, *receipt.counts}:
                run.store.revoke(training(model, scenario), receipt.shard)
    for row in trials_table(run).to_dict("records") if diff.changes else ():
        if row["status"] == "begun":
            Checkpoints(run.store.trial_folder(row["model"], row["trained_on"], row["fold"])).drop_state()
