"""What another training of the same networks would change: the errors that repeated trainings tell of.

A network that is trained again from another seed, on the same photographs, answers some otherwise. The accuracies of
one training therefore have an error that photographs do not tell, since all of a fold share it; repeats (`training:
{repeats: 3}`) do. With x_jr the accuracy of photograph j by repeat r of its fold, and x_j the mean of its k
repeats, the training r of a fold adds to the mean over N photographs

    D_r = Σ_j d_jr    d_jr = (x_jr − x_j) / (N √(k (k − 1)))

Σ_r D_r² is an estimate of the variance of the mean over trainings, but has what is photographs' own, too: verdicts that
flip independently. That is in the variance over photographs already, and is taken out by leaving pairs of a photograph
with itself out:

    Var = Σ_r (D_r² − Σ_j d_jr²) · n / (n − 1)

for folds of n photographs (or groups of them). It is unbiased, and may be negative.

In all scenarios that a network is tested on it is the same one, so D_r are of all of them together, and likewise of the
networks of other training scenarios, which start from the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from xray.statistics.robustness.bootstrap import Codes, Values, image_accuracies

PHOTOGRAPHS, TRAININGS = "photographs", "photographs and trainings"
"""What intervals are over."""


@dataclass(frozen=True)
class TrainingNoise:
    """The errors of means over photographs that are due to trainings.

    Args:
        training_TK: D of each fold and repeat in each column of a paired table, shape (T, K).
        photo_PK: d of each photograph (or group) and repeat, shape (P, K).
        repeated_K: whether all of a column comes from more than one training.
    """

    training_TK: Values
    photo_PK: Values
    repeated_K: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        values_RK: Values,
        image_R: Codes,
        training_R: Codes,
        origins: Sequence[int | None],
        present_NK: NDArray[np.bool_],
        group_N: Codes | None = None,
    ) -> TrainingNoise:
        """Compute them from the accuracies of images by each training.

        Args:
            values_RK: by image and training, NaN: missing; those of one image in a column are of repeats of one fold.
            image_R: the index of each row's image, 0 … N − 1.
            training_R: the number of its fold and repeat, 0 … T − 1.
            origins: as the following ones see `training_noise`.
            present_NK: whether each image is in the mean of each column.
            group_N: the number of each image's group.
        """
        deviation_RK, repeated_NK = _deviations(values_RK, image_R, len(present_NK))
        for k, origin in enumerate(origins):
            if origin is not None:
                deviation_RK[:, k] -= deviation_RK[:, origin]
                repeated_NK[:, k] &= repeated_NK[:, origin]
        counted_RK = present_NK[image_R] & repeated_NK[image_R]
        deviation_RK *= counted_RK / np.maximum(1, present_NK.sum(axis=0))
        photo_R, training_P = np.arange(len(image_R)), training_R
        if group_N is not None:
            trainings = int(training_R.max(initial=0)) + 1
            photo_R, pairs = pd.factorize(training_R + trainings * group_N[image_R])
            training_P = pairs % trainings
        photo_PK, counted_PK = _sums(photo_R, deviation_RK), _sums(photo_R, counted_RK) > 0
        n_TK = _sums(training_P, counted_PK)
        scale_TK = np.sqrt(n_TK / np.maximum(1, n_TK - 1))
        repeated_K = np.asarray((repeated_NK | ~present_NK).all(axis=0))
        return cls(_sums(training_P, photo_PK) * scale_TK, photo_PK * scale_TK[training_P], repeated_K)

    def variances(self, columns: Sequence[int], weights_KI: Values) -> Values:
        """Return the variances of linear combinations of means over trainings, shape (I,); see above."""
        gross_I = ((self.training_TK[:, columns] @ weights_KI) ** 2).sum(axis=0)
        net_I: Values = gross_I - ((self.photo_PK[:, columns] @ weights_KI) ** 2).sum(axis=0)
        return net_I

    def column_variances(self) -> Values:
        """Return the variances of the means over trainings, shape (K,)."""
        variance_K: Values = (self.training_TK**2).sum(axis=0) - (self.photo_PK**2).sum(axis=0)
        return variance_K

    def errors(self, columns: Sequence[int], weights_KI: Values, normal_BT: Values) -> Values:
        """Return errors of linear combinations of means, from standard normal numbers of each training, shape (B, I).

        Their variances are those of `variances`, cut at 0.
        """
        training_TI = self.training_TK[:, columns] @ weights_KI
        gross_I, net_I = (training_TI**2).sum(axis=0), self.variances(columns, weights_KI)
        share_I = np.divide(np.maximum(net_I, 0), gross_I, out=np.zeros_like(gross_I), where=gross_I > 0)
        errors_BI: Values = normal_BT @ (training_TI * np.sqrt(share_I))
        return errors_BI


def training_noise(
    predictions: pd.DataFrame,
    wide: pd.DataFrame,
    origins: Sequence[int | None],
    present_NK: NDArray[np.bool_],
    group_N: Codes | None = None,
) -> TrainingNoise | None:
    """Compute the errors that are due to trainings; None if no model was trained more than once.

    Args:
        predictions: with `repeat` and perhaps `fold` of PREDICTIONS; an empty `repeat` is 0.
        wide: their accuracies by source image and cell.
        origins: the column of the original that each is compared with; None: it is not.
        present_NK: whether each image is in the mean of each column.
        group_N: the number of each image's group; None: each is its own.
    """
    if "repeat" not in predictions or not (predictions["repeat"].fillna(0) > 0).any():
        return None
    keys = ["fold", "repeat", "image_id"]
    fold = predictions.get("fold", pd.Series(0, predictions.index))
    numbered = predictions.assign(fold=fold, repeat=predictions["repeat"].fillna(0).astype(np.int64))
    accuracies = image_accuracies(numbered, list(map(str, wide.columns.names[2:])), keys).reindex(columns=wide.columns)
    image_R = wide.index.get_indexer(accuracies.index.get_level_values("image_id"))
    training_R = accuracies.groupby(level=keys[:2]).ngroup()
    values_RK = accuracies.to_numpy(np.float64)
    return TrainingNoise.of(values_RK, image_R, np.asarray(training_R, np.intp), origins, present_NK, group_N)


def over(noise: TrainingNoise | None, columns: Sequence[int]) -> str:
    """Return what an interval of a function of some columns is over."""
    return TRAININGS if noise is not None and noise.repeated_K[list(columns)].all() else PHOTOGRAPHS


def _deviations(values_RK: Values, image_R: Codes, images: int) -> tuple[Values, NDArray[np.bool_]]:
    """Return (x_jr − x_j) / √(k (k − 1)), 0 where k < 2, and whether k > 1 for each image and column."""
    present_RK = ~np.isnan(values_RK)
    count_NK = _sums(image_R, present_RK, images)
    mean_NK = _sums(image_R, np.where(present_RK, values_RK, 0.0), images) / np.maximum(1, count_NK)
    k_RK = count_NK[image_R]
    used_RK = present_RK & (k_RK > 1)
    scaled_RK = (values_RK - mean_NK[image_R]) / np.sqrt(np.maximum(1, k_RK * (k_RK - 1)))
    return np.where(used_RK, scaled_RK, 0.0), count_NK > 1


def _sums(code_R: Codes, values_RK: Values | NDArray[np.bool_], codes: int | None = None) -> Values:
    """Sum rows with the same code, 0 … codes − 1."""
    shape = (int(code_R.max(initial=-1)) + 1 if codes is None else codes, len(code_R))
    member = sparse.csr_array((np.ones(len(code_R)), (code_R, np.arange(len(code_R)))), shape=shape)
    return np.asarray(member @ values_RK.astype(np.float64), np.float64)
