"""Accuracies relative to the original, paired by photograph: images refused in one scenario shift nothing."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.robustness.bootstrap import Bootstrap, Codes, Values, columns_of, groups_of, influences
from xray.statistics.robustness.cells import PRETRAINED
from xray.statistics.robustness.trainings import TrainingNoise, training_noise

Cell = tuple[str, ...]
"""model, trained_on, scenario; with the category for the reading `class_scenario`."""


@dataclass(frozen=True)
class PairedTable:
    """Accuracies on the original, and of other cells what they gain on it, by source image.

    An image that was refused in a scenario takes no part in the gain there, on neither side: a mean of gains compares
    the same images. Without an accuracy on the original, gains are accuracies.

    Args:
        column: of each cell in `values_NK`.
        values_NK: 0 … 1 for the original and −1 … 1 for other cells, shape (N, K); NaN: missing.
        group_N: the number of each image's group, 0 … G − 1; None: each image is its own.
        noise: what trainings add to the errors of means; None: not known, since each model was trained once.
    """

    column: Mapping[Cell, int]
    values_NK: Values
    group_N: Codes | None = None
    noise: TrainingNoise | None = None

    @classmethod
    def of(cls, wide: pd.DataFrame, reference: str, group_N: Codes | None = None) -> PairedTable:
        """Pair a table of accuracies by source image (rows) and cell (columns)."""
        column = {cell: k for k, cell in enumerate(columns_of(wide))}
        given_NK = wide.to_numpy(np.float64)
        values_NK = given_NK.copy()
        for k, origin in enumerate(origins(column, reference)):
            if origin is not None:
                values_NK[:, k] -= given_NK[:, origin]
        return cls(column, values_NK, group_N)

    def bootstrap(self, resamples: int, seed: int) -> Bootstrap:
        """Resample images, or groups of them."""
        return Bootstrap.of_means(self.values_NK, resamples, seed, self.group_N)

    def influences(self) -> Values:
        """Return what each image (or group) adds to the errors of the means; see `bootstrap.influences`."""
        return influences(self.values_NK, self.group_N)

    @functools.cached_property
    def present_GK(self) -> NDArray[np.bool_]:
        """Whether each image (or group) is in the mean of each column, shape (G, K)."""
        present_NK = ~np.isnan(self.values_NK)
        if self.group_N is None:
            return present_NK
        present_GK = np.zeros((self.group_N.max(initial=-1) + 1, present_NK.shape[1]), np.bool_)
        np.logical_or.at(present_GK, self.group_N, present_NK)
        return present_GK

    def training_variances(self) -> Values:
        """Return the variance of the mean of each column over trainings, shape (K,); 0 if none was repeated."""
        if self.noise is None:
            return np.zeros(self.values_NK.shape[1])
        variance_K: Values = np.maximum(0, self.noise.column_variances())
        return variance_K

    def counts(self) -> NDArray[np.intp]:
        """Return the number of images in the mean of each column, shape (K,)."""
        counts_K: NDArray[np.intp] = (~np.isnan(self.values_NK)).sum(axis=0)
        return counts_K


def paired_table(predictions: pd.DataFrame, wide: pd.DataFrame, reference: str) -> PairedTable:
    """Pair the accuracies of predictions; `wide` is their table by source image and cell."""
    if "image_id" not in predictions:
        return PairedTable.of(wide, reference)
    paired = PairedTable.of(wide, reference, groups_of(predictions, wide.index))
    compared, present_NK = origins(paired.column, reference), ~np.isnan(paired.values_NK)
    return replace(paired, noise=training_noise(predictions, wide, compared, present_NK, paired.group_N))


def origins(column: Mapping[Cell, int], reference: str) -> list[int | None]:
    """Return the column of the original that each cell is compared with; None: it is the original, or has none."""
    origins = {cell: origin_of(cell, reference) for cell in column}
    return [column.get(origin) if origin != cell else None for cell, origin in origins.items()]


def origin_of(cell: Cell, reference: str) -> Cell:
    """Return the cell on the original that a cell is compared with.

    >>> origin_of(("resnet50", "grey", "grey"), "original")
    ('resnet50', 'original', 'original')
    >>> origin_of(("resnet50", "pretrained", "grey", "fox"), "original")
    ('resnet50', 'pretrained', 'original', 'fox')
    """
    model, trained_on, _, *category = cell
    return (model, trained_on if trained_on == PRETRAINED else reference, reference, *category)
