"""Grey levels of mask images, the pixels that are bright, and whether brightness can be what the levels mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xray.core.errors import Rejected
from xray.core.images import bands, pixels_of
from xray.masks.base import Mask

MAX_LABELS = 16
"""A mask of more distinct values has soft edges, or is no mask."""
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_MAX_NOISE = 16
_MIN_SPREAD, _MIN_SHARE = 24, 0.01
_MIN_DIM = 0.25
"""Share of the marked pixels that are dim in masks with labels; antialiased outlines have less."""
_MAX_MIDDLE = 0.5
"""Share of the marked pixels that are neither dark nor bright in grey photographs; soft masks have less."""

Levels = NDArray[np.integer[Any]]


def opacity_of(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return the opacity of an image, shape (H, W), 0–255; None if all of it is equally opaque.

    Overlays, whose most opaque pixels are less than half opaque, are scaled to 255.
    """
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return None
    alpha_HW = np.empty((image.height, image.width), np.uint8)
    for rows, band in bands(image):
        alpha_HW[rows] = np.asarray(band.convert("RGBA").getchannel("A"))
    lowest, highest = int(alpha_HW.min()), int(alpha_HW.max())
    if lowest == highest or lowest >= 128:
        return None
    return alpha_HW if highest >= 128 else np.rint(alpha_HW * (255 / highest)).astype(np.uint8)


def is_colourful(image: Image.Image) -> bool:
    """Return whether colours matter; JPEG gives grey pixels some colour."""
    if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I"):
        return False
    colourful = 0
    for _, band in bands(image):
        rgb_HW3 = np.asarray(band.convert("RGBA").convert("RGB"))
        colourful += int(np.count_nonzero((rgb_HW3.max(axis=2) - rgb_HW3.min(axis=2)) >= _MIN_SPREAD))
    return colourful / (image.width * image.height) >= _MIN_SHARE


def levels_of(image: Image.Image) -> Levels:
    """Return the grey levels of an image, shape (H, W), without its opacity.

    Palettes whose entries share a colour give their indices. Fractions from 0 to 1 give 0–255, other floating point
    numbers are rounded, and NaN is 0.
    """
    if image.mode.startswith("I"):
        return np.asarray(image)
    if image.mode == "F":
        return _whole_numbers(image)
    if image.mode == "P" and shares_colours(image):
        return np.asarray(image)
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return pixels_of(image, "L")
    grey_HW = np.empty((image.height, image.width), np.uint8)
    for rows, band in bands(image):
        grey_HW[rows] = np.asarray(band.convert("RGBA").convert("L"))
    return grey_HW


def shares_colours(image: Image.Image) -> bool:
    """Return whether two indices of a palette image, both in use, have one colour, so that colours cannot tell them."""
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    used = np.flatnonzero(image.histogram()[:256])
    return len(np.unique(colours[used], axis=0)) < len(used)


def _whole_numbers(image: Image.Image) -> Levels:
    """Round an image of floating point numbers, some rows at a time, so that it takes little memory."""
    whole, lowest, highest = True, 0.0, 0.0
    for _, band in bands(image):
        values = _finite(band)
        whole = whole and np.array_equal(np.rint(values), values)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    scale = 255 if not whole and lowest >= 0 and highest <= 1 else 1
    levels_HW = np.empty((image.height, image.width), np.int32)
    for rows, band in bands(image):
        levels = np.rint(_finite(band) * scale).astype(np.float64)  # whose numbers near 2³¹ are exact
        levels_HW[rows] = np.clip(levels, -(1 << 31), (1 << 31) - 1)
    return levels_HW


def _finite(band: Image.Image) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.nan_to_num(np.asarray(band), posinf=0, neginf=0)
    return values


