"""Several models that look at the same images."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.core.images import Limits, decode
from xray.models.base import Loaded
from xray.models.outputs import Colour, Inputs, flatten_onto
from xray.models.registry import parse_model

_EXTRA = ("safetensors", "timm", "torch", "torchvision", "transformers")


@dataclass
class Panel:
    """Loaded models that look at the same images.

    Args:
        models: by name.
        batch_size: images that a model sees at once.
        colour: what transparent images are seen on, RGB; black by default.
        limits: which images are refused.
        decoded: how many images were decoded so far.
    """

    models: dict[str, Loaded]
    batch_size: int = 32
    colour: Colour = (0, 0, 0)
    limits: Limits = field(default_factory=Limits)
    decoded: int = 0

    @classmethod
    def load(cls, specs: Sequence[str], device: str = "cpu", batch_size: int = 32, colour: Colour = (0, 0, 0)) -> Self:
        """Load models onto a device by their names, see `xray.models.parse_model`.

        Raises:
            XrayError: one cannot be loaded.
        """
        try:
            models = {spec: parse_model(spec).load(device) for spec in specs}
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise ConfigError(f"models need {error.name}: pip install 'xray-robustness[models]'") from error
        return cls(models, batch_size, colour)

    def prepare(self, data: bytes) -> Inputs:
        """Decode an image, once, and preprocess it, once for each distinct preprocessing.

        Raises:
            Rejected: it cannot be decoded.
        """
        decoded = decode(data, self.limits)
        self.decoded += 1
        image_HWC = flatten_onto(decoded, self.colour)
        inputs: Inputs = {}
        for model in self.models.values():
            if model.preprocessing_key not in inputs:
                inputs[model.preprocessing_key] = model.preprocess(image_HWC)
        return inputs

    def predict_prepared(self, batch: Sequence[Inputs]) -> dict[str, NDArray[np.float32]]:
        """Each model's probabilities for N ≥ 1 prepared images, shape (N, 1000)."""
        import torch

        stacked = {key: torch.stack([inputs[key] for inputs in batch]) for key in batch[0]}
        return {name: model.predict(stacked[model.preprocessing_key]) for name, model in self.models.items()}

    def predict(self, images: Iterable[bytes]) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Each model's probabilities in the order of the images, batch by batch; the last batch may be smaller.

        Raises:
            Rejected: an image cannot be decoded; to go on without it, use `prepare` and `predict_prepared`.
        """
        prepared = map(self.prepare, images)
        while batch := list(itertools.islice(prepared, self.batch_size)):
            yield self.predict_prepared(batch)
