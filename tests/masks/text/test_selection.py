from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import Rejected
from xray.masks.text.detector import Detections
from xray.masks.text.selection import Rules, agreement_of_boxes, box_ious, select_objects, without_duplicates

RULES = Rules(threshold=0.3, instances="all", max_instances=2, min_area=0.01, max_area=0.9)
NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def found(*boxes: tuple[float, float, float, float], scores: tuple[float, ...] | None = None) -> Detections:
    given = scores or tuple(0.9 - 0.1 * index for index in range(len(boxes)))
    return Detections(np.array(boxes, np.float32), np.array(given, np.float32))


def select(detections: Detections, rules: Rules = RULES) -> Detections:
    return select_objects(detections, "fox", 100, 200, rules)


@pytest.mark.parametrize(
    ("detections", "reason", "detail"),
    [
        (NOTHING, "nothing_detected", "0.3"),
        (found((10, 10, 12, 12)), "nothing_detected", "0.020%"),
        (found((300, 10, 400, 20)), "nothing_detected", "fox"),
        (found((np.nan, 0, 10, 10)), "nothing_detected", "fox"),
        (found((0, 0, 200, 100)), "mask_full", "100.0%"),
        (found((-50, -50, 400, 400)), "mask_full", "100.0%"),
        (found((0, 0, 20, 20), (30, 0, 50, 20), (60, 0, 80, 20)), "several_objects", "3"),
    ],
)
def test_nothing_and_everything_are_rejected(detections: Detections, reason: str, detail: str) -> None:
    with pytest.raises(Rejected) as caught:
        select(detections)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_objects_are_sorted_clipped_and_counted_once() -> None:
    boxes = (100, 10, 140, 50), (-20, 0, 40, 40), (100, 10, 140, 49), (0, 0, 200, 100)
    chosen = select(found(*boxes, scores=(0.5, 0.8, 0.4, 0.95)))
    assert chosen.boxes_N4.tolist() == [[0, 0, 40, 40], [100, 10, 140, 50]]
    best = select(found(*boxes, scores=(0.5, 0.8, 0.4, 0.95)), Rules(0.3, "best", 1, 0.01, 0.9))
    assert best.boxes_N4.tolist() == [[0, 0, 40, 40]]


def test_masks_stay_with_their_boxes() -> None:
    masks = np.arange(2)[:, None, None] == np.ones((2, 100, 200), int)
    boxes = found((0, 0, 40, 40), (100, 10, 140, 50), scores=(0.4, 0.6))
    chosen = select(Detections(boxes.boxes_N4, boxes.scores_N, masks))
    assert chosen.masks_NHW is not None
    assert chosen.masks_NHW.all(axis=(1, 2)).tolist() == [True, False]


BOXES = st.tuples(*[st.integers(0, 60)] * 4).map(lambda c: (min(c[0], c[2]), min(c[1], c[3]), c[2] + 1, c[3] + 1))


@given(st.lists(BOXES, min_size=1, max_size=12))
def test_after_removing_duplicates_no_two_boxes_are_the_same_object(boxes: list[tuple[int, int, int, int]]) -> None:
    kept = without_duplicates(found(*boxes, scores=(0.5,) * len(boxes))).boxes_N4
    assert len(kept) >= 1
    for index, box in enumerate(kept):
        assert box_ious(box, kept[:index]).max(initial=0) <= 0.8
    for box in np.array(boxes, np.float32):
        assert box_ious(box, kept).max() > 0.8 or (box == kept).all(1).any()


@given(BOXES, BOXES)
def test_the_agreement_of_single_boxes_is_their_iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> None:
    expected = box_ious(np.array(a, np.float32), np.array([b], np.float32))[0]
    assert agreement_of_boxes(found(a), found(b), 64, 64) == pytest.approx(expected, abs=1e-6)
