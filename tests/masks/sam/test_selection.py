from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from xray.masks.sam.selection import SelectedMask, select, stability_score, unite

LOGITS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(-4, 4, width=32),
)


@settings(deadline=None)
@given(LOGITS)
def test_stability_score_equals_segment_anything_except_for_empty_masks(logits: np.ndarray) -> None:
    import torch
    from segment_anything.utils.amg import calculate_stability_score

    theirs = float(calculate_stability_score(torch.from_numpy(logits)[None], 0.0, 1.0))
    assert stability_score(logits) == pytest.approx(0.0 if math.isnan(theirs) else theirs)


def logits(*boxes: tuple[int, int]) -> np.ndarray:
    """One row of ten pixels per pair: above zero from the first number to the second."""
    rows = np.full((len(boxes), 1, 10), -3.0, np.float32)
    for one, (start, end) in zip(rows, boxes, strict=True):
        one[0, start:end] = 3.0
    return rows


def test_the_mask_with_the_best_predicted_iou_is_selected() -> None:
    proposals = logits((0, 3), (0, 5), (0, 8))
    assert select(proposals, [0.5, 0.9, 0.7], None).mask.sum() == 5
    assert select(proposals, [1.3, 1.0, 0.7], None).mask.sum() == 3
    assert select(proposals, [1.0, 1.3, 0.7], None).mask.sum() == 3
    assert select(proposals, [float("nan"), 0.1, 0.0], None).mask.sum() == 5
    estimates = {0.9: 0.9, 1.3: 1, float("inf"): 1, -0.1: 0, float("nan"): 0}
    assert [select(proposals[:1], [value], None).predicted_iou for value in estimates] == [*estimates.values()]


def test_iou_with_the_coarse_mask_has_the_same_weight() -> None:
    coarse = logits((0, 8))[0] > 0
    proposals = logits((0, 3), (0, 5), (0, 8))
    assert select(proposals, [0.5, 0.9, 0.7], coarse).mask.sum() == 8
    assert select(proposals, [0.5, 0.9, 0.4], coarse).mask.sum() == 5


def test_an_empty_mask_is_selected_only_if_all_are_empty() -> None:
    assert select(logits((0, 0), (0, 5)), [0.99, 0.1], None).mask.sum() == 5
    empty = select(logits((0, 0), (0, 0)), [0.5, 0.9], None)
    assert not empty.mask.any()
    assert empty.stability == 0


def test_scores_of_several_objects_are_weighted_by_area() -> None:
    large, small = logits((0, 6))[0] > 0, logits((7, 9))[0] > 0
    whole = unite([SelectedMask(large, 1.0, 0.8), SelectedMask(small, 0.6, 0.4)])
    assert (whole.mask == (large | small)).all()
    assert whole.predicted_iou == pytest.approx(0.9)
    assert whole.stability == pytest.approx(0.7)
    empty = unite([SelectedMask(large & small, 0.9, 0.9)])
    assert (empty.predicted_iou, empty.stability) == (0, 0)
