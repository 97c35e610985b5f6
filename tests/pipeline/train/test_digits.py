"""Training on scikit-learn's digits, a data set that no default was tuned on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits

from xray.pipeline.train.feed import InMemoryFeed
from xray.pipeline.train.learner import Learner
from xray.pipeline.train.objective import objective_for
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.trainer import build_network
from xray.pipeline.train.transform import Preparation
from xray.runs.folds import assign_folds, split_photographs
from xray.runs.training import Training
from xray.runs.trial import Trial

pytestmark = pytest.mark.slow

SIDE = 64


def digits() -> tuple[Samples, InMemoryFeed]:
    data = load_digits()
    images = (data.images * (255 / 16)).astype(np.uint8)
    ids = [f"d{number}" for number in range(len(images))]
    rows = [
        {"sample_id": name, "image_id": name, "variant": 0, "category": str(label), "shard": "0"}
        for name, label in zip(ids, data.target, strict=True)
    ]
    squares = [cv2.resize(cv2.merge([image] * 3), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in images]
    block = pa.table(
        {"sample_id": ids, "pixels": pa.array([square.tobytes() for square in squares], pa.binary(SIDE**2 * 3))}
    )
    samples = Samples.of_rows("original", rows, {str(k): k for k in range(10)})
    return samples, InMemoryFeed([block], Preparation(SIDE, "stretch", (0, 0, 0), masks=False))


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["true", "shuffled"])
def test_resnet_learns_digits_but_not_shuffled_labels(labels: str) -> None:
    samples, feed = digits()
    if labels == "shuffled":
        samples = replace(samples, label_N=np.random.default_rng(0).permutation(samples.label_N))
    epochs = 10 if labels == "true" else 2
    training = Training(models=["reduced:resnet"], folds=None, holdout=0.2, epochs=epochs)
    categories = dict(zip(samples.image_id, map(str, samples.label_N.tolist()), strict=True))
    split = split_photographs(assign_folds(categories, training, seed=0), categories, 0, training, seed=0)
    trial = Trial("resnet", "reduced:resnet", "original", 0, ("original",), training, run_seed=0)
    learner = Learner.build(
        trial,
        build_network(trial, 10),
        objective_for("classification", 10),
        feed,
        samples.of_images(split.train),
        samples.of_images(split.validation),
    )
    while not learner.done:
        learner.epoch()
    learner.use_best()
    tested = samples.of_images(split.test)
    accuracy = learner.predict(tested, feed)["correct"].mean()
    if labels == "true":
        assert accuracy >= 0.97
    else:
        assert abs(accuracy - 0.1) < 3.3 * np.sqrt(0.09 / len(tested))
