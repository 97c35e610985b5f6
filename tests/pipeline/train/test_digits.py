"""Training on scikit-learn's digits, a data set that no default was tuned on."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits

from xray.pipeline.train.dataset import Samples
from xray.pipeline.train.feed import Feed, in_memory_feed
from xray.pipeline.train.learner import Learner, Worker
from xray.pipeline.train.transform import Preparation
from xray.runs.folds import assign_folds, split_photographs
from xray.runs.training import Training
from xray.runs.trial import Trial

pytestmark = pytest.mark.slow

SIDE = 64


def digits() -> tuple[Samples, Feed]:
    data = load_digits()
    images = (data.images * (255 / 16)).astype(np.uint8)
    ids = [f"d{number}" for number in range(len(images))]
    rows = pd.DataFrame(
        {"sample_id": ids, "image_id": ids, "variant": 0, "category": data.target.astype(str), "shard": "0"}
    )
    squares = [cv2.resize(cv2.merge([image] * 3), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for image in images]
    block = pa.table(
        {"sample_id": ids, "pixels": pa.array([square.tobytes() for square in squares], pa.binary(SIDE**2 * 3))}
    )
    samples = Samples.of_rows("original", rows, "0123456789")
    return samples, in_memory_feed([block], Preparation(SIDE, "stretch", (0, 0, 0), masks=False))


def test_resnet_learns_digits() -> None:
    samples, feed = digits()
    training = Training(models=["reduced:resnet"], folds=None, holdout=0.2, epochs=10)
    categories = dict(zip(samples.image_id, map(str, samples.label_N.tolist()), strict=True))
    split = split_photographs(assign_folds(categories, training, seed=0), categories, 0, training, seed=0)
    trial = Trial("resnet", "reduced:resnet", "original", 0, ("original",), training, run_seed=0)
    train, validation = samples.of_images(split.train), samples.of_images(split.validation)
    learner = Learner(trial, 10, feed, train, validation, Worker())
    while not learner.done:
        learner.epoch()
    learner.use_best()
    assert learner.predict(samples.of_images(split.test), feed)["correct"].mean() >= 0.97
