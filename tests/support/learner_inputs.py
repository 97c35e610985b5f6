"""Small trainings for tests: drawn squares whose colour tells their category, and the real learner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from xray.core.images import encode
from xray.core.schema import IMAGE
from xray.pipeline.train.feed import HeldFeed
from xray.pipeline.train.learner import Learner, Place
from xray.pipeline.train.objective import objective_of
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.trainer import network_of
from xray.pipeline.train.transform import Preparation
from xray.runs.training import Training
from xray.runs.trial import Trial

CLASSES = 3
SIDE = 32


def samples(count: int = 30, scenario: str = "original") -> Samples:
    """Of three categories in turn, six a shard."""
    labels = {str(k): k for k in range(CLASSES)}
    rows = [
        {
            "sample_id": f"{scenario}{k}",
            "image_id": f"i{k}",
            "variant": 0,
            "category": str(k % CLASSES),
            "shard": f"{k // 6}",
        }
        for k in range(count)
    ]
    return Samples.of_rows(scenario, rows, labels)


def feed(of: Samples, *, masks: bool = False, noise: bool = False) -> HeldFeed:
    """A grey picture with a square of the category's colour; with `noise`, of any colour."""
    draw, rows = np.random.default_rng(7), []
    for name, label in zip(of.sample_id, of.label_N.tolist(), strict=True):
        image = draw.integers(90, 130, (40, 40, 3), dtype=np.uint8)
        top, left = draw.integers(0, 16, 2)
        image[top : top + 24, left : left + 24, draw.integers(3) if noise else label] = 230
        mask = np.zeros((40, 40), np.uint8)
        mask[top : top + 24, left : left + 24] = 255
        cells = {"image": encode(image, "png"), "mask": encode(mask, "png")}
        rows.append({"sample_id": name, **{key: {"bytes": data, "path": ""} for key, data in cells.items()}})
    schema = pa.schema([("sample_id", pa.string()), ("image", IMAGE), ("mask", IMAGE)])
    preparation = Preparation(SIDE, "stretch", (0, 0, 0), masks)
    return HeldFeed([preparation.prepared(pa.Table.from_pylist(rows, schema))], preparation)


def trial(spec: str = "reduced:resnet", **changes: Any) -> Trial:
    """A trial of two epochs, if nothing else is said."""
    fields = {"models": {"net": spec}, "folds": 3, "side": SIDE, "epochs": 2, "batch": 8, **changes}
    return Trial("net", spec, "original", 0, ("original",), Training(**fields), seed=1)


def learner(of: Trial, *, noise: bool = False, place: Place | None = None) -> Learner:
    """Of 24 images, with 6 to choose by."""
    images = samples()
    network = network_of(of, CLASSES)
    return Learner(
        of,
        network,
        objective_of(network.task, CLASSES),
        feed(images, masks=network.task == "segmentation", noise=noise),
        images.of_images({f"i{k}" for k in range(24)}),
        images.of_images({f"i{k}" for k in range(24, 30)}),
        place or Place(),
    )
