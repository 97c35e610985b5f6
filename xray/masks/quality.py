"""Is a mask usable? How much it covers, in how many parts, and the gates that it must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.errors import Rejected
from xray.masks.base import Mask
from xray.plugins import settings

Share = Annotated[float, Field(ge=0, le=1)]


@settings
class Gates:
    """What a mask must be.

    Args:
        min_area: share of the image that it covers at least, 0–1.
        max_area: share that it covers at most, 0–1; above it no background is left.
        max_parts: connected parts at most.
        min_part: share of the image above which a connected region counts as a part, 0–1; smaller ones are specks.
    """

    min_area: Share = 0.005
    max_area: Share = 0.98
    max_parts: Annotated[int, Field(ge=1)] = 8
    min_part: Share = 0.001


@dataclass(frozen=True)
class Quality:
    """What a mask looks like.

    Args:
        area: share of the image that it covers, 0–1.
        parts: 8-connected regions of more than `min_part` of the image.
        holes: 4-connected regions of background of more than `min_part` that the object encloses.
    """

    area: float
    parts: int
    holes: int


def _label(pixels: NDArray[np.uint8], connectivity: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The connected regions of what is not zero: labels from 1 on, and the pixels of each label from 0 on."""
    count, labels = cv2.connectedComponents(pixels, connectivity=connectivity)
    return labels, np.bincount(labels.ravel(), minlength=count)  # type: ignore[return-value]


def measure(mask: Mask, min_part: float = Gates.min_part) -> Quality:
    """Area, parts and holes of a mask, shape (H, W).

    >>> ring = np.zeros((40, 40), bool)
    >>> ring[5:30, 5:30] = True
    >>> ring[10:20, 10:20] = False
    >>> measure(ring)
    Quality(area=0.328125, parts=1, holes=1)
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return Quality(0.0, 0, 0)
    object_HW = mask[top : top + height, left : left + width].astype(np.uint8)
    least = min_part * mask.size
    parts = _label(object_HW, 8)[1][1:]
    # A frame joins all background that is open to the outside to one region: the only one that is no hole.
    framed, holes = _label(np.pad(1 - object_HW, 1, constant_values=1), 4)
    holes[[0, framed[0, 0]]] = 0
    return Quality(
        area=float(np.count_nonzero(mask)) / mask.size,
        parts=int(np.count_nonzero(parts > least)),
        holes=int(np.count_nonzero(holes > least)),
    )


def check(mask: Mask, gates: Gates = Gates()) -> Quality:  # noqa: B008 - immutable
    """Measure a mask and refuse it if it does not pass the gates.

    Raises:
        Rejected: mask_empty, mask_full, mask_too_small, mask_too_many_parts.
    """
    quality = measure(mask, gates.min_part)
    if quality.area == 0:
        raise Rejected("mask_empty", "0 pixels")
    if quality.area > gates.max_area:
        raise Rejected("mask_full", f"{quality.area:.2%} of the image, at most {gates.max_area:.2%}")
    if quality.area < gates.min_area:
        raise Rejected("mask_too_small", f"{quality.area:.3%} of the image, at least {gates.min_area:.3%}")
    if quality.parts == 0:
        raise Rejected("mask_too_small", f"nothing but specks of at most {gates.min_part:.3%} of the image")
    if quality.parts > gates.max_parts:
        raise Rejected("mask_too_many_parts", f"{quality.parts} parts, at most {gates.max_parts}")
    return quality
