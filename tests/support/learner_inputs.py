"""Small trainings for tests: images of squares whose colour determines the category, and the real learner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xray.core.images import encode
from xray.core.schema import IMAGE
from xray.models.registry import parse_model
from xray.pipeline.train.dataset import Samples
from xray.pipeline.train.feed import Feed, in_memory_feed
from xray.pipeline.train.learner import Learner, Worker
from xray.pipeline.train.transform import Preparation
from xray.runs.training import Training
from xray.runs.trial import Trial

CLASSES = 3
SIDE = 32


def make_samples(count: int = 30, scenario: str = "original") -> Samples:
    """Images of three categories in turn, six per shard."""
    rows = pd.DataFrame({"number": range(count), "variant": 0})
    number = rows["number"].astype(str)
    rows = rows.assign(sample_id=scenario + number, image_id="i" + number, category=(rows["number"] % 3).astype(str))
    return Samples.of_rows(scenario, rows.assign(shard=(rows["number"] // 6).astype(str)), "012")


def make_feed(samples: Samples, *, masks: bool = False, noise: bool = False) -> Feed:
    """Grey images with a square in the category's colour; with `noise`, in a random colour."""
    generator, rows = np.random.default_rng(7), []
    for name, label in zip(samples.sample_id, samples.label_N.tolist(), strict=True):
        image = generator.integers(90, 130, (40, 40, 3), dtype=np.uint8)
        top, left = generator.integers(0, 16, 2)
        image[top : top + 24, left : left + 24, generator.integers(3) if noise else label] = 230
        mask = np.zeros((40, 40), np.uint8)
        mask[top : top + 24, left : left + 24] = 255
        cells = {"image": encode(image, "png"), "mask": encode(mask, "png")}
        rows.append({"sample_id": name, **{key: {"bytes": data, "path": ""} for key, data in cells.items()}})
    schema = pa.schema([("sample_id", pa.string()), ("image", IMAGE), ("mask", IMAGE)])
    preparation = Preparation(SIDE, "stretch", (0, 0, 0), masks)
    return in_memory_feed([preparation.prepare(pa.Table.from_pylist(rows, schema))], preparation)


def make_trial(spec: str = "reduced:resnet", **changes: Any) -> Trial:
    """A trial of two epochs by default."""
    fields = {"models": {"net": spec}, "folds": 3, "side": SIDE, "epochs": 2, "batch": 8, **changes}
    return Trial("net", spec, "original", 0, ("original",), Training(**fields), run_seed=1)


def make_learner(trial: Trial, *, noise: bool = False, train: set[str] | None = None) -> Learner:
    """A learner with 24 training images, or those of the photographs in `train`, and 6 validation images."""
    samples = make_samples()
    return Learner(
        trial,
        CLASSES,
        make_feed(samples, masks=parse_model(trial.spec).task == "segmentation", noise=noise),
        samples.of_images(train or {f"i{k}" for k in range(24)}),
        samples.of_images({f"i{k}" for k in range(24, 30)}),
        Worker(),
    )
