from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from xray.pipeline.train.objective import Classes, Segments, joined, objective_of

LABEL = torch.tensor([0, 2])


def test_classes_are_told_by_cross_entropy_and_top1() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 1.0]])
    objective = Classes(3)
    losses = objective.losses(logits, LABEL, None)
    assert losses[0] == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 2)))
    metrics = objective.metrics()
    metrics.update(*objective.measured(logits, LABEL, None))
    assert {name: float(value) for name, value in metrics.compute().items()} == {"top1": 0.5}
    answers = objective.answers(logits, LABEL, None)
    assert answers["correct"].tolist() == [True, False]
    assert answers["top1"].tolist() == [0, 0]
    assert answers["top5"].tolist() == [[0, 1, 2], [0, 2, 1]]
    assert answers["p_true"][0] == pytest.approx(math.exp(2) / (math.exp(2) + 2))


def segmented() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images of 2 × 4 pixels: half of the first object is found, none of the second (taken for category 0)."""
    masks = torch.zeros(2, 2, 4, dtype=torch.uint8)
    masks[:, :, :2] = 1
    found = torch.zeros(2, 2, 4, dtype=torch.long)
    found[0, :, 0] = 1  # 2 of 4 pixels, right
    found[0, 0, 3] = 1  # 1 pixel beside it
    found[1, :, :2] = 1  # category 0, not 2
    return torch.nn.functional.one_hot(found, 4).permute(0, 3, 1, 2).float() * 20, masks


def test_what_is_kept_of_a_segmented_image() -> None:
    logits, masks = segmented()
    answers = Segments(3).answers(logits, LABEL, masks)
    assert answers["intersection"].tolist() == [2, 0]
    assert answers["union"].tolist() == [5, 4]
    assert answers["correct"].tolist() == [False, False]
    assert answers["pixel_accuracy"].tolist() == [5 / 8, 4 / 8]
    assert answers["top1"].tolist() == [0, 0]
    assert answers["p_true"] == pytest.approx([0.5, 0.0], abs=1e-6)
    perfect = torch.nn.functional.one_hot((LABEL + 1)[:, None, None] * masks.long(), 4).permute(0, 3, 1, 2) * 20.0
    assert Segments(3).answers(perfect, LABEL, masks)["correct"].all()


def test_metrics_of_segments_are_over_all_pixels() -> None:
    logits, masks = segmented()
    objective = Segments(3)
    metrics = objective.metrics()
    metrics.update(*objective.measured(logits, LABEL, masks))
    found = {name: float(value) for name, value in metrics.compute().items()}
    # background: 7 right of 7 + 2 lost + 1 ...: true 8, found 9, both 7; category 0: true 4, found 7, both 2; 2: none
    iou = [7 / 10, 2 / 9, 0.0]
    dice = [14 / 17, 4 / 11, 0.0]
    assert found["miou"] == pytest.approx(np.mean(iou))
    assert found["dice"] == pytest.approx(np.mean(dice))
    assert found["pixel_accuracy"] == pytest.approx(9 / 16)


def test_the_loss_of_segments_is_cross_entropy_and_dice() -> None:
    logits, masks = segmented()
    right = torch.nn.functional.one_hot((LABEL + 1)[:, None, None] * masks.long(), 4).permute(0, 3, 1, 2) * 40.0
    assert Segments(3).losses(right, LABEL, masks).tolist() == pytest.approx([0, 0], abs=1e-5)
    shares = logits.softmax(1)
    entropy = -torch.log(shares.gather(1, ((LABEL + 1)[:, None, None] * masks.long())[:, None])).mean(dim=(1, 2, 3))
    share = shares[torch.arange(2), LABEL + 1]
    dice = (2 * (share * masks).sum((1, 2)) + 1) / (share.sum((1, 2)) + masks.sum((1, 2)) + 1)
    assert Segments(3).losses(logits, LABEL, masks).tolist() == pytest.approx((entropy + 1 - dice).tolist(), rel=1e-5)


def test_outputs_of_both_tasks() -> None:
    assert objective_of("classification", 12).outputs == 12
    assert objective_of("segmentation", 12).outputs == 13


def test_batches_are_joined() -> None:
    assert joined([{"a": np.array([1])}, {"a": np.array([2, 3])}])["a"].tolist() == [1, 2, 3]
    assert joined([]) == {}
