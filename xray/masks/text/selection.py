"""Selection among the boxes that a detector finds for a phrase, and the agreement of two phrases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import Rejected
from xray.masks.base import Mask
from xray.masks.quality import iou
from xray.masks.text.detector import Detections

Instances = Literal["all", "best"]
_SAME_OBJECT = 0.8
"""IoU above which two boxes are of the same object; detectors of this kind propose an object several times."""


@dataclass(frozen=True)
class Rules:
    """The settings of `Text` that decide which boxes count."""

    threshold: float
    instances: Instances
    max_instances: int
    min_area: float
    max_area: float


def select_objects(found: Detections, phrase: str, height: int, width: int, rules: Rules) -> Detections:
    """Select the objects of a photograph, the highest score first; their boxes are clipped to the photograph.

    Boxes that are not finite, smaller than `min_area` or larger than `max_area` do not count, and of boxes of the same
    object (IoU above 0.8) only the best does.

    Raises:
        Rejected: nothing_detected; mask_full: only boxes larger than `max_area`; several_objects: more than
            `max_instances`.
    """
    finite = np.isfinite(found.boxes_N4).all(1) & np.isfinite(found.scores_N)
    found = found.select(np.flatnonzero(finite))
    found = found.select(np.argsort(-found.scores_N, kind="stable"))
    clipped = found.boxes_N4.clip(0, np.array([width, height, width, height], np.float32))
    found = Detections(clipped, found.scores_N, found.masks_NHW)
    areas = _areas(clipped) / (height * width)
    if not (areas > 0).any():
        raise Rejected("nothing_detected", f"no {phrase!r} with a score of {rules.threshold:g} or more")
    large = areas > rules.max_area
    usable = np.flatnonzero((areas > 0) & (areas >= rules.min_area) & ~large)
    if not len(usable):
        if large.any():
            seen = f"the box of {phrase!r} covers {areas.max():.1%} of the image, at most {rules.max_area:.1%}"
            raise Rejected("mask_full", seen)
        seen = f"the largest box of {phrase!r} covers {areas.max():.3%} of the image, at least {rules.min_area:.3%}"
        raise Rejected("nothing_detected", seen)
    found = without_duplicates(found.select(usable))
    if rules.instances == "best":
        return found.select([0])
    if len(found.scores_N) > rules.max_instances:
        raise Rejected("several_objects", f"{len(found.scores_N)} of {phrase!r}, at most {rules.max_instances}")
    return found


def without_duplicates(found: Detections) -> Detections:
    """Leave out each box that has an IoU above 0.8 with an earlier one that stays.

    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]], np.float32)
    >>> without_duplicates(Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32))).scores_N.tolist()
    [0.8999999761581421, 0.699999988079071]
    """
    kept: list[int] = []
    for index, box in enumerate(found.boxes_N4):
        if not kept or box_ious(box, found.boxes_N4[kept]).max() <= _SAME_OBJECT:
            kept.append(index)
    return found.select(kept)


def box_ious(box: NDArray[np.float32], boxes_N4: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the intersection over union of a box with others, shape (N,); 0 where both are empty."""
    sides = np.minimum(box[2:], boxes_N4[:, 2:]) - np.maximum(box[:2], boxes_N4[:, :2])
    both = sides.clip(0).prod(1)
    either = _areas(box[None]) + _areas(boxes_N4) - both
    ious: NDArray[np.float32] = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return ious


def _areas(boxes_N4: NDArray[np.float32]) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clip(0)
    areas: NDArray[np.float32] = sides.prod(1)
    return areas


def agreement_of_boxes(a: Detections, b: Detections, height: int, width: int) -> float:
    """Compute the IoU of the regions that two sets of boxes cover, 0–1, in whole pixels."""
    return iou(_region(a.boxes_N4, height, width), _region(b.boxes_N4, height, width))


def _region(boxes_N4: NDArray[np.float32], height: int, width: int) -> Mask:
    region = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in np.rint(boxes_N4).astype(int).tolist():
        region[y0:y1, x0:x1] = True
    return region
