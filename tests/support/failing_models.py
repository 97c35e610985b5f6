"""Models that kill their process or diverge."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from xray.core.plugins import settings
from xray.models.base import Classifier, Trainable

SIDE = 32


class _Network(torch.nn.Module):
    def __init__(self, classes: int, spoil: Any) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, classes)
        self.spoil = spoil
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Classify by the mean colour."""
        if self.training:
            self.calls += 1
            self.spoil(self.calls)
        return self.linear(images.mean(dim=(2, 3)))


@settings
class Mean(Classifier):
    """A linear model of the mean colour; subclasses add a fault."""

    name: ClassVar[str] = "mean"
    task = "classification"

    rest: str

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Take the rest of the model string, an argument of the fault."""
        return cls(rest=rest)

    def side(self, wanted: int | None = None) -> int:
        """Return any side that is asked for."""
        return wanted or SIDE

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`."""
        network = _Network(classes, self.spoil)
        return Trainable(network, "classification", self.side(side), (0.5,) * 3, (0.5,) * 3)

    def spoil(self, calls: int) -> None:
        """Cause the fault; called before each step."""


class Dies(Mean):
    """Kills its process once, in the first step after two epochs; `rest` is a folder to remember that in."""

    name: ClassVar[str] = "dies"

    def spoil(self, calls: int) -> None:
        """See `Mean`."""
        marker = Path(self.rest) / "died"
        with (Path(self.rest) / "steps").open("a") as log:
            log.write(f"{os.getpid()}\n")
        if calls == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class AlwaysDies(Mean):
    """Kills its process in every first step."""

    name: ClassVar[str] = "always-dies"

    def spoil(self, calls: int) -> None:
        """See `Mean`."""
        os.kill(os.getpid(), signal.SIGKILL)


class Diverges(Mean):
    """Returns NaN from its third step on."""

    name: ClassVar[str] = "diverges"

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`."""
        trainable = super().trainable(classes, side, pretrained)

        def spoil(calls: int) -> None:
            if calls == 3:
                torch.nn.init.constant_(trainable.module.linear.weight, float("nan"))  # type: ignore[union-attr, arg-type]

        trainable.module.spoil = spoil  # type: ignore[assignment]
        return trainable
