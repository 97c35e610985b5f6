"""What SAM's networks have in common, whichever library they come from."""

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

_TOGETHER = 64
"""Objects that the decoder sees at once: bounds its memory in images of hundreds."""


@dataclass(frozen=True)
class Query:
    """Prompts of one shape, which the decoder takes together; coordinates in upright pixels.

    Args:
        objects: which ones, indices of the image's prompts.
        boxes: around each, shape (K, 4), if they have boxes.
        points: x, y of each one's points, shape (K, N, 2), if they have points.
        labels: 1 on the object, 0 beside it, shape (K, N).
    """

    objects: tuple[int, ...]
    boxes: NDArray[np.float64] | None
    points: NDArray[np.float64] | None
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class Framed:
    """A photograph and its queries as a network takes them, on the CPU.

    Args:
        pixels: the resized photograph.
        size: height and width of the photograph.
        inner: height and width that it has in the network's frame, without padding.
        queries: objects, and the network's own arguments for them.
    """

    pixels: torch.Tensor
    size: tuple[int, int]
    inner: tuple[int, int]
    queries: Sequence[tuple[tuple[int, ...], Mapping[str, Any]]]


class SamNetwork(Protocol):
    """A SAM on a device."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Library and architecture."""
        ...

    @property
    def encoder(self) -> torch.nn.Module:
        """What sees the photograph."""
        ...

    def frame(self, image_HWC: Pixels, queries: Sequence[Query]) -> Framed:
        """A photograph as the network takes it, on the CPU.

        Raises:
            Rejected: too_small: nothing would be left of its shorter side.
        """
        ...

    def encode(self, framed: Sequence[Framed]) -> Sequence[Any]:
        """The embedding of each photograph."""
        ...

    def decode(self, embedding: Any, query: Mapping[str, Any], multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the masks of each object, shape (K, C, h, w), and their predicted IoU, shape (K, C).

        Args:
            embedding: of the photograph.
            query: the network's own arguments.
            multimask: several masks an object, if the network was trained to offer them for such a query; else one.
        """
        ...

    def enlarge(self, logits_Chw: torch.Tensor, framed: Framed) -> torch.Tensor:
        """Logits at the photograph's size, shape (C, H, W)."""
        ...


def narrow(encoder: torch.nn.Module, dtype: torch.dtype) -> None:
    """Round once what autocast would round in every call: the weights of linear layers and convolutions.

    What comes out is the same, bit for bit; autocast keeps no rounded copies of weights that are not trained. At ViT-H
    and one photograph at a time, rounding them took a third of the encoder's time (28 of 73 ms on an H200).
    """
    import torch

    for layer in encoder.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            layer.to(dtype)


def queries_of(prompts: Sequence[Prompt]) -> list[Query]:
    """The prompts of an image, those of one shape together: none has to be padded, so that none changes by others."""
    by_shape: dict[tuple[bool, int], list[int]] = {}
    for index, prompt in enumerate(prompts):
        by_shape.setdefault((prompt.box is not None, len(prompt.points)), []).append(index)
    return [
        _query(prompts, objects[start : start + _TOGETHER])
        for objects in by_shape.values()
        for start in range(0, len(objects), _TOGETHER)
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
