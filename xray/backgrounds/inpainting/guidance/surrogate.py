"""A classifier whose probabilities are differentiable in the pixels of an image of any size."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.compositing import noise
from xray.core.errors import ConfigError
from xray.core.types import Pixels
from xray.models.base import CLASSES, Loaded
from xray.models.loaded import LoadedNetwork

if TYPE_CHECKING:
    import torch

_TOLERANCE = 0.01
"""Largest mean difference, in 0–1, of `DifferentiableInput` from the model's own preprocessing."""

_RAMP, _CYCLES = 254, 16
"""Highest level of a ramp, and how often the thresholds that its rows are rounded at go from 0 to 1."""


class DifferentiableInput:
    """A model's preprocessing, differentiable: the image scaled, cropped, and each channel normalised.

    Preprocessing works on bytes, and has no gradient. Mean, standard deviation, scale, crop and interpolation are read
    off what it does to plain images, ramps and noise.

    Args:
        loaded: the model.

    Raises:
        ConfigError: its preprocessing is of another kind.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._preprocess = loaded.preprocess
        black, white = (loaded.preprocess(np.full((320, 320, 3), level, np.uint8)) for level in (0, 255))
        self.mean, self.range = black.mean(dim=(1, 2), keepdim=True), (white - black).mean(dim=(1, 2), keepdim=True)
        self.size = (black.shape[1], black.shape[2])
        self._crop = functools.lru_cache(4096)(self._measured_crop)
        noisy = _noise(300, 400)
        differences = {mode: self._difference(noisy, mode) for mode in ("bicubic", "bilinear")}
        self.mode, difference = min(differences.items(), key=lambda pair: pair[1])
        if not difference <= _TOLERANCE:
            raise ConfigError(
                f"the preprocessing of the surrogate ({loaded.preprocessing}) is no crop, resize and normalisation: a "
                f"differentiable one differs by {difference:.3f} on average; use another model"
            )

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return the model's input, (3, h, w), for an RGB image (3, H, W) in 0–1."""
        return self._apply(image, self.mode)

    def _apply(self, image: torch.Tensor, mode: str) -> torch.Tensor:
        from torch.nn.functional import interpolate

        (height, top), (width, left) = self._crop(image.shape[1], image.shape[2])
        scaled = interpolate(image[None], (height, width), mode=mode, antialias=True, align_corners=False)[0]
        part = scaled[:, top : top + self.size[0], left : left + self.size[1]].clamp(0, 1)
        return self.mean.to(image.device) + part * self.range.to(image.device)

    def _measured_crop(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return, for rows and columns, the size that an image is scaled to, and the first pixel of the crop in it."""
        rows = self._levels(_ramp(width, height).T).mean(axis=1) * (height - 1)
        columns = self._levels(_ramp(height, width)).mean(axis=0) * (width - 1)
        return _scale_and_offset(rows, height), _scale_and_offset(columns, width)

    def _levels(self, ramp: Pixels) -> NDArray[np.float64]:
        output = self._preprocess(np.repeat(ramp[:, :, None], 3, axis=2))
        levels: NDArray[np.float64] = ((output - self.mean) / self.range).mean(dim=0).double().numpy()
        return levels * (255 / _RAMP)

    def _difference(self, image: Pixels, mode: str) -> float:
        import torch

        ours = self._apply(torch.from_numpy(image).permute(2, 0, 1) / 255, mode)
        return float(((ours - self._preprocess(image)) / self.range).abs().mean())


def _ramp(height: int, width: int) -> Pixels:
    """Return a ramp from left to right; rows are rounded at different thresholds, so that columns have exact means."""
    thresholds = np.arange(height) * (_CYCLES / height) % 1
    return np.floor(np.linspace(0, _RAMP, width) + thresholds[:, None]).astype(np.uint8)


def _scale_and_offset(positions: NDArray[np.float64], before: int) -> tuple[int, int]:
    """Return the scaled number of pixels, and which is the first output, from the outputs' positions in the source."""
    count = len(positions)
    inner = np.arange(count // 8, count - count // 8)  # interpolation flattens the ends of a ramp
    step, first = np.polyfit(inner, positions[inner], 1)
    after = max(count, round(before / step))
    return after, min(max(0, round((first + 0.5) / step - 0.5)), after - count)


def _noise(height: int, width: int) -> Pixels:
    """Return noise with about as much detail as a photograph."""
    small = noise((height // 4, width // 4, 3), seed=0)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


@dataclass(frozen=True)
class Surrogate:
    """A classifier of ImageNet-1k's classes on a device, with gradients to the image.

    Args:
        loaded: the network.
        input: its preprocessing.
    """

    loaded: LoadedNetwork
    input: DifferentiableInput

    @classmethod
    def of(cls, loaded: Loaded, spec: str) -> Surrogate:
        """Return the surrogate of a loaded classifier; `spec` is its model string, for messages.

        Raises:
            ConfigError: it has other classes, no torch network, or a preprocessing that cannot be differentiated.
        """
        if not isinstance(loaded, LoadedNetwork):
            raise ConfigError(f"the surrogate {spec!r} gives no gradients: use a model of timm, torchvision or lite")
        if loaded.labels is not None:
            raise ConfigError(f"the surrogate {spec!r} has other classes than ImageNet-1k's {CLASSES}")
        return cls(loaded, DifferentiableInput(loaded))

    def log_probability(self, images: Sequence[torch.Tensor], accepted: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the logarithm of the probability of the accepted classes together, shape (N,).

        Args:
            images: RGB, 0–1, each of shape (3, H, W), on the device.
            accepted: indices of each image's right classes.
        """
        import torch

        output: Any = self.loaded.module(torch.stack([self.input(image) for image in images]))
        logits = output if isinstance(output, torch.Tensor) else output.logits
        log_probability = logits.float().log_softmax(dim=-1)
        if self.loaded.order is not None:
            log_probability = log_probability[:, torch.from_numpy(self.loaded.order).to(log_probability.device)]
        pairs = zip(log_probability, accepted, strict=True)
        return torch.stack([of_image[list(indices)].logsumexp(dim=0) for of_image, indices in pairs])

    def probability(self, images: Sequence[Pixels], accepted: Sequence[Sequence[int]]) -> list[float]:
        """Return the probability of the accepted classes by the model's own preprocessing, 0–1."""
        import torch

        predicted = self.loaded.predict(torch.stack([self.loaded.preprocess(image) for image in images]))
        return [round(float(p[list(indices)].sum()), 6) for p, indices in zip(predicted, accepted, strict=True)]
