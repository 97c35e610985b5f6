"""Mask quality: area, parts, holes and agreement, and the gates that a mask must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.masks.base import Mask, RefinedMask
from xray.sources.base import Box

Scalar = TypeVar("Scalar", bound=np.generic)
Share = Annotated[float, Field(ge=0, le=1)]
_UNREFINED = ("given", "alpha")
"""Origins of masks that no refiner has changed."""
_FRAME = 0.03
_MIN_BOX_FILL = 0.95
"""Share of its bounding box above which a part of a given mask is taken for a drawn box."""


@settings
class Gates:
    """The limits that a mask must respect; the last three apply only to what the refiner has measured.

    segment_anything's automatic mask generator requires a predicted IoU of 0.88 and a stability of 0.95, because it
    selects among thousands of unprompted masks. A mask prompted by a box or points is accepted with less.

    Args:
        min_area: minimum share of the image, 0–1.
        max_area: maximum share of the image, 0–1; above it no background is left.
        max_parts: maximum number of connected parts.
        max_holes: maximum number of enclosed holes; failed masks of fur and leaves have hundreds.
        min_part: share of the image above which a connected region counts as a part or hole, 0–1.
        min_predicted_iou: minimum of the refiner's own estimate, 0–1.
        min_stability: minimum stability score, 0–1.
        min_agreement: minimum agreement with the given mask, 0–1, see `agreement`; below 0.5 the refiner usually found
            another object, or a part of it.
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
class MaskStatistics:
    """The area, parts and holes of a mask.

    Args:
        area: share of the image, 0–1.
        parts: number of 8-connected regions larger than `min_part`.
        holes: number of 4-connected, enclosed regions of background larger than `min_part`.
    """

    area: float
    parts: int
    holes: int


def box_of(mask: Mask) -> Box | None:
    """Return the bounding box of a mask, shape (H, W): x0, y0, x1, y1, ends exclusive; None if it is empty.

    >>> box_of(np.pad(np.ones((2, 3), bool), 1))
    (1.0, 1.0, 4.0, 3.0)
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return (float(left), float(top), float(left + width), float(top + height)) if width else None


def border_of(values_HW: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the outermost pixels of a mask or image, shape (2 H + 2 W - 4,)."""
    return np.concatenate([values_HW[0], values_HW[-1], values_HW[1:-1, 0], values_HW[1:-1, -1]])


def without_frame(values_HW: NDArray[Scalar]) -> NDArray[Scalar]:
    """Leave out the outermost 3 % of a mask or image on each side; return it as it is if it is too small."""
    down, across = (max(2, round(_FRAME * side)) for side in values_HW.shape)
    return values_HW[down:-down, across:-across] if min(values_HW.shape) > 2 * max(down, across) else values_HW


def iou(a: Mask, b: Mask) -> float:
    """Compute the intersection over union of two masks of the same shape, 0–1; 0 if both are empty.

    >>> iou(np.array([True, True, False]), np.array([False, True, True]))
    0.3333333333333333
    """
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def fills_box(mask: Mask) -> bool:
    """Return True if a mask fills more than 95 % of its bounding box: it is most likely a drawn box.

    >>> fills_box(np.pad(np.ones((4, 5), bool), 1)), fills_box(np.eye(4, dtype=bool))
    (True, False)
    """
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    return bool(np.count_nonzero(mask) > _MIN_BOX_FILL * width * height)


