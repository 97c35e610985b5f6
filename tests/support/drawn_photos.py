"""Generated photographs with masks, in folders as users have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from xray.core.images import encode

CATEGORIES = {"ball": [430], "cup": [968, 504]}
WHOLE_DONORS = {"kind": "random_background", "donor": "whole"}
"""Needs no photographs without their objects, so that each shard is made on its own."""
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def drawn(seed: int, height: int = 72, width: int = 96) -> tuple[Pixels, Pixels]:
    """Return a textured image with an ellipse in it, and the ellipse's mask (0 or 255)."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(30, 226, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), np.uint8)
    centre = (int(draw.integers(width // 3, 2 * width // 3)), int(draw.integers(height // 3, 2 * height // 3)))
    cv2.ellipse(mask, centre, (width // 6, height // 5), float(draw.integers(180)), 0, 360, 255, -1)
    image[mask > 0] = 255 - image[mask > 0]
    return image, mask  # type: ignore[return-value]


def write_folder(folder: Path, per_category: int = 3) -> None:
    """Write `photos/CATEGORY/N.jpg` and `masks/CATEGORY/N.png`."""
    for index, category in enumerate(CATEGORIES):
        for number in range(per_category):
            image, mask = drawn(100 * index + number)
            write(folder / f"photos/{category}/{number}.jpg", encode(image))
            write(folder / f"masks/{category}/{number}.png", encode(mask, "png"))


def write(path: Path, data: bytes) -> None:
    """Write a file, and create its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def recipe_values(folder: Path, **changes: object) -> dict[str, Any]:
    """Return a recipe for the folder of `write_folder`, as plain values."""
    values: Mapping[str, object] = {
        "categories": CATEGORIES,
        "source": {"kind": "imagefolder", "root": str(folder / "photos"), "split": "val", "licence": "CC0"},
        "masks": {"annotations": {"kind": "png", "root": str(folder / "masks")}},
        "scenarios": ["original", "blur_background", "image_r", "transparent", WHOLE_DONORS],
        "shard_size": 2,
    }
    return {**values, **changes}
