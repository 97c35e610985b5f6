"""How often intervals of drops, accuracies and their ratios hold the truth (see `intervals.py`)."""

from __future__ import annotations

import numpy as np

from support.coverage import RESAMPLES, share_held
from support.settings import Setting, Values
from xray.statistics.robustness.bootstrap import Bootstrap, quantiles, resampled_means
from xray.statistics.robustness.differences import bonett_price
from xray.statistics.robustness.measures import Measure
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


def measure_coverages(setting: Setting, measure: Measure, runs: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return how often intervals of a measure of the scenarios hold it, and their median width, by method.

    The first is its own; `percentile` and `basic` are of a bootstrap. Simulations without a value count as held.
    """
    truth = float(measure.statistic(setting.accuracies_CK[:, 1:])[0, 0])
    generator = np.random.Generator(np.random.PCG64([seed, 81]))
    accuracy_NSK = setting.simulated(setting.ease(runs, generator), generator)[..., 1:]
    bounds: list[list[tuple[float, float]]] = []
    for simulation, accuracy_NK in enumerate(accuracy_NSK.transpose(1, 0, 2)):
        value = float(measure.statistic(accuracy_NK.mean(axis=0, keepdims=True))[0, 0])
        if not np.isnan(value):
            resampled_B1 = measure.statistic(resampled_means(accuracy_NK, RESAMPLES, simulation))
            (low,), (high,) = quantiles(resampled_B1, np.array([[0.025], [0.975]]))
            bounds.append([measure.interval(accuracy_NK, None, 0.95), (low, high), (2 * value - high, 2 * value - low)])
    missing = runs - len(bounds)
    methods = dict(zip(("own", "percentile", "basic"), np.array(bounds).transpose(1, 2, 0), strict=True))
    return {
        name: ((share_held(b_2S, truth) * len(bounds) + missing) / runs, float(np.median(b_2S[1] - b_2S[0])))
        for name, b_2S in methods.items()
    }
