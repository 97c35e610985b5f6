"""Columns of the predictions table, from probabilities; and the background colour of transparent images."""

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
"""One image as the input of several models: a tensor (3, h, w) by preprocessing key."""


class PredictionColumns(TypedDict):
    """Columns of PREDICTIONS."""

    top1: NDArray[np.int32]
    top5: NDArray[np.int32]
    p_true: NDArray[np.float32]
    correct: NDArray[np.bool_]


def prediction_columns(probabilities_NK: NDArray[np.float32], accepted: Sequence[Sequence[int]]) -> PredictionColumns:
    """Return the columns of PREDICTIONS for N images.

    Args:
        probabilities_NK: shape (N, K).
        accepted: the indices of the correct classes, for each image.

    Returns:
        `top1` (N,); `top5` (N, min(5, K)), best first, ties by the lower index; `p_true` (N,), the probability of all
        accepted indices together, 0–1; `correct` (N,), whether `top1` is accepted.

    >>> p = np.array([[0.1, 0.5, 0.2, 0.1, 0.06, 0.04]], np.float32)
    >>> columns = prediction_columns(p, [[2, 1]])
    >>> columns["top5"].tolist(), columns["correct"].tolist(), columns["p_true"].round(2).tolist()
    ([[1, 2, 0, 3, 4]], [True], [0.699999988079071])
    """
    images = np.repeat(np.arange(len(accepted)), [len(indices) for indices in accepted])
    accepted_NK = np.zeros(probabilities_NK.shape, bool)
    accepted_NK[images, np.fromiter(itertools.chain.from_iterable(accepted), np.int64)] = True
    top5 = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :5].astype(np.int32)
    return PredictionColumns(
        top1=top5[:, 0],
        top5=top5,
        p_true=np.where(accepted_NK, probabilities_NK, 0).sum(axis=1).clip(0, 1).astype(np.float32),
        correct=accepted_NK[np.arange(len(top5)), top5[:, 0]],
    )


def flatten_onto(decoded: Decoded, colour: Colour) -> Pixels:
    """Return an image that was flattened on black as if on another colour, exact to within 1/255."""
    if decoded.alpha is None or not any(colour):
        return decoded.image
    background = np.asarray(colour, np.uint16) * (255 - decoded.alpha[:, :, None].astype(np.uint16))
    return np.minimum(decoded.image + (background + 127) // 255, 255).astype(np.uint8)
