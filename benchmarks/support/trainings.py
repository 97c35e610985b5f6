"""Simulated verdicts of networks that differ by training, and how often intervals of S_robust hold (`intervals.py`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from support.coverage import POSTER, RESAMPLES
from support.settings import Values
from xray.statistics.robustness.cells import halves
from xray.statistics.robustness.loss import Losses
from xray.statistics.robustness.paired import PairedTable, origins
from xray.statistics.robustness.trainings import TrainingNoise

SCENARIOS = ("blur", "grey", "segmented")
CELLS = [("original", "original"), *(("original", s) for s in SCENARIOS), *((s, s) for s in SCENARIOS)]
COLUMNS = pd.MultiIndex.from_tuples([("m", *cell) for cell in CELLS], names=["model", "trained_on", "scenario"])
EASE, LUCK = 0.9, 0.3


@dataclass(frozen=True)
class Trainings:
    """A setting: a photograph is right if its ease, its luck and its network's quality exceed a threshold.

    Args:
        folds: number of folds.
        repeats: trainings of each.
        loss: what every scenario costs, in standard deviations of the ease.
        photographs: number of photographs.
        sd: of the accuracy of one training over all folds.
    """

    folds: int
    repeats: int
    loss: float
    photographs: int = 600
    sd: float = 0.02

    @property
    def quality_sd(self) -> float:
        """The standard deviation of the quality of the network of one fold."""
        return float(self.sd * self.folds**0.5 / norm.pdf(EASE))

    @property
    def truth(self) -> float:
        """The true loss: of accuracies over all photographs and trainings."""
        spread = np.sqrt(1 + LUCK**2 + self.quality_sd**2)
        return float(2 * (norm.cdf((EASE - self.loss) / spread) - norm.cdf(EASE / spread)) ** 2)

    def simulated(self, generator: np.random.Generator) -> Values:
        """Return verdicts, shape (repeats, photographs, cells)."""
        shape = (self.repeats, self.photographs)
        fold_N = np.arange(self.photographs) % self.folds
        network = {
            on: generator.normal(scale=self.quality_sd, size=(self.repeats, self.folds))[:, fold_N]
            for on in ("original", *SCENARIOS)
        }
        threshold_K = np.array([self.loss * (scenario != "original") - EASE for _, scenario in CELLS])
        ease_N, luck = generator.normal(size=shape[1])[:, None], generator.normal(scale=LUCK, size=(*shape, len(CELLS)))
        quality = np.stack([network[on] for on, _ in CELLS], axis=-1)
        verdicts: Values = (ease_N + luck + quality > threshold_K).astype(float)
        return verdicts

    def losses(self, verdicts_RNK: Values) -> Losses:
        """Return the losses of one simulation."""
        repeats, photographs, cells = verdicts_RNK.shape
        wide = pd.DataFrame(verdicts_RNK.mean(axis=0), columns=COLUMNS)
        paired = PairedTable.of(wide, "original")
        image_R, repeat_R = np.tile(np.arange(photographs), repeats), np.repeat(np.arange(repeats), photographs)
        training_R = image_R % self.folds + self.folds * repeat_R
        pairs, present_NK = origins(paired.column, "original"), ~np.isnan(paired.values_NK)
        noise = TrainingNoise.of(verdicts_RNK.reshape(-1, cells), image_R, training_R, pairs, present_NK)
        (model,) = halves(wide, "original", POSTER)
        return Losses(replace(paired, noise=noise), [(model.cross, model.inner)], POSTER.power)

    def coverage(self, runs: int, seed: int) -> tuple[float, float, float]:
        """Return how often intervals hold the truth, their mean width, and the bias of the debiased loss."""
        bounds, debiased = [], []
        for run in range(runs):
            losses = self.losses(self.simulated(np.random.Generator(np.random.PCG64([seed, run, 79]))))
            bounds.append(losses.intervals("shift", RESAMPLES, run, 0.95)[:, 0])
            debiased.append(losses.total(losses.debiased_MH)[0])
        low_S, high_S = np.array(bounds).T
        held = float(((low_S <= self.truth) & (self.truth <= high_S)).mean())
        return held, float((high_S - low_S).mean()), float(np.mean(debiased) - self.truth)
