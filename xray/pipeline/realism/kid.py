"""KID over all pairs, and its interval over photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
Features = NDArray[np.float32]
Groups = NDArray[np.intp]
_ROWS_AT_ONCE = 512


class KidValue(NamedTuple):
    """A KID with its 95 % interval; the limits are NaN where there are too few photographs."""

    value: float
    ci_low: float
    ci_high: float


def kid(
    images_ND: Features, originals_MD: Features, image_photos: Sequence[str], original_photos: Sequence[str]
) -> KidValue:
    """Compute the unbiased KID (Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401) over all pairs.

        KID = mean of k(x_i, x_j) + mean of k(y_i, y_j) − 2 · mean of k(x_i, y_j),   k(a, b) = (a·b / D + 1)³

    over pairs of different photographs: an image resembles its own original and the other images of its photograph, and
    such pairs would make all distances too small. There are no subsets: the same images always give the same number.
    Its interval is a jackknife that leaves out one photograph at a time, with Student's t.

    Args:
        images_ND: features of at least two images.
        originals_MD: features of at least two originals.
        image_photos: the photograph of each image.
        original_photos: the photograph of each original.

    >>> x, y = np.random.default_rng(0).normal(size=(2, 40, 8)).astype(np.float32)
    >>> photos = [str(number) for number in range(40)]
    >>> far = kid(x, y + 1, photos, photos)
    >>> 0 < far.ci_low < far.value < far.ci_high
    True
    """
    _, group_NM = np.unique([*image_photos, *original_photos], return_inverse=True)
    images, originals = (images_ND, group_NM[: len(images_ND)]), (originals_MD, group_NM[len(images_ND) :])
    groups = int(group_NM.max()) + 1
    value, without_G = 0.0, np.zeros(groups)
    for a, b, factor in ((images, images, 1), (originals, originals, 1), (images, originals, -2)):
        mean, mean_without_G = _kernel_means(a, b, groups)
        value += factor * mean
        without_G += factor * mean_without_G
    error = math.sqrt((groups - 1) / groups * float(np.square(without_G - without_G.mean()).sum()))
    half = float(stats.t.ppf(0.975, groups - 1)) * error
    return KidValue(value, value - half, value + half)


def _kernel_means(a: tuple[Features, Groups], b: tuple[Features, Groups], groups: int) -> tuple[float, Values]:
    """Compute the mean kernel over pairs of different groups, and the same without each of the groups, (groups,).

    Memory is that of a few hundred rows of the kernel.
    """
    (a_ND, a_N), (b_MD, b_M) = a, b
    b_double_MD = b_MD.astype(np.float64)
    row_N, column_M = np.zeros(len(a_N)), np.zeros(len(b_M))
    for start in range(0, len(a_N), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        kernel_BM = (a_ND[part].astype(np.float64) @ b_double_MD.T / a_ND.shape[1] + 1) ** 3
        kernel_BM[a_N[part, None] == b_M] = 0
        row_N[part] = kernel_BM.sum(axis=1)
        column_M += kernel_BM.sum(axis=0)
    with_G = np.bincount(a_N, row_N, groups) + np.bincount(b_M, column_M, groups)
    a_G, b_G = np.bincount(a_N, minlength=groups), np.bincount(b_M, minlength=groups)
    pairs, pairs_G = len(a_N) * len(b_M) - (a_G * b_G).sum(), a_G * (len(b_M) - b_G) + b_G * (len(a_N) - a_G)
    total = row_N.sum()
    with np.errstate(divide="ignore", invalid="ignore"):  # without a photograph no pair may be left
        return float(total / pairs), (total - with_G) / (pairs - pairs_G)
