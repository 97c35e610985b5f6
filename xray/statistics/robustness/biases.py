"""Measures of what a model relies on: position, size, background, and regions, from accuracies of edited images.

The names follow ForAug (Nauen et al. 2025), ImageNet-9 (Xiao et al. 2021) and Hard ImageNet (Moayeri et al. 2022).
ForAug's code has no formulas of its metrics: those of `centre_bias`, `size_bias` and `background_robustness` are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xray.core.errors import ConfigError
from xray.statistics.robustness.bootstrap import Values


def centre_bias(cells: ArrayLike) -> float:
    """Compute how much accuracy a model loses when the object leaves the centre (our formula, after ForAug).

        1 − (lowest accuracy of the corners + lowest accuracy of the sides) / (2 · accuracy in the centre)

    Args:
        cells: accuracies, 0 … 1, by row and column of a 3 × 3 grid; or several such grids, shape (…, 3, 3).

    Returns:
        0: no loss; 1: nothing is right beside the centre; below 0: it is better there. NaN if the centre has 0.
        Without any loss it is above 0 by chance, since the lowest cells are chosen: by 0.05 to 0.08 with 24
        photographs, 0.02 to 0.05 with 60, 0.01 to 0.03 with 200. Read its interval.

    >>> round(centre_bias([[0.60, 0.70, 0.62], [0.72, 0.80, 0.74], [0.58, 0.68, 0.64]]), 4)
    0.2125
    """
    grid = np.asarray(cells, np.float64)
    if grid.shape[-2:] != (3, 3):
        raise ConfigError(f"centre bias needs accuracies in a 3 × 3 grid, not of shape {grid.shape}")
    return float(centre_biases(grid.reshape(1, 9))[0, 0])


def centre_biases(cell_B9: Values) -> Values:
    """Return `centre_bias` of each row of nine cells, shape (B, 1)."""
    corners, sides = cell_B9[:, [0, 2, 6, 8]].min(axis=1), cell_B9[:, [1, 3, 5, 7]].min(axis=1)
    bias_B1: Values = 1 - share(corners + sides, 2 * cell_B9[:, 4])[:, None]
    return bias_B1


def size_bias(accuracy: float, reference: float) -> float:
    """Compute the share of accuracy that is left at another size (our formula, after ForAug).

        accuracy at the size / accuracy at the reference size

    >>> size_bias(0.3, 0.6)
    0.5
    """
    return float(share(np.array(accuracy), np.array(reference)))


def background_robustness(any_background: float, same_background: float) -> float:
    """Compute the share of accuracy that is left on backgrounds of any category (our formula, after ForAug).

        accuracy on backgrounds of any category / accuracy on backgrounds of the object's own category

    >>> round(background_robustness(0.6, 0.8), 2)
    0.75
    """
    return float(share(np.array(any_background), np.array(same_background)))


def challenge(right_NB: ArrayLike) -> float:
    """Compute the share of objects that are right on every one of B backgrounds (ImageNet-9's challenge).

    It falls with B: state B beside it.

    Args:
        right_NB: whether object n is right on background b, shape (N, B).

    >>> challenge([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]])
    0.4
    """
    right = np.asarray(right_NB, bool)
    if right.ndim != 2 or not right.size:
        raise ConfigError("challenge needs verdicts of at least one object on at least one background")
    return float(right.all(axis=1).mean())


def relative_foreground_sensitivity(noisy_object: float, noisy_background: float) -> float:
    """Compute RFS (Moayeri et al. 2022, CVPR): whether noise on the object hurts more than noise beside it.

        RFS = (b − o) / (2 · min(m, 1 − m)),  m = (b + o) / 2;  0 if m is 0 or 1

    Args:
        noisy_object: accuracy o with noise on the object, 0 … 1.
        noisy_background: accuracy b with noise on the background, 0 … 1.

    Returns:
        −1 … 1; positive: the model depends more on the object than on the background.

    >>> [round(relative_foreground_sensitivity(*pair), 4) for pair in ((0.6, 0.8), (0.8, 0.6), (0.0, 0.5), (1, 1))]
    [0.3333, -0.3333, 1.0, 0.0]
    """
    return float(sensitivities(np.array([[noisy_object, noisy_background]], np.float64))[0, 0])


def sensitivities(pair_B2: Values) -> Values:
    """Return RFS of each row (accuracy with noise on the object, on the background), shape (B, 1)."""
    mean = pair_B2.mean(axis=1)
    below = 2 * np.minimum(mean, 1 - mean)
    difference = pair_B2[:, 1] - pair_B2[:, 0]
    result: Values = np.divide(difference, below, out=np.zeros_like(mean), where=below > 1e-12)
    return result[:, None]


def share(part: Values, whole: Values) -> Values:
    """Divide; NaN for a divisor of 0."""
    result: Values = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
    return result
