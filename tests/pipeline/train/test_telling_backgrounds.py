"""What a model learns from backgrounds alone, where objects tell nothing about their category."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import drawn, write
from support.training_runs import made

from xray.core.images import encode
from xray.pipeline.train.sweep import sweep
from xray.runs.tables import RunTables

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]
PHOTOGRAPHS = 24
"""Of each category."""


def write_photographs(folder: Path) -> None:
    """Balls before horizontal stripes, cups before vertical ones; every object is noise."""
    for category, (rows, columns) in {"ball": (1, 0), "cup": (0, 1)}.items():
        for number in range(PHOTOGRAPHS):
            _, mask = drawn(number)
            chance = np.random.default_rng([rows, number])
            height, width = mask.shape
            lines = rows * np.arange(height)[:, None] + columns * np.arange(width)
            image = np.where((lines // 4 + number) % 2, 200, 50)[..., None] + chance.integers(
                -20, 20, (height, width, 3)
            )
            image[mask > 0] = chance.integers(0, 256, (height, width, 3))[mask > 0]
            write(folder / f"photos/{category}/{number}.png", encode(image.astype(np.uint8), "png"))
            write(folder / f"masks/{category}/{number}.png", encode(mask, "png"))


def test_backgrounds_tell_the_category_only_if_they_are_never_of_it(tmp_path: Path) -> None:
    write_photographs(tmp_path)
    scenarios = [
        "original",
        {"kind": "random_background", "variants": 3},
        {"kind": "random_background", "name": "whole", "donor": "whole", "variants": 3},
    ]
    training = {
        "models": {"net": "reduced:resnet"}, "scenarios": ["random_background", "whole"], "tests": "own", "folds": 2,
        "epochs": 12, "batch": 16, "learning_rate": 3e-3,
    }  # fmt: skip
    run = made(tmp_path, scenarios=scenarios, training=training, remover="telea")
    assert not sweep(run).failed
    predictions = RunTables(run).predictions()
    accuracy = predictions.groupby("scenario").correct.mean()
    assert accuracy["whole"] > 0.95
    assert abs(accuracy["random_background"] - 0.5) < 0.15
    donors = predictions[predictions.scenario == "whole"]
    assert (donors.donor_category != donors.category).all()
    assert set(predictions[predictions.scenario == "random_background"].donor_category) == {"ball", "cup"}
