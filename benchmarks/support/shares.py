"""How often intervals of drops and accuracies hold the truth (see `intervals.py`)."""

from __future__ import annotations

import numpy as np

from support.coverage import RESAMPLES, share_held
from support.settings import Setting, Values
from xray.statistics.robustness.bootstrap import Bootstrap
from xray.statistics.robustness.differences import bonett_price
from xray.statistics.robustness.proportions import wilson, wilson_effective


def drop_intervals(setting: Setting, runs: int, seed: int) -> dict[str, Values]:
    """Return intervals of the drop in the first scenario, of each simulation, shape (2, runs)."""
    generator = np.random.Generator(np.random.PCG64([seed, 79]))
    accuracy_NSK = setting.simulated(setting.ease(runs, generator), generator)
    drop_NS = accuracy_NSK[..., 0] - accuracy_NSK[..., 1]
    percentile = Bootstrap.of_means(drop_NS, RESAMPLES, seed).interval("percentile")
    return {"Bonett-Price": bonett_price(drop_NS), "percentile": percentile}


def clear(bounds_2S: Values) -> float:
    """Return the share of intervals above 0."""
    return float((bounds_2S[0] > 0).mean())


def accuracy_coverages(setting: Setting, runs: int, batches: int, seed: int) -> tuple[float, float]:
    """Return how often intervals of the first scenario's accuracy hold it: with effective rows, and with rows."""
    truth, held = float(setting.accuracies_CK[0, 1]), []
    for batch in range(batches):
        generator = np.random.Generator(np.random.PCG64([seed, batch, 80]))
        accuracy_NS = setting.simulated(setting.ease(runs, generator), generator)[..., 1]
        rows_NS = np.full(accuracy_NS.shape, float(setting.variants))
        effective_2S, _ = wilson_effective(accuracy_NS * setting.variants, rows_NS)
        rows_2S = wilson(accuracy_NS.mean(axis=0), rows_NS.sum(axis=0))
        held.append((share_held(effective_2S, truth), share_held(rows_2S, truth)))
    effective, rows = np.mean(held, axis=0)
    return float(effective), float(rows)