def agreement(refined: Mask, given: Mask) -> float:
    """Compute the agreement of a refined mask with a given one, 0–1; both of shape (H, W).

    This is the intersection over union, except for 8-connected parts of the given mask that fill their bounding box
    (`fills_box`). A drawn box gives the location of the object and not its shape, so only its overlap with the refined
    mask counts. For a given mask of one drawn box the agreement is the share of the refined mask inside that box: low
    if the mask extends beyond it, unaffected by missing pixels. Touching boxes form one part, which is no box.

    >>> box, corner = np.ones((2, 3), bool), np.array([[True, True, True], [True, False, False]])
    >>> refined = np.array([[False, True, True], [False, True, False]])
    >>> agreement(refined, box), agreement(refined, corner)
    (1.0, 0.4)
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(given.view(np.uint8), connectivity=8)
    boxes = statistics[:, cv2.CC_STAT_WIDTH] * statistics[:, cv2.CC_STAT_HEIGHT]
    drawn = statistics[:, cv2.CC_STAT_AREA] > _MIN_BOX_FILL * boxes
    return iou(refined, given & (refined | ~drawn[labels]))


def measure(mask: Mask, min_part: float = Gates.min_part) -> MaskStatistics:
    """Measure area, parts and holes of a mask, shape (H, W).

    >>> ring = np.zeros((40, 40), bool)
    >>> ring[5:30, 5:30] = True
    >>> ring[10:20, 10:20] = False
    >>> measure(ring)
    MaskStatistics(area=0.328125, parts=1, holes=1)
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return MaskStatistics(0.0, 0, 0)
    object_HW = mask[top : top + height, left : left + width].astype(np.uint8)
    min_pixels = min_part * mask.size
    _, _, parts, _ = cv2.connectedComponentsWithStats(object_HW, connectivity=8)
    # A frame joins all background that touches the border into one region, the only one that is no hole.
    framed = np.pad(1 - object_HW, 1, constant_values=1)
    _, labels, holes, _ = cv2.connectedComponentsWithStats(framed, connectivity=4)
    return MaskStatistics(
        area=float(np.count_nonzero(mask)) / mask.size,
        parts=int(np.count_nonzero(parts[1:, cv2.CC_STAT_AREA] > min_pixels)),
        holes=int(np.count_nonzero(np.delete(holes[:, cv2.CC_STAT_AREA], [0, labels[0, 0]]) > min_pixels)),
    )


def check_gates(mask: Mask, gates: Gates = Gates()) -> MaskStatistics:  # noqa: B008 - immutable
    """Measure a mask and check it against the gates.

    Raises:
        Rejected: mask_empty, mask_full, mask_too_small, mask_too_many_parts, mask_too_many_holes.
    """
    stats = measure(mask, gates.min_part)
    if stats.area == 0:
        raise Rejected("mask_empty", "0 pixels")
    if stats.area > gates.max_area:
        raise Rejected("mask_full", f"{stats.area:.2%} of the image, at most {gates.max_area:.2%}")
    if stats.area < gates.min_area:
        raise Rejected("mask_too_small", f"{stats.area:.3%} of the image, at least {gates.min_area:.3%}")
    if stats.parts == 0:
        raise Rejected("mask_too_small", f"no part larger than {gates.min_part:.3%} of the image")
    if stats.parts > gates.max_parts:
        raise Rejected("mask_too_many_parts", f"{stats.parts} parts, at most {gates.max_parts}")
    if stats.holes > gates.max_holes:
        raise Rejected("mask_too_many_holes", f"{stats.holes} holes, at most {gates.max_holes}")
    return stats


def select_mask(refined: RefinedMask, given: Mask | None, gates: Gates = Gates()) -> tuple[RefinedMask, MaskStatistics]:  # noqa: B008
    """Return the refined mask if it passes the gates, else the given mask if that passes `check_gates`.

    The notes of a given mask that is kept end with the reason why the refined mask failed, and `given_kept`. Its
    predicted IoU, stability and agreement are None, because they belong to the mask that failed.

    Args:
        refined: result of a refiner.
        given: the annotated mask, shape (H, W), if there is one.
        gates: limits for both masks.

    Raises:
        Rejected: neither passes. The reason is that of the refined mask: no_object (the refiner found nothing),
            mask_uncertain, mask_disagrees, or one of `check_gates`.
    """
    try:
        return refined, _check_refined(refined, gates)
    except Rejected as verdict:
        if given is None or refined.origin in _UNREFINED:
            raise
        try:
            stats = check_gates(given, gates)
        except Rejected:
            raise verdict from None
        notes = (*refined.notes, verdict.reason, "given_kept")
        return RefinedMask(given, "given", notes=notes), stats


def _check_refined(refined: RefinedMask, gates: Gates) -> MaskStatistics:
    if refined.origin not in _UNREFINED and not refined.mask.any():
        raise Rejected("no_object", f"{refined.origin} found nothing")
    stats = check_gates(refined.mask, gates)
    for reason, measure_name, value, minimum in (
        ("mask_uncertain", "predicted IoU", refined.predicted_iou, gates.min_predicted_iou),
        ("mask_uncertain", "stability", refined.stability, gates.min_stability),
        ("mask_disagrees", "agreement with the given mask", refined.agreement, gates.min_agreement),
    ):
        if value is not None and not value >= minimum:  # NaN must fail
            raise Rejected(reason, f"{measure_name} {value:.3f}, at least {minimum:.3f}")
    return stats
