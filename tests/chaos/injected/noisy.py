"""Models without a network for runs that are killed: masks a rim narrower, worlds of noise. All scheduling is real."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
import reaching

from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.masks import RefinedMask, Refiner, RefinerInput

SECONDS = 0.02
"""That a picture takes: else all would be over before anybody is killed."""


@settings
class Rim(Refiner):
    """The given mask, a rim narrower."""

    name: ClassVar[str] = "rim"
    summary: ClassVar[str] = "shrinks"
    accelerated: ClassVar[bool] = True

    def load(self, device: str) -> Narrowing:
        reaching.reach("load")
        return Narrowing()


class Narrowing:
    """See `Rim`."""

    facts: Mapping[str, Any] = {"kind": "rim"}

    def prepare(self, item: RefinerInput) -> RefinerInput:
        if item.hint.mask is None:
            raise Rejected("missing_hint")
        return item

    def run(self, batch: Sequence[RefinerInput]) -> list[Any]:
        for item in batch:
            time.sleep(SECONDS / 2)
            reaching.reach("picture")
            time.sleep(SECONDS / 2)
            reaching.note("refine", item.seed)
        return [cv2.erode(item.hint.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for item in batch]

    def finish(self, item: RefinerInput, raw: Any) -> RefinedMask:
        return RefinedMask(raw, "rim", predicted_iou=0.9, stability=0.9)


@settings
class Noise(Inpainter):
    """Worlds of noise, by seed and prompt."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "paints noise"

    def weights(self) -> Mapping[str, str]:
        return {}

    def check(self, prompts: Sequence[str]) -> list[str]:
        return []

    def load(self, device: str) -> Noising:
        reaching.reach("load")
        return Noising()


class Noising:
    """See `Noise`."""

    facts: Mapping[str, Any] = {"kind": "noise"}

    def prepare(self, item: InpaintRequest) -> InpaintRequest:
        return item

    def run(self, batch: Sequence[InpaintRequest]) -> list[Any]:
        for item in batch:
            time.sleep(SECONDS / 2)
            reaching.reach("picture")
            time.sleep(SECONDS / 2)
            reaching.note("paint", item.seed)
        return [_noise(item) for item in batch]

    def finish(self, item: InpaintRequest, raw: Any) -> InpaintedImage:
        return InpaintedImage(raw)


def _noise(scene: InpaintRequest) -> Any:
    text = int.from_bytes(hashlib.sha256(scene.prompt.encode()).digest()[:8])
    draw = np.random.Generator(np.random.PCG64([scene.seed, text]))
    coarse = draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, scene.photo.image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
