"""Metrics that are counted over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class Metrics(Protocol):
    """A metric, or several, in the interface of torchmetrics."""

    def to(self, device: torch.device) -> Metrics:
        """Return the metrics on a device."""
        ...

    def update(self, predicted: torch.Tensor, true: torch.Tensor) -> None:
        """Count a batch."""
        ...

    def compute(self) -> Mapping[str, Any]:
        """Return the values by name, over all workers."""
        ...


class Top1:
    """The share of correct predictions.

    torchmetrics has it too, but imports transformers and matplotlib into every worker, which takes seconds.

    >>> import torch
    >>> metric = Top1()
    >>> metric.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
    >>> round(metric.compute()["top1"], 2)
    0.67
    """

    def __init__(self) -> None:
        self.correct: torch.Tensor | int = 0
        self.count = 0

    def to(self, device: torch.device) -> Top1:
        """Return itself: it counts on the device of the predictions."""
        return self

    def update(self, predicted: torch.Tensor, true: torch.Tensor) -> None:
        """Count a batch."""
        self.correct = self.correct + (predicted == true).sum()
        self.count += len(true)

    def compute(self) -> Mapping[str, float]:
        """Return `top1` over all workers; NaN without images."""
        import torch

        correct = torch.as_tensor(self.correct)
        total = torch.stack([correct, torch.as_tensor(self.count).to(correct)])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        correct_sum, count = total.tolist()
        return {"top1": correct_sum / count if count else float("nan")}
