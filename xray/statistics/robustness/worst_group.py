"""The worst of several groups, with an interval that allows for having chosen it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import SERIES, Bootstrap
from xray.statistics.robustness.complete_cases import complete_cases
from xray.statistics.robustness.proportions import wilson_effective


def worst_groups(
    predictions: pd.DataFrame,
    scenarios: Sequence[str],
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Find the scenario with the lowest accuracy of each model, over the photographs that have all of them.

    The lowest of several accuracies is too low by chance. The minimum of each bootstrap sample is lower still:
    `corrected` = 2 · lowest − mean of these minima, cut to 0 … 1. Of 12 groups that are equal in truth this removes
    about half of the bias (60 photographs: −0.08 becomes −0.04), of different ones nearly all of it.

    The interval is exact (Clopper & Pearson 1934, Biometrika 26:404) with an upper bound that allows for the choice
    among all groups (Bonferroni), so that it contains the lowest true accuracy at least as often as stated, also near
    0 and 1 and with few photographs. The price is its width: among very different groups it is too wide. In
    simulations (20 to 200 photographs, 12 or 18 groups) it contained the lowest true accuracy in 96 to 100 % of cases,
    a basic bootstrap interval in 84 to 99 %, and of true accuracies up to 0.1 in 1 to 87 %. Photographs with the same
    name in a column `group` count as what they are worth (`n_effective` of `accuracy_table`).

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        scenarios: the groups, at least one.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on) with all scenarios: `scenario` (of ties the first), `accuracy`, `corrected`,
        `ci_low`, `ci_high` (NaN for a single photograph or `group`), `mean` (of all groups), `n_groups`, `n_images` and
        `n_left_out` (photographs of `predictions` that lack a group, or all).

    >>> rows = [(name, k, k < right) for name, right in (("a", 9), ("b", 6)) for k in range(10)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = worst_groups(predictions.assign(model="m", trained_on="pretrained"), ["a", "b"])
    >>> table[["scenario", "accuracy", "mean", "n_images"]].values.tolist()
    [['b', 0.6, 0.75, 10]]
    """
    names = [*SERIES, "scenario", "accuracy", "corrected", "ci_low", "ci_high", "mean", "n_groups", "n_images",
             "n_left_out"]  # fmt: skip
    rows = []
    for cases in complete_cases(predictions, [scenarios]):
        values_NG, n_images, n_groups = cases.accuracy_NS, *cases.accuracy_NS.shape
        if not n_images:
            continue
        resampled = Bootstrap.of_means(values_NG, resamples, seed, cases.group_N)
        lowest = resampled.then(lambda mean_BG: mean_BG.min(axis=1, keepdims=True))
        estimate = float(lowest.estimate_K[0])
        worst = int(values_NG.mean(axis=0).argmin())
        _, n_1 = wilson_effective(values_NG[:, [worst]], np.ones((n_images, 1)), cases.group_N)
        low, high = _exact_interval(estimate, float(n_1[0]), n_groups, confidence)
        rows.append((
            *cases.series,
            scenarios[worst],
            estimate,
            float(np.clip(2 * estimate - lowest.resampled_BK.mean(), 0, 1)),
            low,
            high,
            float(values_NG.mean()),
            n_groups,
            n_images,
            cases.left_out,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _exact_interval(lowest: float, n: float, groups: int, confidence: float) -> tuple[float, float]:
    """Return the bounds of the lowest true accuracy of some groups, from the lowest observed one; NaN for n = 1."""
    from scipy.stats import beta  # slow import

    if n < 2:
        return np.nan, np.nan
    right, tail = lowest * n, 0.5 - validate_confidence(confidence) / 2
    low = beta.ppf(tail, right, n - right + 1) if right > 0 else 0.0
    high = beta.isf(tail / groups, right + 1, n - right) if right < n else 1.0
    return float(low), float(high)
