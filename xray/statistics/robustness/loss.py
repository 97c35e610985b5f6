"""Losses as mean squares: without bias, and with intervals that hold where losses are small.

The halves of S_robust are mean squares v = (1/n) Σ_i p_i² of centred accuracies p_i, which are linear in means over
photographs. Squares of means are too large on average, by the variance of these means:

    E v = v_true + β,    β = (1/n) Σ_i Var(p_i)

- `debiased`: v − β with the unbiased estimate of β, which makes it a U-statistic: (1/n) Σ_i Σ_{j≠k} p_ij p_ik / (N (N −
  1)) for N photographs with p_ij each. It is right on average, however the scenarios are correlated, and may be
  negative.
- the interval `shift`: a resample has the errors of the sample and once more as large ones of its own, so that its v is
  too large by 2 β. The limits are quantiles of v − 2 β over the resamples, cut at 0. It errs on the safe side where
  nothing or little is lost.
- pseudo-photographs: where few or no verdicts change, resamples have too small an error, or none. As in the interval of
  a drop by Bonett and Price, two photographs are added to what errors are of, one lost and one gained: resamples get a
  normal error of variance τ_i² = 2 / N² in p_i (`Half.pseudo_variances`), correlated by ½ over scenarios, since many
  photographs that are lost are lost in several. v is then too large by the mean of τ_i², too, which is subtracted.
- trainings: where these were repeated, their errors count, too (`xray.statistics.robustness.trainings`): β contains
  the variance that they add to p_i, and resamples get normal errors of that variance, which is subtracted likewise.

With S_robust = 1 − (v_cross + v_inner) these are an estimate and an interval of S_robust; where the roots of v are
summed (`power: std`), v − β and v − 2 β are cut at 0 first. So a half that loses nothing adds to the roots of nearly
all resamples, and would raise the lower limit if the other half loses something: where the lower quantile of v − 2 β is
above 0 in one half alone, the lower limit is that of this half.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xray.core.errors import unknown
from xray.statistics.robustness.bootstrap import Bootstrap, Values, column_means, quantiles
from xray.statistics.robustness.cells import Half
from xray.statistics.robustness.paired import PairedTable
from xray.statistics.robustness.s_robust import Power

LossMethod = Literal["shift", "bca", "percentile"]
LOSS_METHODS = ("shift", "bca", "percentile")


@dataclass(frozen=True)
class Losses:
    """The losses of M models, each the sum of its halves' variances, or of the roots of these.

    Args:
        paired: accuracies by source image.
        models: the halves of each model, all of the same number H.
        power: `variance` or `std`.
    """

    paired: PairedTable
    models: Sequence[Sequence[Half]]
    power: Power

    @functools.cached_property
    def means_K(self) -> Values:
        """Means over source images, shape (K,)."""
        return column_means(self.paired.values_NK)

    @functools.cached_property
    def plug_in_MH(self) -> Values:
        """Mean squares as published, shape (M, H); NaN for a missing half."""
        plug_in_MH: Values = self._variances(self.means_K[None])[0]
        return plug_in_MH

    @property
    def bias_MH(self) -> Values:
        """Their bias β, shape (M, H): the mean variance over photographs, and over trainings if these were repeated."""
        bias_MH: Values = self._photograph_bias_MH + self._training_bias_MH
        return bias_MH

    @property
    def debiased_MH(self) -> Values:
        """Mean squares without bias, shape (M, H); below 0: no loss that could be distinguished from chance."""
        return self.plug_in_MH - self.bias_MH

    def total(self, variance_XH: Values) -> Values:
        """Return losses of variances of any leading shape: their sum, or the sum of their roots, cut at 0 before."""
        terms_XH = np.sqrt(np.maximum(variance_XH, 0)) if self.power == "std" else variance_XH
        total_X: Values = terms_XH.sum(axis=-1)
        return total_X

    def resampled(self, resamples: int, seed: int) -> Values:
        """Return the loss of each resample less that of its noise, shape (B, M): the resamples of `shift`, uncut."""
        return self.total(self._resampled_halves(resamples, seed))

    def _resampled_halves(self, resamples: int, seed: int) -> Values:
        """Return the mean squares of each resample less those of its noise, shape (B, M, H)."""
        means_BK = self.paired.bootstrap(resamples, seed).resampled_BK
        generator = np.random.Generator(np.random.PCG64([seed, 1]))  # others than those of the resamples
        shifted = [self._with_more_errors(model, means_BK, generator) for model in self.models]
        bias_MH = 2 * self._photograph_bias_MH + self._training_bias_MH
        halves_BMH: Values = np.array(shifted).reshape(*self._shape, resamples).transpose(2, 0, 1) - bias_MH
        return halves_BMH

    def bootstrap(self, method: LossMethod, resamples: int, seed: int) -> Bootstrap:
        """Return the bootstrap of the losses: for `shift` without bias (and without a jackknife), else as published."""
        if method == "shift":
            nothing_M = np.empty((0, len(self.models)))
            return Bootstrap(self.total(self.debiased_MH), self.resampled(resamples, seed), nothing_M)
        bootstrap = self.paired.bootstrap(resamples, seed)
        return bootstrap.then(lambda means_BK: self.total(self._variances(means_BK)))

    def intervals(self, method: LossMethod, resamples: int, seed: int, confidence: float) -> Values:
        """Return lower and upper bounds of each loss, shape (2, M); NaN for a missing half or a single image."""
        if method != "shift":
            bounds_2M = self.bootstrap(method, resamples, seed).interval(method, confidence)
        else:
            halves_BMH = self._resampled_halves(resamples, seed)
            low_M, high_M = _central(self.total(halves_BMH), confidence)
            if self.power == "std":
                low_MH = _central(halves_BMH.reshape(resamples, -1), confidence)[0].reshape(self._shape)
                counts_MH = (low_MH > 0) | ~(low_MH > 0).any(axis=1, keepdims=True)
                low_M, _ = _central(self.total(np.where(counts_MH, halves_BMH, 0)), confidence)
            bounds_2M = np.maximum(0, [low_M, high_M])
        bounds_2M[:, np.isnan(self.bias_MH).any(axis=1)] = np.nan
        return bounds_2M

    def _with_more_errors(
        self, model: Sequence[Half], means_BK: Values, generator: np.random.Generator
    ) -> list[Values]:
        """Return the mean squares of each half, shape (B,), with errors that resamples of photographs do not have.

        These are of pseudo-photographs and, if they were repeated, of trainings; their mean squares are subtracted.
        """
        noise, shifted = self.paired.noise, []
        if noise is not None:  # one network is in both halves
            normal_BT = generator.standard_normal((len(means_BK), len(noise.training_TK)))
        for half in model:
            variance_I = half.pseudo_variances(self.paired.present_GK)
            shared_B1, own_BI = (generator.standard_normal((len(means_BK), n)) for n in (1, len(variance_I)))
            errors_BI = np.sqrt(variance_I / 2) * (shared_B1 + own_BI)
            if noise is not None and half:
                errors_BI += noise.errors(half.columns, half.weights_KI, normal_BT)
                variance_I = variance_I + np.maximum(0, noise.variances(half.columns, half.weights_KI))
            shifted.append(half.variance(means_BK, errors_BI) - (variance_I.mean() if half else 0.0))
        return shifted

    @functools.cached_property
    def _photograph_bias_MH(self) -> Values:
        influence_GK = self.paired.influences()
        return np.array([[half.bias(influence_GK) for half in model] for model in self.models]).reshape(self._shape)

    @functools.cached_property
    def _training_bias_MH(self) -> Values:
        noise, bias_MH = self.paired.noise, np.zeros(self._shape)
        for m, h in np.ndindex(*self._shape):
            if noise is not None and (half := self.models[m][h]):
                bias_MH[m, h] = noise.variances(half.columns, half.weights_KI).mean()
        return bias_MH

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.models), len(self.models[0]) if self.models else 0

    def _variances(self, means_BK: Values) -> Values:
        """Return the mean squares of each row of means, shape (B, M, H)."""
        variances = [[half.variance(means_BK) for half in model] for model in self.models]
        return np.array(variances).reshape(*self._shape, len(means_BK)).transpose(2, 0, 1)


def _central(values_BK: Values, confidence: float) -> Values:
    """Return the quantiles between which the share `confidence` of each column's values is, shape (2, K)."""
    tails_21 = np.array([[0.5 - confidence / 2], [0.5 + confidence / 2]])
    return quantiles(values_BK, np.repeat(tails_21, values_BK.shape[1], axis=1))


def validate_loss_method(method: str) -> None:
    """Raise a ConfigError for an unknown kind of interval."""
    if method not in LOSS_METHODS:
        raise unknown("interval `method`", method, LOSS_METHODS)
