"""What a network is trained for, how well it does, and what is kept of its answers: classes, or their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from xray.models.base import Task
from xray.models.outputs import rows

if TYPE_CHECKING:
    import torch

Answers = Mapping[str, Any]
"""Columns of PREDICTIONS as arrays, by name."""

RIGHT_IOU = 0.5
"""A segmented image counts as right from this IoU of its category on."""


class Metrics(Protocol):
    """Counts over the batches of an epoch, as those of torchmetrics do."""

    def to(self, device: torch.device) -> Metrics:
        """The same on a device."""
        ...

    def update(self, found: torch.Tensor, true: torch.Tensor) -> None:
        """Count a batch."""
        ...

    def compute(self) -> Mapping[str, Any]:
        """By name, over all workers."""
        ...


class Top1:
    """The share of right answers.

    torchmetrics has it, too, and brings transformers and matplotlib into every worker, which takes seconds.

    >>> import torch
    >>> metric = Top1()
    >>> metric.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
    >>> round(metric.compute()["top1"], 2)
    0.67
    """

    def __init__(self) -> None:
        self.right: torch.Tensor | int = 0
        self.count = 0

    def to(self, device: torch.device) -> Top1:
        """It counts where the answers are."""
        return self

    def update(self, found: torch.Tensor, true: torch.Tensor) -> None:
        """Count a batch."""
        self.right = self.right + (found == true).sum()
        self.count += len(true)

    def compute(self) -> Mapping[str, float]:
        """Over all workers; NaN of no image."""
        import torch

        total = torch.stack([torch.as_tensor(self.right), torch.as_tensor(self.count).to(torch.as_tensor(self.right))])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        right, count = total.tolist()
        return {"top1": right / count if count else float("nan")}


class Objective(Protocol):
    """What the training loop asks of a task."""

    @property
    def score(self) -> str:
        """The metric that curves show."""
        ...

    @property
    def outputs(self) -> int:
        """Channels that a network needs."""
        ...

    def losses(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Of each image, shape (N,)."""
        ...

    def metrics(self) -> Metrics:
        """Fresh ones, for the answers to an epoch."""
        ...

    def measured(
        self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the metrics are given: predicted and true classes."""
        ...

    def answers(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> Answers:
        """What PREDICTIONS holds of N images."""
        ...


def objective_of(task: Task, classes: int) -> Objective:
    """The objective of a task over so many categories."""
    return Classes(classes) if task == "classification" else Segments(classes)


@dataclass(frozen=True)
class Classes:
    """Which category an image shows: cross-entropy; top-1.

    Args:
        classes: categories.
    """

    classes: int
    score: ClassVar[str] = "top1"

    @property
    def outputs(self) -> int:
        """One a category."""
        return self.classes

    def losses(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy."""
        from torch.nn import functional

        return functional.cross_entropy(logits.float(), label_N, reduction="none")

    def metrics(self) -> Metrics:
        """Top-1 accuracy."""
        return Top1()

    def measured(
        self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The most probable categories, and the true ones."""
        return logits.argmax(dim=1), label_N

    def answers(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> Answers:
        """As of a pretrained classifier; classes are places in the run's categories."""
        probabilities_NK = logits.float().softmax(dim=1).cpu().numpy()
        return {**rows(probabilities_NK, [[label] for label in label_N.tolist()])}


@dataclass(frozen=True)
class Segments:
    """Which pixels are the object, and of which category: cross-entropy and Dice; mean IoU, Dice, pixel accuracy.

    The class of a pixel is 0 on the background, and 1 + its category's place on the object.

    Args:
        classes: categories.
    """

    classes: int
    score: ClassVar[str] = "miou"

    @property
    def outputs(self) -> int:
        """The background, and one a category."""
        return self.classes + 1

    def losses(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy, the mean over pixels, and 1 − the soft Dice of the image's category (V-Net, 3DV 2016)."""
        import torch
        from torch.nn import functional

        assert mask_NHW is not None
        logits = logits.float()
        entropy_N = functional.cross_entropy(logits, self._true(label_N, mask_NHW), reduction="none").mean(dim=(1, 2))
        place_N = torch.arange(len(label_N), device=logits.device)
        share_NHW = logits.softmax(dim=1)[place_N, label_N + 1]
        common_N = (share_NHW * mask_NHW).sum(dim=(1, 2))
        both_N = share_NHW.sum(dim=(1, 2)) + mask_NHW.sum(dim=(1, 2))
        return entropy_N + 1 - (2 * common_N + 1) / (both_N + 1)

    def metrics(self) -> Metrics:
        """Over all pixels of an epoch; IoU and Dice are means over the classes that occur, the background included."""
        from torchmetrics import MetricCollection
        from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

        return MetricCollection(
            {
                "miou": MulticlassJaccardIndex(self.outputs, average="macro"),
                "dice": MulticlassF1Score(self.outputs, average="macro"),
                "pixel_accuracy": MulticlassAccuracy(self.outputs, average="micro"),
            },
            compute_groups=False,
        )

    def measured(
        self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The most probable class of each pixel, and the true one."""
        assert mask_NHW is not None
        return logits.argmax(dim=1), self._true(label_N, mask_NHW)

    def answers(self, logits: torch.Tensor, label_N: torch.Tensor, mask_NHW: torch.Tensor | None) -> Answers:
        """The object's category by a vote of its pixels, and how well its pixels are found.

        `top1` and `top5` are the categories that most of the object's pixels are given (where none is given any vote:
        the first ones); `p_true` is the mean probability of its category on them; `intersection` and `union` are
        pixels of what is predicted as its category and of the mask; `pixel_accuracy` is over the whole image;
        `correct`, an IoU of at least 0.5.
        """
        assert mask_NHW is not None
        probabilities = logits.float().softmax(dim=1).cpu().numpy()
        found_NHW = probabilities.argmax(axis=1)
        inside_NHW, label = mask_NHW.cpu().numpy() > 0, label_N.cpu().numpy()
        mine_NHW = found_NHW == (label + 1)[:, None, None]
        intersection_N = (mine_NHW & inside_NHW).sum(axis=(1, 2))
        union_N = (mine_NHW | inside_NHW).sum(axis=(1, 2))
        true_NHW = np.where(inside_NHW, (label + 1)[:, None, None], 0)
        votes_NK = np.stack([((found_NHW == k + 1) & inside_NHW).sum(axis=(1, 2)) for k in range(self.classes)], axis=1)
        ranked_NK = np.argsort(-votes_NK, axis=1, kind="stable").astype(np.int32)
        true_share = np.take_along_axis(probabilities, (label + 1)[:, None, None, None], axis=1)[:, 0]
        inside_count_N = np.maximum(inside_NHW.sum(axis=(1, 2)), 1)
        return {
            "top1": ranked_NK[:, 0],
            "top5": ranked_NK[:, :5],
            "p_true": ((true_share * inside_NHW).sum(axis=(1, 2)) / inside_count_N).clip(0, 1).astype(np.float32),
            "correct": intersection_N >= RIGHT_IOU * np.maximum(union_N, 1),
            "intersection": intersection_N.astype(np.int64),
            "union": union_N.astype(np.int64),
            "pixel_accuracy": (found_NHW == true_NHW).mean(axis=(1, 2)).astype(np.float32),
        }

    @staticmethod
    def _true(label_N: torch.Tensor, mask_NHW: torch.Tensor) -> torch.Tensor:
        return (label_N + 1)[:, None, None] * mask_NHW.long()


def joined(answers: list[Answers]) -> Answers:
    """Those of all batches."""
    return {name: np.concatenate([batch[name] for batch in answers]) for name in (answers[0] if answers else ())}
