"""Generated inputs: textured images with the dimensions and file sizes of photographs, with masks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from xray.core.images import encode

CATEGORIES = {"ball": [430], "cup": [968]}
HEIGHT, WIDTH = 375, 500


def _texture(draw: np.random.Generator) -> np.ndarray:
    """Return coloured noise of several octaves, which compresses about as well as a photograph."""
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for octave, strength in ((4, 90), (12, 45), (40, 20), (120, 9)):
        grid = draw.random((octave * 3 // 4 + 1, octave + 1, 3), dtype=np.float32) - 0.5
        total += strength * cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + draw.integers(70, 190), 0, 255).astype(np.uint8)


def write_photographs(folder: Path, count: int, seed: int = 0) -> None:
    """Write `photos/CATEGORY/N.jpg` and `masks/CATEGORY/N.png`."""
    for number in range(count):
        draw = np.random.default_rng([seed, number])
        name = list(CATEGORIES)[number % len(CATEGORIES)]
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        centre = (int(draw.integers(150, 350)), int(draw.integers(120, 250)))
        axes = (int(draw.integers(50, 120)), int(draw.integers(50, 110)))
        cv2.ellipse(mask, centre, axes, float(draw.integers(0, 180)), 0, 360, 255, -1)
        image = np.where(mask[..., None] > 0, _texture(draw), _texture(draw))
        for kind, data in (("photos", encode(image)), ("masks", cv2.imencode(".png", mask)[1].tobytes())):
            path = folder / kind / name / f"{number:06d}.{'jpg' if kind == 'photos' else 'png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def photograph_row(number: int, name: str, category: str) -> dict[str, object]:
    """Return a row of SOURCE of a photograph that does not exist, as long as those of ImageNet."""
    found = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "image_id": f"{name}-{found[:10]}", "category": category, "uri": f"file:///data/photos/{category}/{name}.JPEG",
        "sha256": found, "width": 500, "height": 375, "mask_uri": f"file:///data/masks/{category}/{name}.png",
        "mask_sha256": found, "boxes": [], "points": [], "place": None, "split": "val", "licence": "", "status": "ok",
        "reason": "", "mask_from": None,
    }  # fmt: skip
