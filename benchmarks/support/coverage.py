"""How often intervals of S_robust hold the truth (see `intervals.py`)."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from support.settings import Setting, Values
from xray.statistics.robustness.cells import Half, halves
from xray.statistics.robustness.loss import Losses, LossMethod
from xray.statistics.robustness.paired import PairedTable
from xray.statistics.robustness.s_robust import Definition

BATCH, RESAMPLES = 50, 1000
POSTER = Definition("poster", "mu", "variance")
Method = LossMethod | Literal["bare"]
"""`bare`: `shift` without pseudo-photographs."""


class BareHalf(Half):
    """A half without pseudo-photographs."""

    def pseudo_variances(self, present_GK: np.ndarray) -> Values:
        """Return zeros."""
        return np.zeros(self.weights_KI.shape[1])


@dataclass(frozen=True)
class Simulation:
    """Losses of the simulations of a setting, in batches that share their resamples."""

    setting: Setting
    definition: Definition = POSTER

    @functools.cached_property
    def halves(self) -> list[Half]:
        """The halves of one simulation."""
        wide = pd.DataFrame(self.setting.accuracies_CK.T.reshape(1, -1), columns=self.setting.cells)
        (model,) = halves(wide, "original", self.definition)
        return [half for half in (model.cross, model.inner) if half]

    def paired(self, accuracy_NSK: Values) -> Values:
        """Return the columns of a paired table, shape (N, S, J): gains on the original, by category."""
        gain_NSK = np.concatenate([accuracy_NSK[..., :1], accuracy_NSK[..., 1:] - accuracy_NSK[..., :1]], axis=-1)
        if not (categories := self.setting.categories):
            return gain_NSK
        category_N = np.arange(len(gain_NSK)) % categories
        paired_NSKC = np.full((*gain_NSK.shape, categories), np.nan)
        paired_NSKC[np.arange(len(gain_NSK)), ..., category_N] = gain_NSK
        return paired_NSKC.reshape(*gain_NSK.shape[:2], -1)

    def losses(self, paired_NSJ: Values, half: type[Half] = Half) -> Losses:
        """Return the losses of simulations."""
        n_photographs, simulations, n_columns = paired_NSJ.shape
        table = PairedTable({}, paired_NSJ.reshape(n_photographs, -1))
        models = [
            [half(tuple(s * n_columns + k for k in part.columns), part.weights_KI) for part in self.halves]
            for s in range(simulations)
        ]
        return Losses(table, models, self.definition.power)

    def truth(self) -> float:
        """Return the true loss, 1 − S_robust."""
        losses = self.losses(self.paired(self.setting.accuracies_CK[:, None]))
        return float(losses.total(losses.plug_in_MH)[0])

    def batches(self, runs: int, seed: int) -> Iterator[tuple[int, Values]]:
        """Yield the seed of the resamples of each batch, and its paired accuracies."""
        for batch, size in sized(runs):
            generator = np.random.Generator(np.random.PCG64([seed, batch, 77]))  # others than those of the resamples
            ease_NS = self.setting.ease(size, generator)
            yield 1000 * seed + batch, self.paired(self.setting.simulated(ease_NS, generator))


@dataclass(frozen=True)
class Result:
    """What the simulations of a setting gave; losses are 1 − S_robust.

    Args:
        definition: reading of S_robust.
        truth: true loss.
        held: by method, the share of intervals that hold it.
        width: by method, their mean width.
        plug_in: estimate of each simulation.
        debiased: estimate of each simulation.
    """

    definition: Definition
    truth: float
    held: dict[Method, float]
    width: dict[Method, float]
    plug_in: Values
    debiased: Values


def measured(simulation: Simulation, methods: Sequence[Method], runs: int, seed: int) -> Result:
    """Measure intervals."""
    truth, plug_in, debiased = simulation.truth(), [], []
    bounds: dict[Method, list[Values]] = {method: [] for method in methods}
    for resample_seed, paired_NSJ in simulation.batches(runs, seed):
        losses = simulation.losses(paired_NSJ)
        plug_in.append(losses.total(losses.plug_in_MH))
        debiased.append(losses.total(losses.debiased_MH))
        for method in methods:
            if method == "bare":
                found_2S = simulation.losses(paired_NSJ, BareHalf).intervals("shift", RESAMPLES, resample_seed, 0.95)
            else:
                found_2S = losses.intervals(method, RESAMPLES, resample_seed, 0.95)
            bounds[method].append(found_2S)
    joined = {method: np.concatenate(parts, axis=1) for method, parts in bounds.items()}
    held = {method: share_held(bounds_2S, truth) for method, bounds_2S in joined.items()}
    width = {method: float(np.nanmean(high_S - low_S)) for method, (low_S, high_S) in joined.items()}
    return Result(simulation.definition, truth, held, width, np.concatenate(plug_in), np.concatenate(debiased))


def differences(first: Setting, second: Setting, method: LossMethod, runs: int, seed: int) -> tuple[float, float]:
    """Return how often intervals of the difference of two models hold the true one, and their mean width.

    The models are tested on the same photographs, of the same ease.
    """
    sides, bounds = [Simulation(first), Simulation(second)], []
    truth = sides[1].truth() - sides[0].truth()
    for batch, size in sized(runs):
        generator = np.random.Generator(np.random.PCG64([seed, batch, 78]))
        ease_NS = first.ease(size, generator)
        paired_NSJ = np.concatenate([side.paired(side.setting.simulated(ease_NS, generator)) for side in sides], axis=1)
        loss = sides[0].losses(paired_NSJ).bootstrap(method, RESAMPLES, 1000 * seed + batch)
        difference = loss.then(lambda loss_BM, n=size: loss_BM[:, n:] - loss_BM[:, :n])  # type: ignore[misc]
        bounds.append(difference.interval("percentile" if method == "shift" else method))
    low_S, high_S = np.concatenate(bounds, axis=1)
    return share_held(np.array([low_S, high_S]), truth), float(np.nanmean(high_S - low_S))


def sized(runs: int) -> Iterator[tuple[int, int]]:
    """Yield number and size of each batch."""
    for batch in range(-(-runs // BATCH)):
        yield batch, min(BATCH, runs - batch * BATCH)


def share_held(bounds_2S: Values, truth: float) -> float:
    """Return the share of intervals that hold the truth; limits of NaN do not."""
    return float(((bounds_2S[0] <= truth + 1e-12) & (truth <= bounds_2S[1] + 1e-12)).mean())
