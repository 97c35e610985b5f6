"""What several models say about images: every image is decoded once, and prepared once for all who want it alike."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from xray.core.images import Decoded
from xray.models.base import Pixels

if TYPE_CHECKING:
    import torch


Colour = tuple[int, int, int]
Inputs = dict[Hashable, "torch.Tensor"]
"""One image, once for each distinct preprocessing: its key and the tensor, shape (3, h, w)."""


class Rows(TypedDict):
    """Columns of PREDICTIONS."""

    top1: NDArray[np.int32]
    top5: NDArray[np.int32]
    p_true: NDArray[np.float32]
    correct: NDArray[np.bool_]


def rows(probabilities_NK: NDArray[np.float32], accepted: Sequence[Sequence[int]]) -> Rows:
    """What PREDICTIONS holds about N images.

    Args:
        probabilities_NK: shape (N, K).
        accepted: the indices that count as right, for each image.

    Returns:
        `top1` (N,); `top5` (N, 5), or (N, K) if K is less, best first, the lower index first where two are equal;
        `p_true` (N,), the probability of all accepted indices together, 0–1; `correct` (N,), whether
        `top1` is accepted.

    >>> p = np.array([[0.1, 0.5, 0.2, 0.1, 0.06, 0.04]], np.float32)
    >>> found = rows(p, [[2, 1]])
    >>> found["top5"].tolist(), found["correct"].tolist(), found["p_true"].round(2).tolist()
    ([[1, 2, 0, 3, 4]], [True], [0.699999988079071])
    """
    images = np.repeat(np.arange(len(accepted)), [len(indices) for indices in accepted])
    right_NK = np.zeros(probabilities_NK.shape, bool)
    right_NK[images, np.fromiter(itertools.chain.from_iterable(accepted), np.int64)] = True
    top5 = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :5].astype(np.int32)
    return Rows(
        top1=top5[:, 0],
        top5=top5,
        p_true=np.where(right_NK, probabilities_NK, 0).sum(axis=1).clip(0, 1).astype(np.float32),
        correct=right_NK[np.arange(len(top5)), top5[:, 0]],
    )


def over(decoded: Decoded, colour: Colour) -> Pixels:
    """An image that was flattened on black, over another colour; within 1/255 of flattening it there at once."""
    if decoded.alpha is None or not any(colour):
        return decoded.image
    through = np.asarray(colour, np.uint16) * (255 - decoded.alpha[:, :, None].astype(np.uint16))
    return np.minimum(decoded.image + (through + 127) // 255, 255).astype(np.uint8)
