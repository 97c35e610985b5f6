"""Requests for inpainters, and calls of a loaded Stable Diffusion without threads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.backgrounds.inpainting.guidance.base import Guide
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.core.plugins import build
from xray.core.types import Photo

PROMPT = "a meadow in the morning"
KINDS = ("sdxl", "sdxl_base", "sd15", "sd15_base")


def request_of(width: int, height: int, seed: int = 5, prompt: str = PROMPT) -> InpaintRequest:
    rng = np.random.Generator(np.random.PCG64(width * 1000 + height))
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    return InpaintRequest(Photo(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), mask), prompt, seed)


def guided_request_of(
    width: int, height: int, seed: int = 5, accepted: tuple[int, ...] = (1,), removed: bool = True
) -> InpaintRequest:
    """A request whose photograph has a version without its object: smooth noise."""
    photo = request_of(width, height, seed).photo
    without = cv2.GaussianBlur(photo.image, (9, 9), 0) if removed else None
    return InpaintRequest(Photo(photo.image, photo.mask, without), PROMPT, seed, accepted)


def sdxl_entry(model: Path, **settings: Any) -> Inpainter:
    return build("painter", Inpainter, {"kind": "sdxl", "model": str(model), "steps": 3, "min_side": 16, **settings})


def load(model: Path, **settings: Any) -> InpaintingModel:
    loaded = sdxl_entry(model, **settings).load("cpu")
    assert isinstance(loaded, InpaintingModel)
    return loaded


def guided(model: InpaintingModel, **guide: Any) -> InpaintingModel:
    """Return a loaded model with another guide."""
    loaded = build("guide", Guide, guide)
    settings = dataclasses.replace(model.settings, guide=loaded)
    return dataclasses.replace(model, settings=settings, guide=loaded.load("cpu"))


def inpaint(model: InpaintingModel, *requests: InpaintRequest) -> list[InpaintedImage]:
    raw = model.run([model.prepare(item) for item in requests])
    return [model.finish(item, output) for item, output in zip(requests, raw, strict=True)]
