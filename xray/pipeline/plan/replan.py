"""Planning anew what has changed: an image that would come out the same is carried over, and only the rest is made.

What decides the bytes of an image is its row of the plan, the photograph and its mask, the settings of the recipe that
bear on it, the weights of the models that work on it, and the libraries. All of it is known of the images that are
there; where it is equal, the new plan names the shard that has the image.
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
from xray.core.uri import name_of
from xray.runs.checkpoints import Checkpoints
from xray.runs.receipts import GENERATE, MASK, Stage, training
from xray.runs.recipe import Recipe, recipe_values
from xray.runs.run import Run
from xray.runs.versions import differing

Row = dict[str, Any]

_OF_PLAN = ("seed", "prompt", "place", "donor_id", "donor_sha256", "settings")
_OF_SOURCE = ("image_id", "sha256", "category", "mask_sha256", "boxes", "points", "status", "reason")


class Fingerprints:
    """What decides the bytes of masks and images, each as one number.

    Args:
        recipe: that they are made by.
        pins: fingerprints of weights, by reference.
    """

    def __init__(self, recipe: Recipe, pins: Mapping[str, str]) -> None:
        self.recipe, self.pins = recipe, pins
        self.values = recipe_values(recipe)
        self._of_scenario = functools.cache(self._shared)

    def mask(self, source: Row) -> int:
        """Of the mask of a photograph (SOURCE)."""
        return digest(self._of_masks, self._of_photograph(source), bits=128)

    def image(self, plan: Row, source: Row) -> int:
        """Of an image: its row of PLAN, and the photograph's of SOURCE."""
        shared = self._of_scenario(plan["scenario"])
        return digest(shared, [plan[name] for name in _OF_PLAN], self._of_photograph(source), bits=128)

    def _of_photograph(self, source: Row) -> list[Any]:
        return [name_of(source["uri"]), source["mask_uri"] is None, *(source[name] for name in _OF_SOURCE)]

    @functools.cached_property
    def _of_masks(self) -> str:
        refiner = self.recipe.masks.refine
        told = [self.values["masks"], self.values["limits"], self._pinned(refiner.weights())]
        if refiner.accelerated:
            told.append(self._work("refine"))
        return json.dumps(told, sort_keys=True)

    def _shared(self, scenario: str) -> str:
        """What is the same for all images of a scenario."""
        told = [self._of_masks, self.values["images"]]
        entry = self.recipe.scenarios.get(scenario)
        if entry is not None and entry.scenario.paints:
            weights = (entry.scenario.painter.weights(), self.recipe.filter.weights())
            told += [self.values["filter"], *map(self._pinned, weights), self._work("paint")]
        return json.dumps(told, sort_keys=True)

    def _work(self, pool: str) -> list[Any]:
        return [self.values["pools"][pool][name] for name in ("device", "batch")]

    def _pinned(self, weights: Mapping[str, str]) -> dict[str, str]:
        return {role: self.pins[reference] for role, reference in weights.items()}


@dataclass(frozen=True)
class Earlier:
    """The images and masks that a run has, or carries over already.

    Args:
        images: shard and fingerprint, by sample.
        masks: unit and fingerprint, by photograph; of those that a stage of its own has made.
        scenarios: of each sample.
        photographs: their ids, in order.
    """

    images: Mapping[str, tuple[str, int]]
    masks: Mapping[str, tuple[str, int]]
    scenarios: Mapping[str, str]
    photographs: Sequence[str]

    @classmethod
    def of(cls, run: Run) -> Earlier:
        """What there is of a run, made with the libraries that are here."""
        prints = Fingerprints(run.recipe_object, run.record()["weights"])
        source = {row["image_id"]: row for row in run.table("source").to_pylist()}
        usable = functools.cache(functools.partial(_usable, run))
        made, masked = run.done(GENERATE), run.done(MASK)
        images, scenarios = {}, {}
        for row in run.table("plan").to_pylist():
            name = row["shard"] if row["shard"] in made else row["carried_from"]
            scenarios[row["sample_id"]] = row["scenario"]
            if name is not None and usable(GENERATE, name):
                images[row["sample_id"]] = (name, prints.image(row, source[row["image_id"]]))
        masks = {}
        for unit in run.units():
            for row in run.unit(unit).to_pylist():
                name = unit if unit in masked else row["mask_from"]
                if name is not None and usable(MASK, name):
                    masks[row["image_id"]] = (name, prints.mask(row))
        return cls(images, masks, scenarios, list(source))

    def shard_with(self, sample_id: str, fingerprint: int) -> str | None:
        """The shard that has an image with this fingerprint."""
        shard, known = self.images.get(sample_id, (None, 0))
        return shard if known == fingerprint else None

    def unit_with(self, image_id: str, fingerprint: int) -> str | None:
        """The unit that has a mask with this fingerprint."""
        unit, known = self.masks.get(image_id, (None, 0))
        return unit if known == fingerprint else None


def _usable(run: Run, stage: Stage, name: str) -> bool:
    return run.has_receipt(stage, name) and not differing(run, stage, run.receipt(stage, name))


class Carrying:
    """Decides, while a plan is written anew, what is carried over.

    Args:
        earlier: what there is.
        prints: of the new recipe.
    """

    def __init__(self, earlier: Earlier, prints: Fingerprints) -> None:
        self.earlier, self.prints = earlier, prints
        self.carried: Counter[str] = Counter()
        """Images that are carried over, by scenario."""
        self.anew: Counter[str] = Counter()
        """Images that are made, by scenario."""
        self.written = False
        """Whether the plan was committed."""
        self._gone = dict(earlier.scenarios)

    @property
    def gone(self) -> Counter[str]:
        """Images that are no longer planned, by scenario."""
        return Counter(self._gone.values())

    @property
    def changes(self) -> set[str]:
        """Scenarios in which an image is made, or is no longer planned."""
        return {*self.anew, *self.gone}

    def photographs(self, source: pa.Table) -> pa.Table:
        """SOURCE in the order of the earlier plan, so that shards stay what they were; then what is new."""
        places = {image: place for place, image in enumerate(self.earlier.photographs)}
        rows = sorted(source.to_pylist(), key=lambda row: places.get(row["image_id"], len(places)))
        for row in rows:
            row["mask_from"] = self.earlier.unit_with(row["image_id"], self.prints.mask(row))
        return pa.Table.from_pylist(rows, schema=schema.SOURCE)

    def images(self, planned: Iterable[Row], source: Iterable[Row]) -> None:
        """Note in rows of PLAN which shard has their image."""
        photographs = {row["image_id"]: row for row in source}
        for row in planned:
            name = row["sample_id"]
            self._gone.pop(name, None)
            row["carried_from"] = self.earlier.shard_with(name, self.prints.image(row, photographs[row["image_id"]]))
            (self.anew if row["carried_from"] is None else self.carried)[row["scenario"]] += 1


def take_back_trainings(run: Run, carrying: Carrying) -> None:
    """Take back the trainings that have seen, or were tested on, a scenario in which something changes."""
    for model, scenario in run.trained():
        for receipt in run.receipts(training(model, scenario)):
            if carrying.changes & {scenario, *receipt.counts}:
                run.take_back(training(model, scenario), receipt.shard)
    for row in run.trials().to_dict("records") if carrying.changes else ():
        if row["status"] == "begun":
            Checkpoints(run.trial_folder(row["model"], row["trained_on"], row["fold"])).forget()
