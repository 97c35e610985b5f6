"""The interface of SAM's networks, common to segment_anything and transformers."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Query:
    """Prompts of the same shape, decoded together; coordinates in upright pixels.

    Args:
        objects: indices of the image's prompts.
        boxes: shape (K, 4), or None.
        points: x, y, shape (K, N, 2), or None.
        labels: 1 on the object, 0 beside it, shape (K, N), or None.
    """

    objects: tuple[int, ...]
    boxes: NDArray[np.float64] | None
    points: NDArray[np.float64] | None
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class NetworkInput:
    """A photograph and its queries as inputs of a network, on the CPU.

    Args:
        pixels: the resized photograph.
        size: height and width of the photograph.
        resized: height and width of the resized photograph, without padding.
        queries: indices of objects, and the network's own arguments for them.
    """

    pixels: torch.Tensor
    size: tuple[int, int]
    resized: tuple[int, int]
    queries: Sequence[tuple[tuple[int, ...], Mapping[str, Any]]]


class SamNetwork(Protocol):
    """A SAM on a device."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The library and architecture, as JSON values."""
        ...

    @property
    def encoder(self) -> torch.nn.Module:
        """The image encoder."""
        ...

    def preprocess(self, image_HWC: Pixels, queries: Sequence[Query]) -> NetworkInput:
        """Resize a photograph and its queries for the network, on the CPU.

        Raises:
            Rejected: too_small: the shorter side would have less than one pixel.
        """
        ...

    def encode(self, inputs: Sequence[NetworkInput]) -> Sequence[Any]:
        """Compute the embedding of each photograph."""
        ...

    def decode(self, embedding: Any, query: Mapping[str, Any], multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the logits of the masks of each object, shape (K, C, h, w), and their predicted IoU, shape (K, C).

        Args:
            embedding: of the photograph.
            query: the network's own arguments.
            multimask: propose several masks per object if the network was trained to do so for such a query.
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


def group_prompts(prompts: Sequence[Prompt]) -> list[Query]:
    """Group the prompts of an image by shape, so that none is padded and none changes the result of another."""
    by_shape: dict[tuple[bool, int], list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_shape.setdefault((prompt.box is not None, len(prompt.points)), []).append(index)
    return [
        _query(prompts, objects[start : start + _MAX_OBJECTS])
        for objects in by_shape.values()
        for start in range(0, len(objects), _MAX_OBJECTS)
    ]


def _query(prompts: Sequence[Prompt], objects: Sequence[int]) -> Query:
    boxes = [box for index in objects if (box := prompts[index].box) is not None]
    points = [[(x, y) for x, y, _ in prompts[index].points] for index in objects]
    labels = [[int(on) for _, _, on in prompts[index].points] for index in objects]
    return Query(
        tuple(objects),
        np.array(boxes, np.float64) if boxes else None,
        np.array(points, np.float64) if points[0] else None,
        np.array(labels, np.int64) if points[0] else None,
    )
