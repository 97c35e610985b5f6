"""Photographs to remove objects from, and calls of a loaded remover without threads."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st

from xray.backgrounds.removal.base import RemovalInput
from xray.backgrounds.removal.fill import Fill
from xray.backgrounds.removal.patchmatch import PatchMatch
from xray.backgrounds.removal.telea import Telea
from xray.backgrounds.removal.tile import Tile
from xray.core.types import Photo, Pixels

WITHOUT_WEIGHTS = (
    Telea(), Telea(dilate=0, radius=1.0), PatchMatch(), PatchMatch(dilate=2, side=64, patch=1), Tile(), Fill(),
    Fill(fill="mean", dilate=3), Fill(fill="noise", region="box"), Fill(fill="white"),
)  # fmt: skip
FILLING = (Telea(), PatchMatch(), PatchMatch(side=64))
"""Those that enlarge the area of the object and fill it with background."""


def noisy(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def boxed(height: int, width: int, box: tuple[int, int, int, int], seed: int = 0) -> Photo:
    """Random pixels with a rectangular object: left, top, right, bottom."""
    left, top, right, bottom = box
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return Photo(noisy(height, width, seed), mask)


def red_disc() -> Photo:
    """A red disc with a soft rim on grey, 300×200 pixels, and the mask that covers half of its rim."""
    large = np.full((1600, 2400, 3), 128, np.uint8)
    disc = np.zeros((1600, 2400), np.uint8)
    cv2.circle(large, (1240, 800), 480, (220, 20, 20), -1)
    cv2.circle(disc, (1240, 800), 480, 255, -1)
    image = cv2.resize(large, (300, 200), interpolation=cv2.INTER_AREA)
    return Photo(image, cv2.resize(disc, (300, 200), interpolation=cv2.INTER_AREA) >= 128)  # type: ignore[arg-type]


@st.composite
def photos(draw: st.DrawFn) -> Photo:
    """Random pixels, grey or coloured, with objects: boxes, which may touch any side, or scattered pixels."""
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 90))
    image = noisy(height, width, draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        image[:] = image[:, :, :1]
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(0, 3))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : draw(st.integers(top + 1, height)), left : draw(st.integers(left + 1, width))] = True
    if draw(st.booleans()):
        scattered = np.random.default_rng(draw(st.integers(0, 2**32))).random((height, width))
        mask |= scattered < draw(st.floats(0, 1))
    return Photo(image, mask)


def remove(model: Any, *photos: Photo, seed: int = 5) -> list[Pixels]:
    """Run a loaded remover on a batch."""
    items = [RemovalInput(photo, seed) for photo in photos]
    raw = model.run([model.prepare(item) for item in items])
    return [model.finish(item, output) for item, output in zip(items, raw, strict=True)]
