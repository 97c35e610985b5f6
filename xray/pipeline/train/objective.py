"""Objectives of training: loss, metrics and stored predictions, for classification and segmentation.

Their methods take the logits of N images, labels (N,), and masks of 0 and 1, (N, H, W), if the task needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from xray.models.base import Task
from xray.models.outputs import prediction_columns

if TYPE_CHECKING:
    import torch

PredictionColumns = Mapping[str, Any]
"""Columns of PREDICTIONS as arrays, by name."""

CORRECT_IOU = 0.5
"""A segmented image counts as correct from this IoU of its category."""


class Top1:
    """The share of correct predictions over the batches of an epoch, in the interface of torchmetrics.

    torchmetrics has it too, but imports transformers and matplotlib into every worker, which takes seconds.

    >>> import torch
    >>> metric = Top1()
    >>> metric.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
    >>> round(metric.compute()["top1"], 2)
    0.67
    """

    def __init__(self) -> None:
        self.counts: torch.Tensor | int = 0

    def update(self, predicted: torch.Tensor, true: torch.Tensor) -> None:
        """Count a batch."""
        import torch

        correct = (predicted == true).sum()
        self.counts = self.counts + torch.stack([correct, torch.full_like(correct, len(true))])

    def compute(self) -> Mapping[str, float]:
        """Return `top1` over all workers."""
        import torch

        counts = torch.as_tensor(self.counts).clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
        correct, count = counts.tolist()
        return {"top1": correct / count}


@dataclass(frozen=True)
class Classification:
    """Classification: logits (N, classes), cross-entropy, top-1."""

    classes: int
    score: ClassVar[str] = "top1"

    @property
    def outputs(self) -> int:
        """Number of output channels of the network: one per category."""
        return self.classes

    def target(self, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Return the true categories, shape (N,)."""
        return label_N

    def loss(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Return the cross-entropy, shape (N,)."""
        from torch.nn import functional

        return functional.cross_entropy(logits.float(), label_N, reduction="none")

    def metrics(self, device: torch.device) -> Any:
        """Create the top-1 accuracy."""
        return Top1()

    def to_predictions(
        self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None
    ) -> PredictionColumns:
        """Return the columns of a pretrained classifier; classes are indices of the run's categories."""
        probabilities_NK = logits.float().softmax(dim=1).cpu().numpy()
        return {**prediction_columns(probabilities_NK, [[label] for label in label_N.tolist()])}


@dataclass(frozen=True)
class Segmentation:
    """Segmentation: logits (N, 1 + classes, H, W), cross-entropy and Dice; mean IoU, Dice and pixel accuracy."""

    classes: int
    score: ClassVar[str] = "miou"

    @property
    def outputs(self) -> int:
        """Number of output channels of the network: the background, and one per category."""
        return self.classes + 1

    def target(self, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Return each pixel's class, shape (N, H, W): 0 on the background, 1 + the category's index on the object."""
        assert mask_NHW is not None
        return (label_N + 1)[:, None, None] * mask_NHW.long()

    def loss(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Return cross-entropy (mean over pixels) + 1 − soft Dice of the image's category, shape (N,).

        Dice: V-Net, Milletari et al., 3DV 2016; with 1 added to numerator and denominator.
        """
        import torch
        from torch.nn import functional

        assert mask_NHW is not None
        logits = logits.float()
        entropy_NHW = functional.cross_entropy(logits, self.target(label_N, mask_NHW), reduction="none")
        index_N = torch.arange(len(label_N), device=logits.device)
        share_NHW = logits.softmax(dim=1)[index_N, label_N + 1]
        common_N = (share_NHW * mask_NHW).sum(dim=(1, 2))
        both_N = share_NHW.sum(dim=(1, 2)) + mask_NHW.sum(dim=(1, 2))
        return entropy_NHW.mean(dim=(1, 2)) + 1 - (2 * common_N + 1) / (both_N + 1)

    def metrics(self, device: torch.device) -> Any:
        """Create metrics over all pixels; IoU and Dice are means over the classes that occur, with the background."""
        from torchmetrics import MetricCollection
        from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

        return MetricCollection(
            {
                "miou": MulticlassJaccardIndex(self.outputs, average="macro"),
                "dice": MulticlassF1Score(self.outputs, average="macro"),
                "pixel_accuracy": MulticlassAccuracy(self.outputs, average="micro"),
            },
            compute_groups=False,
        ).to(device)

    def to_predictions(
        self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None
    ) -> PredictionColumns:
        """Return the category by a vote of the object's pixels, and the overlap with the object.

        `top1` and `top5`: the categories that most of the object's pixels are assigned to (the first ones if no pixel
        is assigned to any); `p_true`: mean probability of the true category on these pixels; `intersection` and
        `union`: numbers of pixels, of the pixels predicted as the true category and the mask; `pixel_accuracy`: over
        the whole image; `correct`: IoU ≥ 0.5.
        """
        assert mask_NHW is not None
        probabilities_NKHW = logits.float().softmax(dim=1).cpu().numpy()
        predicted_NHW = probabilities_NKHW.argmax(axis=1)
        inside_NHW, class_N = mask_NHW.cpu().numpy() > 0, label_N.cpu().numpy() + 1
        class_N11 = class_N[:, None, None]
        as_true_NHW = predicted_NHW == class_N11
        intersection_N = (as_true_NHW & inside_NHW).sum(axis=(1, 2))
        union_N = (as_true_NHW | inside_NHW).sum(axis=(1, 2))
        votes_NK = np.stack(
            [((predicted_NHW == k + 1) & inside_NHW).sum(axis=(1, 2)) for k in range(self.classes)], axis=1
        )
        ranked_NK = np.argsort(-votes_NK, axis=1, kind="stable").astype(np.int32)
        p_true_NHW = np.take_along_axis(probabilities_NKHW, class_N11[:, None], axis=1)[:, 0]
        p_true_N = (p_true_NHW * inside_NHW).sum(axis=(1, 2)) / np.maximum(inside_NHW.sum(axis=(1, 2)), 1)
        true_NHW = np.where(inside_NHW, class_N11, 0)
        return {
            "top1": ranked_NK[:, 0],
            "top5": ranked_NK[:, :5],
            "p_true": p_true_N.clip(0, 1).astype(np.float32),
            "correct": intersection_N >= CORRECT_IOU * np.maximum(union_N, 1),
            "intersection": intersection_N.astype(np.int64),
            "union": union_N.astype(np.int64),
            "pixel_accuracy": (predicted_NHW == true_NHW).mean(axis=(1, 2)).astype(np.float32),
        }


OBJECTIVES: Mapping[Task, type[Classification | Segmentation]] = {
    "classification": Classification,
    "segmentation": Segmentation,
}
