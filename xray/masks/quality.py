"""Is a mask usable? How much it covers, in how many parts, and the gates that it must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.masks.base import Mask, Refined
from xray.sources.base import Box

Share = Annotated[float, Field(ge=0, le=1)]
_UNREFINED = ("given", "alpha")
"""Origins of masks that no refiner has touched."""
_BOX = 0.95
"""Share of the box around it above which a part of a given mask is taken for a drawn box."""


@settings
class Gates:
    """What a mask must be; the last three say something only where a refiner has measured it.

    segment_anything's own generator of masks asks for a predicted IoU of 0.88 and a stability of 0.95: it picks among
    thousands that nobody asked for. A mask that was asked for, by a box or points, is taken with less.

    Args:
        min_area: share of the image that it covers at least, 0–1.
        max_area: share that it covers at most, 0–1; above it no background is left.
        max_parts: connected parts at most.
        max_holes: enclosed holes at most; masks of fur and leaves that went wrong have hundreds.
        min_part: share of the image above which a connected region counts as a part or hole, 0–1; smaller ones are
            specks.
        min_predicted_iou: the refiner's own estimate at least, 0–1.
        min_stability: stability score at least, 0–1.
        min_agreement: agreement with the given mask at least, 0–1, see `agreement`; below one half, as a rule, the
            refiner took another object, or a part of it.
    """

    min_area: Share = 0.005
    max_area: Share = 0.98
    max_parts: Annotated[int, Field(ge=1)] = 8
    max_holes: Annotated[int, Field(ge=0)] = 64
    min_part: Share = 0.001
    min_predicted_iou: Share = 0.7
    min_stability: Share = 0.8
    min_agreement: Share = 0.5


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


def box_of(mask: Mask) -> Box | None:
    """The smallest box around a mask, shape (H, W): x0, y0, x1, y1, ends exclusive; None if it is empty.

    >>> box_of(np.pad(np.ones((2, 3), bool), 1))
    (1.0, 1.0, 4.0, 3.0)
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one shape, 0–1; 0 if both are empty.

    >>> iou(np.array([True, True, False]), np.array([False, True, True]))
    0.3333333333333333
    """
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def fills_box(mask: Mask) -> bool:
    """Whether a mask fills more than 95 % of the box around it: then it is most likely a box that somebody drew.

    >>> fills_box(np.pad(np.ones((4, 5), bool), 1)), fills_box(np.eye(4, dtype=bool))
    (True, False)
    """
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    return bool(np.count_nonzero(mask) > _BOX * width * height)


def agreement(refined: Mask, given: Mask) -> float:
    """How far a refined mask agrees with a given one, 0–1; both of shape (H, W).

    Intersection over union, but for 8-connected parts of the given mask that fill the box around them (`fills_box`). A
    drawn box says where the object is, not what shape it has, so that of such a part only what the refined mask has of
    it counts. For a given mask of one drawn box the agreement is thus the share of the refined mask inside that box:
    low where it reaches beyond, silent about what it lacks. Drawn boxes that touch are no box together.

    >>> box, corner = np.ones((2, 3), bool), np.array([[True, True, True], [True, False, False]])
    >>> refined = np.array([[False, True, True], [False, True, False]])
    >>> agreement(refined, box), agreement(refined, corner)
    (1.0, 0.4)
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(given.view(np.uint8), connectivity=8)
    boxes = statistics[:, cv2.CC_STAT_WIDTH] * statistics[:, cv2.CC_STAT_HEIGHT]
    drawn = statistics[:, cv2.CC_STAT_AREA] > _BOX * boxes
    return iou(refined, given & (refined | ~drawn[labels]))


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
        Rejected: mask_empty, mask_full, mask_too_small, mask_too_many_parts, mask_too_many_holes.
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
    if quality.holes > gates.max_holes:
        raise Rejected("mask_too_many_holes", f"{quality.holes} holes, at most {gates.max_holes}")
    return quality


def accept(refined: Refined, given: Mask | None, gates: Gates = Gates()) -> tuple[Refined, Quality]:  # noqa: B008
    """The refined mask if it passes its gates, else the given one if that passes `check`.

    A given mask that is kept says so: its notes end with why the refined one was refused, and `given_kept`. It has no
    predicted IoU, stability or agreement: those were of the mask that was refused.

    Args:
        refined: what a refiner made.
        given: the annotated mask, shape (H, W), if there is one.
        gates: what a mask must be.

    Raises:
        Rejected: neither passes; the verdict is that on the refined mask: no_object (a refiner found nothing),
            mask_uncertain, mask_disagrees, or one of `check`.
    """
    try:
        return refined, _check_refined(refined, gates)
    except Rejected as verdict:
        if given is None or refined.origin in _UNREFINED:
            raise
        try:
            quality = check(given, gates)
        except Rejected:
            raise verdict from None
        notes = (*refined.notes, verdict.reason, "given_kept")
        return Refined(given, "given", notes=notes), quality


def _check_refined(refined: Refined, gates: Gates) -> Quality:
    if refined.origin not in _UNREFINED and not refined.mask.any():
        raise Rejected("no_object", f"{refined.origin} found nothing")
    quality = check(refined.mask, gates)
    for reason, what, value, least in (
        ("mask_uncertain", "predicted IoU", refined.predicted_iou, gates.min_predicted_iou),
        ("mask_uncertain", "stability", refined.stability, gates.min_stability),
        ("mask_disagrees", "agreement with the given mask", refined.agreement, gates.min_agreement),
    ):
        if value is not None and not value >= least:  # so that not a number does not pass
            raise Rejected(reason, f"{what} {value:.3f}, at least {least:.3f}")
    return quality
