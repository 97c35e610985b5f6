"""The interface of SAM's networks, common to segment_anything and transformers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xray.core.types import Pixels
from xray.masks.sam.prompts import Prompt

if TYPE_CHECKING:
    import torch

_MAX_OBJECTS = 64
"""Maximum number of objects in one call of the decoder; limits its memory for images with hundreds of objects."""


Query = Mapping[str, Any]
"""Prompts of the same shape as arrays or tensors, decoded together: input_boxes (K, 4), input_points (K, N, 2) and
input_labels (K, N), 1 on the object and 0 beside it."""


@dataclass(frozen=True)
class NetworkInput:
    """A photograph and its prompts as inputs of a network, on the CPU.

    Args:
        pixels: the resized photograph.
        size: height and width of the photograph.
        resized: height and width of the resized photograph, without padding.
        prompts: one per object, in upright pixels.
        queries: indices of prompts, and their query in the network's coordinates.
    """

    pixels: torch.Tensor
    size: tuple[int, int]
    resized: tuple[int, int]
    prompts: Sequence[Prompt]
    queries: Sequence[tuple[Sequence[int], Query]]


class SamNetwork(Protocol):
    """A SAM on a device; `facts` are the library and architecture, as JSON values."""

    facts: Mapping[str, Any]
    encoder: torch.nn.Module

    def preprocess(self, image_HWC: Pixels, prompts: Sequence[Prompt]) -> NetworkInput:
        """Resize a photograph and its prompts for the network, on the CPU.

        Raises:
            Rejected: too_small: the shorter side would have less than one pixel.
        """
        ...

    def encode(self, inputs: Sequence[NetworkInput]) -> Sequence[Any]:
        """Compute the embedding of each photograph."""
        ...

    def decode(
        self, embedding: Any, query: Mapping[str, torch.Tensor], multimask: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the logits of the masks of each object, shape (K, C, h, w), and their predicted IoU, shape (K, C).

        `multimask`: propose several masks per object if the network was trained to do so for such a query.
        """
        ...

    def upscale(self, logits_Chw: torch.Tensor, inputs: NetworkInput) -> torch.Tensor:
        """Resize logits to the photograph's size, shape (C, H, W)."""
        ...


def architecture_facts(module: torch.nn.Module) -> dict[str, Any]:
    """Return the class of a network and its number of parameters in millions, as JSON values."""
    millions = sum(weight.numel() for weight in module.parameters()) / 1e6
    return {"class": type(module).__name__, "parameters_M": round(millions, 3)}


def cast_weights(encoder: torch.nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of linear layers and convolutions once, instead of by autocast in every call.

    The output is bit-identical; autocast does not cache casts of weights without gradients. For ViT-H and one
    photograph at a time, the casts took a third of the encoder's time (28 of 73 ms on an H200).
    """
    import torch

    for layer in encoder.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            layer.to(dtype)


def group_prompts(prompts: Sequence[Prompt]) -> list[tuple[list[int], Query]]:
    """Group the indices of an image's prompts by shape: none is padded, and none changes the result of another."""
    by_shape: dict[tuple[bool, int], list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        by_shape[prompt.box is not None, len(prompt.points)].append(index)
    groups = [
        objects[start : start + _MAX_OBJECTS]
        for objects in by_shape.values()
        for start in range(0, len(objects), _MAX_OBJECTS)
    ]
    return [(objects, _query([prompts[index] for index in objects])) for objects in groups]


def _query(prompts: Sequence[Prompt]) -> Query:
    arrays: dict[str, NDArray[Any]] = {}
    if prompts[0].box is not None:
        arrays["input_boxes"] = np.array([prompt.box for prompt in prompts], np.float64)
    if prompts[0].points:
        points = np.array([prompt.points for prompt in prompts], np.float64)
        arrays |= {"input_points": points[:, :, :2], "input_labels": points[:, :, 2].astype(np.int64)}
    return arrays
