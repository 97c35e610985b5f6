"""The base of all workers that hold a model and process shards with it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from xray.core.batching import BatchRunner
from xray.core.device import load_in_background
from xray.core.environment import environment
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe

OnBatch = Callable[[int, float], None]
"""Called after each batch with its number of images and the seconds that the device was busy."""


def ignore_batch(images: int, seconds: float) -> None:
    """Report nothing: an `OnBatch` for work that nobody watches."""


Model = TypeVar("Model")


class ShardWorker(ABC, Generic[Model]):
    """Processes and commits shards with a model, which it holds as long as it lives.

    The model is loaded in the background: Ray would wrap an error of the constructor in one of its own. The network
    sees `batch` images at once, unless memory does not suffice.
    """

    def __init__(self, uri: str, device: str, batch: int, on_batch: OnBatch) -> None:
        self.run = RunFolder(uri, trust=True)
        self.recipe: Recipe = self.run.recipe
        self.device, self.batch, self.on_batch = device, batch, on_batch
        self.device_lock = threading.Lock()
        self._loading = load_in_background(self.load)

    @property
    def model(self) -> Model:
        """The loaded model.

        Raises:
            XrayError: it cannot be loaded.
        """
        return self._loading.result()

    @abstractmethod
    def load(self) -> Model:
        """Load the model on the device."""

    @abstractmethod
    def __call__(self, name: str) -> dict[str, Any]:
        """Process and commit one shard or photo batch, unless that is done; return plain JSON values about it."""


def device_facts(runner: BatchRunner[Any, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Facts for the receipt of what a model made; its rate depends on the settings (`throughput.rate_settings`)."""
    return {
        "settings": settings,
        "device_seconds": round(runner.busy, 3),
        "device_images": runner.ran,
        "batch": runner.batch,
        "out_of_memory": runner.out_of_memory,
        "environment": environment(),
    }
