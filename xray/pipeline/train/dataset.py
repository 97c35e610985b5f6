"""What the trials of a sweep share: the images that there are, their folds, and how they are prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import XrayError
from xray.models.registry import parse_model
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.transform import Preparation
from xray.runs.folds import Parts, parts
from xray.runs.run import Run
from xray.runs.trial import Trial

Held = Mapping[tuple[str, Preparation], Sequence[Any]]
"""References to prepared images in Ray's object store, by scenario and preparation."""


@dataclass(frozen=True)
class Material:
    """What the trials of a sweep share.

    Args:
        uri: of the run.
        categories: names, in the recipe's order.
        samples: the images that are there, by scenario.
        folds: of the photographs.
        preparations: by model.
        held: see `xray.pipeline.train.streaming.hold`; what is not there is streamed.
    """

    uri: str
    categories: tuple[str, ...]
    samples: Mapping[str, Samples]
    folds: Mapping[str, int]
    preparations: Mapping[str, Preparation]
    held: Held

    @classmethod
    def of(cls, run: Run, trials: Sequence[Trial]) -> Self:
        """What some trials need, from the tables of their run; nothing is held.

        Raises:
            XrayError: a scenario has no images, or a trial none of some category to train on, or none to test.
        """
        categories = tuple(category.name for category in run.recipe_object.categories or ())
        folds = {row["image_id"]: row["fold"] for row in run.table("folds", ["image_id", "fold"]).to_pylist()}
        preparations = {trial.model: _preparation(run, trial) for trial in trials}
        material = cls(run.uri, categories, _samples(run, trials, categories), folds, preparations, {})
        for trial in trials:
            material._check(trial)
        return material

    def parts(self, trial: Trial) -> Parts:
        """The photographs of a trial, of those that its scenario has images of."""
        samples = self.samples[trial.scenario]
        names = zip(samples.image_id, (self.categories[label] for label in samples.label_N), strict=True)
        return parts(self.folds, dict(names), trial.fold, trial.training, trial.seed)

    def _check(self, trial: Trial) -> None:
        """Refuse what cannot be trained before anything is."""
        divided = self.parts(trial)
        there = {int(label) for label in self.samples[trial.scenario].of_images(divided.train).label_N}
        lacking = [name for place, name in enumerate(self.categories) if place not in there]
        if lacking:
            raise XrayError(f"{trial.name}: no image of {', '.join(map(repr, lacking))} is left to train on")
        if not divided.validation or not divided.test:
            part = "choose the best epoch by" if divided.test else "test it on"
            raise XrayError(f"{trial.name}: no image is left to {part}")


def _preparation(run: Run, trial: Trial) -> Preparation:
    model, training = parse_model(trial.spec), trial.training
    masks = model.task == "segmentation"
    return Preparation(model.side(training.side), training.shape, run.recipe_object.transparent_on, masks=masks)


def _samples(run: Run, trials: Sequence[Trial], categories: Sequence[str]) -> dict[str, Samples]:
    """The images that there are of every scenario that is trained or tested on."""
    images = run.table("images", ["sample_id", "category", "status"])
    category = {
        row["sample_id"]: row["category"]
        for row in images.filter(pc.equal(images.column("status"), schema.OK)).to_pylist()
    }
    rows: dict[str, list[dict[str, Any]]] = {name: [] for trial in trials for name in (trial.scenario, *trial.tests)}
    for row in run.table("plan", ["sample_id", "shard", "image_id", "scenario", "variant"]).to_pylist():
        if row["scenario"] in rows and row["sample_id"] in category:
            rows[row["scenario"]].append({**row, "category": category[row["sample_id"]]})
    for name, found in rows.items():
        if not found:
            raise XrayError(f"{run.uri} has no images of scenario {name!r}; make them by `xray generate`")
    labels = {name: place for place, name in enumerate(categories)}
    return {name: Samples.of_rows(name, found, labels) for name, found in rows.items()}
