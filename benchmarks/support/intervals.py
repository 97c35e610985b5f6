"""How long intervals of S_robust take (see `inference_speed.py`)."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy.special import ndtri

from xray.statistics import s_robusts
from xray.statistics.robustness.bootstrap import image_accuracies

MODELS, SCENARIOS, PHOTOGRAPHS, RESAMPLES = 8, 14, 15_000, 10_000
SHARED = 0.5
MU = 0.95


def simulated(truth: dict[str, tuple[float, float]], models: int, photographs: int, seed: int) -> pd.DataFrame:
    """Predictions of models of the same true accuracies.

    A verdict is right where √SHARED · ease of the photograph + √(1 − SHARED) · chance exceeds what the accuracy needs.
    """
    cells = [("original", "original", MU)]
    cells += [("original", scenario, cross) for scenario, (cross, _) in truth.items()]
    cells += [(scenario, scenario, inner) for scenario, (_, inner) in truth.items()]
    generator = np.random.Generator(np.random.PCG64(seed))
    ease_MN1 = np.sqrt(SHARED) * generator.standard_normal((models, photographs, 1))
    chance_MNK = np.sqrt(1 - SHARED) * generator.standard_normal((models, photographs, len(cells)))
    right_MNK = ease_MN1 + chance_MNK > -ndtri([accuracy for *_, accuracy in cells])
    index = pd.MultiIndex.from_product([range(models), range(photographs), range(len(cells))])
    model, photograph, cell = (np.asarray(index.get_level_values(level)) for level in range(3))
    return pd.DataFrame(
        {
            "model": pd.Categorical.from_codes(model, [f"m{k:04}" for k in range(models)]),
            "trained_on": pd.Categorical([trained_on for trained_on, *_ in cells])[cell],
            "scenario": pd.Categorical([scenario for _, scenario, _ in cells])[cell],
            "image_id": photograph,
            "correct": right_MNK.ravel(),
        }
    )


def bootstrap(tiny: bool) -> dict[str, float]:
    """Seconds from predictions to S_robust with intervals."""
    photographs, resamples = (PHOTOGRAPHS // 100, RESAMPLES // 50) if tiny else (PHOTOGRAPHS, RESAMPLES)
    truth = {f"scenario{k:02}": (0.9 - 0.04 * k, 0.92 - 0.01 * k) for k in range(SCENARIOS)}
    predictions = simulated(truth, MODELS, photographs, 0)
    start = time.perf_counter()
    table = s_robusts(predictions, resamples=resamples)
    ours = time.perf_counter() - start
    values_NK = image_accuracies(predictions).to_numpy()
    generator = np.random.Generator(np.random.PCG64(0))
    start = time.perf_counter()
    for _ in range(10):
        values_NK[generator.integers(0, photographs, photographs)].mean(axis=0)
    picking = (time.perf_counter() - start) / 10 * resamples
    print(table[["model", "s_robust", "ci_low", "ci_high"]].round(4).to_string(index=False))
    print(
        f"bootstrap: {len(predictions):,} predictions on {photographs:,} photographs, {values_NK.shape[1]} columns, "
        f"{resamples:,} resamples: {ours:.1f} s; by picking rows {picking:.0f} s",
        flush=True,
    )
    return {"bootstrap_s": ours, "picking_vs_bootstrap": picking / ours}
