"""Ten thousand people know what to expect on these digits, and no setting here was chosen by them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits

from xray.pipeline.train.feed import HeldFeed
from xray.pipeline.train.learner import Learner
from xray.pipeline.train.objective import objective_of
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.trainer import network_of
from xray.pipeline.train.transform import Preparation
from xray.runs.folds import assign, parts
from xray.runs.training import Training
from xray.runs.trial import Trial

SIDE = 64


def digits() -> tuple[Samples, HeldFeed]:
    found = load_digits()
    pictures = (found.images * (255 / 16)).astype(np.uint8)
    ids = [f"d{number}" for number in range(len(pictures))]
    rows = [
        {"sample_id": name, "image_id": name, "variant": 0, "category": str(label), "shard": "0"}
        for name, label in zip(ids, found.target, strict=True)
    ]
    squares = [cv2.resize(cv2.merge([one] * 3), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in pictures]
    block = pa.table({"sample_id": ids, "pixels": pa.array([one.tobytes() for one in squares], pa.binary(SIDE**2 * 3))})
    samples = Samples.of_rows("original", rows, {str(k): k for k in range(10)})
    return samples, HeldFeed([block], Preparation(SIDE, "stretch", (0, 0, 0), masks=False))


@pytest.mark.parametrize("labels", ["right", "shuffled"])
def test_a_reduced_resnet_reads_digits_and_cannot_read_what_means_nothing(labels: str) -> None:
    samples, feed = digits()
    if labels == "shuffled":
        samples = replace(samples, label_N=np.random.default_rng(0).permutation(samples.label_N))
    epochs = 10 if labels == "right" else 2
    training = Training(models=["reduced:resnet"], folds=None, holdout=0.2, epochs=epochs)
    categories = dict(zip(samples.image_id, map(str, samples.label_N.tolist()), strict=True))
    divided = parts(assign(categories, training, seed=0), categories, 0, training, seed=0)
    trial = Trial("resnet", "reduced:resnet", "original", 0, ("original",), training, seed=0)
    learner = Learner(
        trial,
        network_of(trial, 10),
        objective_of("classification", 10),
        feed,
        samples.of_images(divided.train),
        samples.of_images(divided.validation),
    )
    while not learner.done:
        learner.epoch()
    learner.use_best()
    tested = samples.of_images(divided.test)
    right = learner.predict(tested, feed)["correct"].mean()
    if labels == "right":
        assert right >= 0.97
    else:
        assert abs(right - 0.1) < 3.3 * np.sqrt(0.09 / len(tested))
