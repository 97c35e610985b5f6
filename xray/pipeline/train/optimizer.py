"""The optimizer, its learning rate by step, and the weights of categories in the loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xray.runs.training import Training

if TYPE_CHECKING:
    import torch


def learning_rate(training: Training, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0 over all epochs.

    Cosine: SGDR without restarts (Loshchilov & Hutter, ICLR 2017).

    >>> training = Training(models=["timm:resnet50"], epochs=2, learning_rate=0.1)
    >>> [round(learning_rate(training, step, 2), 3) for step in range(4)]
    [0.1, 0.085, 0.05, 0.015]
    """
    rising, total = training.warmup * steps_per_epoch, training.epochs * steps_per_epoch
    if step < rising:
        return training.learning_rate * (step + 1) / rising
    if training.schedule == "constant":
        return training.learning_rate
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def make_optimizer(training: Training, module: torch.nn.Module) -> torch.optim.Optimizer:
    """Create the optimizer of all weights that are trained."""
    import torch

    options: dict[str, Any] = {"lr": training.learning_rate, "weight_decay": training.weight_decay, "fused": True}
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, **options)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, **options)


def class_weights(training: Training, label_N: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the weight of each category in the loss, shape (K,).

    `none`: 1. `balanced`: N / (K n_k), so that the mean over the N images is 1; 0 for categories without images.
    """
    count_K = np.bincount(label_N)
    if training.class_weights == "none":
        return np.ones(len(count_K), np.float32)
    present_K = count_K > 0
    weight_K = np.zeros(len(count_K))
    np.divide(len(label_N), present_K.sum() * count_K, out=weight_K, where=present_K)
    return weight_K.astype(np.float32)