@dataclass(frozen=True)
class Shades:
    """How the grey levels of a mask are distributed; shares are of its marked pixels, those above 0.

    Args:
        lowest: the lowest level.
        highest: the highest level.
        count: number of distinct levels.
        bright: share of all pixels that brightness takes as the object, 0–1.
        dim: share of the marked pixels that are not above half of the range.
        middle: share of the marked pixels in the middle half of the range.
        noisy: true if levels are black and white with the noise of lossy compression.
    """

    lowest: int
    highest: int
    count: int
    bright: float
    dim: float
    middle: float
    noisy: bool

    @classmethod
    def of(cls, levels_HW: Levels) -> Shades:
        """Measure grey levels, shape (H, W).

        >>> shades = Shades.of(np.array([[0, 0, 1, 1, 1, 255]]))
        >>> shades.dim, shades.has_labels
        (0.75, True)
        """
        levels, counts = _counted(levels_HW)
        maximum, threshold = _range(int(levels[-1]))
        marked = max(1, int(counts[levels > 0].sum()))
        middle = (levels > maximum // 4) & (levels <= maximum * 3 // 4)
        above = levels > threshold
        return cls(
            int(levels[0]),
            int(levels[-1]),
            len(levels),
            float(counts[above].sum() / counts.sum()),
            float(counts[(levels > 0) & ~above].sum() / marked),
            float(counts[middle].sum() / marked),
            _is_noisy(levels),
        )

    @property
    def threshold(self) -> int:
        """The level above which pixels are bright."""
        return _range(self.highest)[1]

    @property
    def has_labels(self) -> bool:
        """True if the levels are few, and brightness would lose a large part of what they mark."""
        return self.count <= MAX_LABELS and not self.noisy and self.lowest == 0 and self.dim >= _MIN_DIM

    @property
    def is_dull(self) -> bool:
        """True if there are several levels, but brightness takes all pixels or none."""
        return self.count > 1 and self.bright in (0.0, 1.0)

    @property
    def is_photograph(self) -> bool:
        """True if there are many levels, and most of them are neither dark nor bright."""
        return self.count > MAX_LABELS and self.middle > _MAX_MIDDLE


def _range(highest: int) -> tuple[int, int]:
    """Return the highest possible level, and that above which pixels are bright: half of it, or 0 of 0 and 1."""
    maximum = 65535 if highest > 255 else 255
    return maximum, 0 if highest <= 1 else maximum // 2


def _counted(levels_HW: Levels) -> tuple[Levels, NDArray[np.int64]]:
    """Return the distinct levels and their numbers of pixels; by a table where that is quicker than sorting."""
    if levels_HW.min() < 0 or levels_HW.max() > 65535:
        return np.unique(levels_HW, return_counts=True)
    table = cv2.calcHist([levels_HW.astype(np.uint16, copy=False)], [0], None, [65536], [0, 65536])
    counts = table.ravel().astype(np.int64)
    levels = np.flatnonzero(counts)
    return levels, counts[levels]


def _is_noisy(levels: Levels) -> bool:
    """Return whether levels are black and white with the noise of lossy compression."""
    dark, bright = levels <= _MAX_NOISE, (levels >= 255 - _MAX_NOISE) & (levels <= 255)
    return bool((dark | bright).all() and dark.any() and (bright & (levels < 255)).any())


def _as_16_bits(levels_HW: Levels) -> NDArray[np.uint16]:
    """Clip levels, a row at a time: a copy of a large mask in a wider type takes hundreds of megabytes."""
    clipped_HW = np.empty(levels_HW.shape, np.uint16)
    for row_W, clipped_W in zip(levels_HW, clipped_HW, strict=True):
        clipped_W[:] = np.clip(row_W, 0, 65535)
    return clipped_HW


def bright(image: Image.Image) -> tuple[Mask, bool]:
    """Return the pixels above half of the type's range, or above 0 if no value exceeds 1; True if converted.

    1-bit, 8-bit and 16-bit grey count as they are (16-bit data that fits 8 bits as 8-bit), palettes and RGB by
    luminance, transparent images by opacity times luminance.

    Raises:
        Rejected: mask_ambiguous: a photograph, or labels of which brightness would take a part.
    """
    if is_colourful(image) and image.convert("RGB").getcolors(MAX_LABELS) is None:
        raise Rejected("mask_ambiguous", f"it has more than {MAX_LABELS} colours")
    levels_HW, opacity_HW = levels_of(image), opacity_of(image)
    if opacity_HW is not None:
        levels_HW = (np.clip(levels_HW, 0, 255) * opacity_HW.astype(np.uint16) + 127) // 255
    levels_HW = _as_16_bits(levels_HW)
    shades = Shades.of(levels_HW)
    if shades.bright and shades.has_labels:
        listed = ", ".join(map(str, np.unique(levels_HW)))
        raise Rejected("mask_ambiguous", f"it has the values {listed}, and brightness would take a part of them")
    if shades.is_photograph:
        raise Rejected("mask_ambiguous", f"{shades.middle:.0%} of what it marks is neither dark nor bright")
    mask = levels_HW > shades.threshold
    return mask, image.mode.startswith("I") or image.mode in _ALPHA or "transparency" in image.info
