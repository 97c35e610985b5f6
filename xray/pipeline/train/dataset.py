"""The data that all trials of a sweep share: images by scenario, folds, and how images are prepared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.hashing import Hashes, digest
from xray.models.registry import parse_model
from xray.pipeline.train.transform import Preparation
from xray.runs.dependencies import scenario_content
from xray.runs.folder import RunFolder
from xray.runs.folds import Split, split_photographs
from xray.runs.groups import GROUPED_BY, Groups, shared_groups
from xray.runs.trial import Trial


@dataclass(frozen=True)
class Samples:
    """N images of one scenario, in the plan's order.

    Args:
        scenario: its name in the recipe.
        sample_id: of IMAGES, shape (N,), as all others.
        image_id: of SOURCE.
        shard: names of the shards that hold them.
        variant: 0 … variants − 1.
        donor_category: of the donor; null: no donor, or of no category.
        label_N: indices of their categories in the recipe.
    """

    scenario: str
    sample_id: NDArray[np.object_]
    image_id: NDArray[np.object_]
    shard: NDArray[np.object_]
    variant: NDArray[np.int64]
    donor_category: NDArray[np.object_]
    label_N: NDArray[np.int64]

    @classmethod
    def of_rows(cls, scenario: str, rows: pd.DataFrame, categories: Sequence[str]) -> Self:
        """Create them from N rows with `sample_id`, `image_id`, `shard`, `variant` and `category`.

        `donor_category` may be missing.
        """
        labels = {name: index for index, name in enumerate(categories)}
        sample_id, image_id, shard = (rows[name].to_numpy(object) for name in ("sample_id", "image_id", "shard"))
        variant, label_N = (np.asarray(values, np.int64) for values in (rows["variant"], rows["category"].map(labels)))
        donors = rows.get("donor_category", pd.Series(None, rows.index, object)).to_numpy(object)
        return cls(scenario, sample_id, image_id, shard, variant, donors, label_N)

    def __len__(self) -> int:
        return len(self.sample_id)

    def of_images(self, image_ids: Collection[str]) -> Self:
        """Select the images of some photographs."""
        chosen = np.array([image in image_ids for image in self.image_id], bool)
        columns = [field.name for field in fields(self) if field.name != "scenario"]
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    @property
    def shard_N(self) -> NDArray[np.int64]:
        """Shards as numbers, 0 … shards − 1, in the order of their names."""
        return np.unique(self.shard.astype(str), return_inverse=True)[1].astype(np.int64)

    @property
    def hash_N(self) -> Hashes:
        """A hash of each photograph and variant, the same in every scenario."""
        pairs = zip(self.image_id, self.variant, strict=True)
        return np.array([digest(image, variant, bits=64) for image, variant in pairs], np.uint64)


@dataclass(frozen=True)
class TrainingData:
    """The data that all trials of a sweep share.

    Args:
        uri: of the run.
        categories: names, in the recipe's order.
        samples: the images that exist, by scenario.
        folds: of the photographs, by id.
        groups: of the photographs that are not alone, by id.
        preparations: by model; none of models whose heads alone are trained.
        cached: references to prepared images in Ray's object store, by scenario and preparation; others are streamed.
        made_from: hashes of all this (see `xray.runs.dependencies`), taken before it was read.
    """

    uri: str
    categories: tuple[str, ...]
    samples: Mapping[str, Samples]
    folds: Mapping[str, int]
    groups: Groups
    preparations: Mapping[str, Preparation]
    cached: Mapping[tuple[str, Preparation], Sequence[Any]]
    made_from: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, run: RunFolder, trials: Sequence[Trial]) -> Self:
        """Read what the trials need from the run's tables; nothing is cached.

        Raises:
            ConfigError: a scenario has no images; or a trial has no training image of a category, or none to validate
                or test with.
        """
        scenarios = {name for trial in trials for name in (trial.scenario, *trial.tests)}
        made_from = run.store.dependencies().of_training(scenarios)
        categories = tuple(category.name for category in run.recipe.categories or ())
        folds = {row["image_id"]: row["fold"] for row in run.store.table("folds", ["image_id", "fold"]).to_pylist()}
        whole = [trial for trial in trials if trial.training.tune == "all"]
        preparations = {trial.model: _preparation(run, trial) for trial in whole}
        groups = shared_groups(run.store.table("source", GROUPED_BY))
        samples = _samples(run, trials, categories)
        data = cls(run.uri, categories, samples, folds, groups, preparations, {}, made_from)
        for trial in trials:
            data._check(trial)
        return data

    def split(self, trial: Trial) -> Split:
        """Return the photographs of a trial, of those that its scenario has images of."""
        samples = self.samples[trial.scenario]
        names = zip(samples.image_id, (self.categories[label] for label in samples.label_N), strict=True)
        return split_photographs(self.folds, dict(names), trial.fold, trial.training, trial.run_seed, self.groups)

    def inputs(self, *scenarios: str) -> dict[str, str]:
        """The hashes of what a training is made from that sees these scenarios."""
        others = {scenario_content(name) for name in self.samples if name not in scenarios}
        return {name: value for name, value in self.made_from.items() if name not in others}

    def _check(self, trial: Trial) -> None:
        split = self.split(trial)
        labels = set(self.samples[trial.scenario].of_images(split.train).label_N.tolist())
        missing = [name for label, name in enumerate(self.categories) if label not in labels]
        if missing:
            raise ConfigError(f"{trial.name}: no image of {', '.join(map(repr, missing))} is left to train on")
        needs_validation = trial.training.tune == "all" or trial.training.chooses
        if (needs_validation and not split.validation) or not split.test:
            purpose = "validate" if split.test else "test"
            raise ConfigError(f"{trial.name}: no image is left to {purpose} with")


def _preparation(run: RunFolder, trial: Trial) -> Preparation:
    model, training = parse_model(trial.spec), trial.training
    masks = model.task == "segmentation"
    return Preparation(model.side(training.side), training.shape, run.recipe.transparent_on, masks=masks)


def _samples(run: RunFolder, trials: Sequence[Trial], categories: Sequence[str]) -> dict[str, Samples]:
    """Return the existing images of every scenario that is trained or tested on.

    Photographs whose masks were refused are left out of all scenarios, so that all see the same photographs.
    """
    images = run.store.table("images", ["sample_id", "category", "donor_category", "status"])
    images = images.filter(pc.equal(images.column("status"), schema.OK)).to_pandas()
    plan = run.store.table("plan", ["sample_id", "shard", "image_id", "scenario", "variant"])
    masks = run.store.table("masks", ["image_id", "status"])
    refused = masks.filter(pc.not_equal(masks["status"], schema.OK))["image_id"]
    plan = plan.filter(pc.invert(pc.is_in(plan["image_id"], value_set=refused))).to_pandas()
    by_scenario = dict(iter(plan.merge(images, on="sample_id").groupby("scenario", observed=True)))
    names = dict.fromkeys(name for trial in trials for name in (trial.scenario, *trial.tests))
    for name in names:
        if name not in by_scenario:
            raise ConfigError(f"{run.location} has no images of scenario {name!r}; run `xray generate` first")
    return {name: Samples.of_rows(name, by_scenario[name], categories) for name in names}
