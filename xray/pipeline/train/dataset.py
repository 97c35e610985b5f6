"""The data that all trials of a sweep share: images, folds, and how images are prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError
from xray.models.registry import parse_model
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.transform import Preparation
from xray.runs.folder import RunFolder
from xray.runs.folds import Split, split_photographs
from xray.runs.trial import Trial

CachedImages = Mapping[tuple[str, Preparation], Sequence[Any]]
"""References to prepared images in Ray's object store, by scenario and preparation."""


@dataclass(frozen=True)
class TrainingData:
    """The data that all trials of a sweep share.

    Args:
        uri: of the run.
        categories: names, in the recipe's order.
        samples: the images that exist, by scenario.
        folds: of the photographs, by id.
        preparations: by model.
        cached: see `xray.pipeline.train.streaming.cache_in_object_store`; other images are streamed.
    """

    uri: str
    categories: tuple[str, ...]
    samples: Mapping[str, Samples]
    folds: Mapping[str, int]
    preparations: Mapping[str, Preparation]
    cached: CachedImages

    @classmethod
    def load(cls, run: RunFolder, trials: Sequence[Trial]) -> Self:
        """Read what the trials need from the run's tables; nothing is cached.

        Raises:
            ConfigError: a scenario has no images; or a trial has no training image of a category, or none to validate
                or test with.
        """
        categories = tuple(category.name for category in run.recipe.categories or ())
        folds = {row["image_id"]: row["fold"] for row in run.store.table("folds", ["image_id", "fold"]).to_pylist()}
        preparations = {trial.model: _preparation(run, trial) for trial in trials}
        data = cls(run.uri, categories, _samples(run, trials, categories), folds, preparations, {})
        for trial in trials:
            data._check(trial)
        return data

    def split(self, trial: Trial) -> Split:
        """Return the photographs of a trial, of those that its scenario has images of."""
        samples = self.samples[trial.scenario]
        names = zip(samples.image_id, (self.categories[label] for label in samples.label_N), strict=True)
        return split_photographs(self.folds, dict(names), trial.fold, trial.training, trial.run_seed)

    def _check(self, trial: Trial) -> None:
        split = self.split(trial)
        labels = {int(label) for label in self.samples[trial.scenario].of_images(split.train).label_N}
        missing = [name for label, name in enumerate(self.categories) if label not in labels]
        if missing:
            raise ConfigError(f"{trial.name}: no image of {', '.join(map(repr, missing))} is left to train on")
        if not split.validation or not split.test:
            purpose = "choose the best epoch" if split.test else "test"
            raise ConfigError(f"{trial.name}: no image is left to {purpose} with")


def _preparation(run: RunFolder, trial: Trial) -> Preparation:
    model, training = parse_model(trial.spec), trial.training
    masks = model.task == "segmentation"
    return Preparation(model.side(training.side), training.shape, run.recipe.transparent_on, masks=masks)


def _samples(run: RunFolder, trials: Sequence[Trial], categories: Sequence[str]) -> dict[str, Samples]:
    """Return the existing images of every scenario that is trained or tested on."""
    images = run.store.table("images", ["sample_id", "category", "status"])
    category = {
        row["sample_id"]: row["category"]
        for row in images.filter(pc.equal(images.column("status"), schema.OK)).to_pylist()
    }
    by_scenario: dict[str, list[dict[str, Any]]] = {
        name: [] for trial in trials for name in (trial.scenario, *trial.tests)
    }
    for row in run.store.table("plan", ["sample_id", "shard", "image_id", "scenario", "variant"]).to_pylist():
        if row["scenario"] in by_scenario and row["sample_id"] in category:
            by_scenario[row["scenario"]].append({**row, "category": category[row["sample_id"]]})
    for name, rows in by_scenario.items():
        if not rows:
            raise ConfigError(f"{run.uri} has no images of scenario {name!r}; run `xray generate` first")
    labels = {name: index for index, name in enumerate(categories)}
    return {name: Samples.of_rows(name, rows, labels) for name, rows in by_scenario.items()}
