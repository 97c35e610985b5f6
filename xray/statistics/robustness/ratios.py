"""Intervals of ratios of accuracies of the same images, which have a width where no verdict changes."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.special import ndtri

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import Codes, Values, group_totals


def ratio_interval(pair_N2: Values, group_N: Codes | None = None, confidence: float = 0.95) -> tuple[float, float]:
    """Return lower and upper bounds of the ratio of two means, first / second: Fieller's, with two more images.

    As in `bonett_price`, an image is added that is right only on the first side, and one that is right only on the
    second. With A and B the sums of both sides, and C the sums of products of their deviations over all N + 2 images,
    the ratios θ are in the interval (Fieller 1954, Journal of the Royal Statistical Society B 16:175) for which

        (A − θ B)² ≤ z² (C_aa − 2 θ C_ab + θ² C_bb)

    It contains 1 exactly if Bonett and Price's interval of the difference contains 0. Images of a group count together,
    as there.

    Args:
        pair_N2: values of each image on both sides, 0 … 1, without NaN.
        group_N: the number of each image's group, 0 … G − 1; None: each image is its own.
        confidence: confidence level, inside (0, 1).

    Returns:
        Bounds from 0 to infinity: 0 if the first mean cannot be distinguished from 0, infinity if the second cannot;
        NaN for fewer than two groups.

    >>> right_N2 = np.array([[1.0, 1.0]] * 6 + [[0.0, 1.0]] * 4)
    >>> low, high = ratio_interval(right_N2)
    >>> round(low, 2), round(high, 2)
    (0.31, 1.02)
    """
    total_G2, count_G2 = group_totals(pair_N2, group_N)
    if len(total_G2) < 2:
        return np.nan, np.nan
    weight_G = np.append(count_G2[:, 0] / count_G2[:, 0].mean(), [1, 1])
    values_G2 = np.concatenate([total_G2 / count_G2[:, 0].mean(), np.eye(2)])
    sum_2 = values_G2.sum(axis=0)
    deviation_G2 = values_G2 - weight_G[:, None] * sum_2 / len(values_G2)
    z = ndtri(0.5 + validate_confidence(confidence) / 2)
    (aa, ab), (_, bb) = np.outer(sum_2, sum_2) - z**2 * deviation_G2.T @ deviation_G2
    root = ab + np.sqrt(max(0.0, ab**2 - aa * bb))
    return float(aa / root) if aa > 0 else 0.0, float(root / bb) if bb > 0 else np.inf


def sensitivity_interval(
    pair_N2: Values, group_N: Codes | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Return bounds of RFS, −1 … 1 (`xray.statistics.robustness.biases.relative_foreground_sensitivity`).

    With accuracies o and b, RFS = (r − 1) / (r + 1), where r = b / o if m ≤ ½, else the ratio of errors (1 − o) / (1 −
    b): the bounds are those of r. Without errors, or without a right answer, they are −1 and 1.

    Args:
        pair_N2: of each image with noise on the object and on the background, 0 … 1.
        group_N: see `ratio_interval`.
        confidence: confidence level, inside (0, 1).

    >>> [round(bound, 2) for bound in sensitivity_interval(np.array([[0.0, 1.0]] * 4 + [[1.0, 1.0]] * 16))]
    [-0.15, 1.0]
    """
    ratio_N2 = pair_N2[:, ::-1] if pair_N2.mean() <= 0.5 else 1 - pair_N2
    low, high = (1 - 2 / (1 + ratio) for ratio in ratio_interval(ratio_N2, group_N, confidence))
    return low, high


def centre_interval(cell_N9: Values, group_N: Codes | None = None, confidence: float = 0.95) -> tuple[float, float]:
    """Return bounds of the centre bias (`xray.statistics.robustness.biases.centre_bias`).

    It is the largest of 16 biases, 1 − ((corner + side) / 2) / centre, each of which has the bounds of a ratio. None
    exceeds the largest upper bound more often than it may. The lower bound allows for the choice among four corners,
    and four sides, by error rates of a quarter (Bonferroni).

    Args:
        cell_N9: of each image in each cell of a 3 × 3 grid, row by row, 0 … 1.
        group_N: see `ratio_interval`.
        confidence: confidence level, inside (0, 1).
    """
    pairs = itertools.product((0, 2, 6, 8), (1, 3, 5, 7))
    ratios = [np.stack([cell_N9[:, pair].mean(axis=1), cell_N9[:, 4]], axis=1) for pair in pairs]
    lowest = min(ratio_interval(ratio_N2, group_N, confidence)[0] for ratio_N2 in ratios)
    highest = min(ratio_interval(ratio_N2, group_N, 1 - (1 - confidence) / 4)[1] for ratio_N2 in ratios)
    return 1 - highest, 1 - lowest
