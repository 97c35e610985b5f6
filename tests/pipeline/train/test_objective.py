from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from xray.pipeline.train.objective import OBJECTIVES, Classification, Segmentation

LABEL = torch.tensor([0, 2])


def test_classification() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 1.0]])
    objective = Classification(3)
    p_true = math.exp(2) / (math.exp(2) + 2)
    assert objective.loss(logits, LABEL, None)[0] == pytest.approx(-math.log(p_true))
    metrics = objective.metrics(torch.device("cpu"))
    metrics.update(logits.argmax(dim=1), objective.target(LABEL, None))
    assert {name: float(value) for name, value in metrics.compute().items()} == {"top1": 0.5}
    predictions = objective.to_predictions(logits, LABEL, None)
    assert predictions["correct"].tolist() == [True, False]
    assert predictions["top1"].tolist() == [0, 0]
    assert predictions["top5"].tolist() == [[0, 1, 2], [0, 2, 1]]
    assert predictions["p_true"][0] == pytest.approx(p_true)


def segmented() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and masks of two images of 2 × 4 pixels; half of object 0 is predicted, and object 2 is taken for 0."""
    masks = torch.zeros(2, 2, 4, dtype=torch.uint8)
    masks[:, :, :2] = 1
    predicted = torch.zeros(2, 2, 4, dtype=torch.long)
    predicted[0, :, 0] = 1  # 2 of 4 pixels, correct
    predicted[0, 0, 3] = 1  # 1 pixel outside
    predicted[1, :, :2] = 1  # category 0, not 2
    return torch.nn.functional.one_hot(predicted, 4).permute(0, 3, 1, 2).float() * 20, masks


def perfect(masks: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot((LABEL + 1)[:, None, None] * masks.long(), 4).permute(0, 3, 1, 2) * 40.0


def test_predictions_of_segmentation() -> None:
    logits, masks = segmented()
    predictions = Segmentation(3).to_predictions(logits, LABEL, masks)
    assert predictions["intersection"].tolist() == [2, 0]
    assert predictions["union"].tolist() == [5, 4]
    assert predictions["correct"].tolist() == [False, False]
    assert predictions["pixel_accuracy"].tolist() == [5 / 8, 4 / 8]
    assert predictions["top1"].tolist() == [0, 0]
    assert predictions["p_true"] == pytest.approx([0.5, 0.0], abs=1e-6)
    assert Segmentation(3).to_predictions(perfect(masks), LABEL, masks)["correct"].all()


def test_metrics_of_segmentation_are_over_all_pixels() -> None:
    logits, masks = segmented()
    objective = Segmentation(3)
    metrics = objective.metrics(torch.device("cpu"))
    metrics.update(logits.argmax(dim=1), objective.target(LABEL, masks))
    values = {name: float(value) for name, value in metrics.compute().items()}
    # (true, predicted, both) of background: 8, 9, 7; of category 0: 4, 7, 2; of category 2: 4, 0, 0
    assert values["miou"] == pytest.approx(np.mean([7 / 10, 2 / 9, 0]))
    assert values["dice"] == pytest.approx(np.mean([14 / 17, 4 / 11, 0]))
    assert values["pixel_accuracy"] == pytest.approx(9 / 16)


def test_loss_of_segmentation_is_cross_entropy_and_dice() -> None:
    logits, masks = segmented()
    assert Segmentation(3).loss(perfect(masks), LABEL, masks).tolist() == pytest.approx([0, 0], abs=1e-5)
    shares = logits.softmax(1)
    entropy = -torch.log(shares.gather(1, ((LABEL + 1)[:, None, None] * masks.long())[:, None])).mean(dim=(1, 2, 3))
    share = shares[torch.arange(2), LABEL + 1]
    dice = (2 * (share * masks).sum((1, 2)) + 1) / (share.sum((1, 2)) + masks.sum((1, 2)) + 1)
    assert Segmentation(3).loss(logits, LABEL, masks).tolist() == pytest.approx((entropy + 1 - dice).tolist(), rel=1e-5)


def test_outputs() -> None:
    assert OBJECTIVES["classification"](12).outputs == 12
    assert OBJECTIVES["segmentation"](12).outputs == 13
