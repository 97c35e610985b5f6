"""Paired comparisons of two models on the same images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import chi2
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from xray.core.errors import ConfigError, unknown
from xray.statistics.robustness.bootstrap import Method, Values, columns_of, image_accuracies, paired_differences
from xray.statistics.robustness.by_model import bootstrap_of, by_image
from xray.statistics.robustness.cells import halves
from xray.statistics.robustness.s_robust import About, Definition, Power, Reading

Pairs = Sequence[tuple[str, str]]
EXACT_BELOW = 25
"""With fewer discordant images, McNemar's test is exact (binomial distribution)."""


def compare(
    predictions: pd.DataFrame,
    pairs: Pairs | None = None,
    method: Method = "percentile",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute differences in accuracy between models in every scenario, paired by source image.

        difference = mean over images of (accuracy of the first − accuracy of the second)

    over the images that both were tested on. Intervals by bootstrap over these images, with the same resamples for all
    rows. P by McNemar's test (1947) of the images that only one model classifies correctly: exact below 25 of them,
    else χ² with continuity correction. If variants of an image differ in verdict, by Durkalski's test for clustered
    data (Statistics in Medicine 2003, 22:2417): (Σ d)² / Σ d², d an image's difference, is χ² with one degree of
    freedom. `p_holm` is adjusted (Holm 1979) for all rows of the table.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        pairs: (first, second) model names; default: all pairs. Only models with the same training are compared.
        method: of the interval, `percentile` or `bca`.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (trained_on, scenario, first, second): `accuracy_first`, `accuracy_second`, `difference` (−1 … 1),
        `ci_low`, `ci_high`, `n_images`, `first_better` and `second_better` (images), `test` (`exact`, `chi2`,
        `clustered`), `p`, `p_holm`. Pairs without a common image have no row; no interval (NaN) with a single image.

    Raises:
        ConfigError: an unknown model or method, or no two models that share an image.

    >>> rows = pd.DataFrame([(m, f"i{k}", m == "a" or k < 2) for m in "ab" for k in range(8)],
    ...                     columns=["model", "image_id", "correct"])
    >>> table = compare(rows.assign(trained_on="pretrained", scenario="grey"))
    >>> table[["first", "second", "difference", "first_better", "test", "p"]].values.tolist()
    [['a', 'b', 0.75, 6, 'exact', 0.03125]]
    """
    wide = image_accuracies(predictions)
    rows = _rows(pairs, columns_of(wide))
    first_NR = wide[[(first, *cell) for *cell, first, _ in rows]].to_numpy()
    second_NR = wide[[(second, *cell) for *cell, _, second in rows]].to_numpy()
    common_R = (~np.isnan(first_NR - second_NR)).any(axis=0)
    if not common_R.any():
        raise ConfigError("no two of these models have the same training and predictions on the same images")
    first_NR, second_NR = first_NR[:, common_R], second_NR[:, common_R]
    frame = pd.DataFrame(itertools.compress(rows, common_R), columns=["trained_on", "scenario", "first", "second"])
    sides_NR = {"accuracy_first": first_NR, "accuracy_second": second_NR}
    differences = paired_differences(sides_NR, first_NR - second_NR, "difference", resamples, seed, confidence, method)
    frame = pd.concat([frame, differences], axis=1)
    tests = [paired_test(*sides) for sides in zip(first_NR.T, second_NR.T, strict=True)]
    frame[["first_better", "second_better", "test", "p"]] = pd.DataFrame(tests, index=frame.index)
    frame["p_holm"] = _holm(frame["p"])
    return frame


def compare_s_robust(
    predictions: pd.DataFrame,
    pairs: Pairs | None = None,
    reference: str = "original",
    reading: Reading = "poster",
    about: About | None = None,
    power: Power | None = None,
    method: Method = "bca",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute differences in S_robust between models, by the same resamples of source images as `s_robusts`.

    `p` is by the percentile bootstrap (`Bootstrap.p_values`), at least 2 / (resamples + 1); `p_holm` is
    adjusted (Holm 1979) for all rows of the table.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        pairs: (first, second) model names; default: all pairs. Only models with the same training are compared.
        reference: the scenario with the unchanged photograph; this and the following as in `s_robusts`.
        reading: `poster` or `class_scenario`.
        about: centre of the squares.
        power: `variance` or `std`.
        method: of the interval.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (trained_on, first, second) that both have an S_robust: `s_robust_first`, `s_robust_second`,
        `difference`, `ci_low`, `ci_high`, `p`, `p_holm`.

    Raises:
        ConfigError: as `s_robusts`; no two models have an S_robust, or two were tested on different scenarios (or
            classes, for `class_scenario`).

    >>> cells = [("original", "original", 8), ("original", "grey", 6), ("grey", "grey", 7)]
    >>> rows = [(m, t, s, k, k < n - (s == "grey" and m == "b")) for m in "ab" for t, s, n in cells for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "image_id", "correct"])
    >>> table = compare_s_robust(predictions)
    >>> table[["first", "second", "s_robust_first", "s_robust_second", "difference"]].round(3).values.tolist()
    [['a', 'b', 0.922, 0.797, 0.125]]
    """
    definition = Definition.of(reading, about, power)
    wide = by_image(predictions, reading)
    models = [model for model in halves(wide, reference, definition) if not model.missing]
    series = [(model.model, model.trained_on) for model in models]
    rows = _rows(pairs, series)
    if not rows:
        raise ConfigError("no two of these models have both halves of S_robust")
    left = [series.index((first, trained_on)) for trained_on, first, _ in rows]
    right = [series.index((second, trained_on)) for trained_on, _, second in rows]
    tested = [{wide.columns[k][2:] for group in model.cross for k in group} for model in models]
    for (_, first, second), a, b in zip(rows, left, right, strict=True):
        if only_one := sorted(tested[a] ^ tested[b]):
            raise ConfigError(
                f"S_robust of {first!r} and {second!r} is not comparable: only one of them was tested on "
                f"{', '.join(only_one[0])!r}"
            )
    values = bootstrap_of(models, definition, wide, resamples, seed)
    differences = values.then(lambda values_BM: values_BM[:, left] - values_BM[:, right])
    frame = pd.DataFrame(rows, columns=["trained_on", "first", "second"])
    frame["s_robust_first"], frame["s_robust_second"] = values.estimate_K[left], values.estimate_K[right]
    frame["difference"] = differences.estimate_K
    frame["ci_low"], frame["ci_high"] = differences.interval(method, confidence)
    frame["p"] = differences.p_values()
    frame["p_holm"] = _holm(frame["p"])
    return frame


def paired_test(first_N: Values, second_N: Values) -> tuple[int, int, str, float]:
    """Test whether two models have the same accuracy; see `compare` for the tests.

    Args:
        first_N: accuracy of the first model on every image, shape (N,); NaN for untested images.
        second_N: accuracy of the second model.

    Returns:
        Number of images on which the first is better, and the second; name of the test; P value.

    >>> paired_test(np.array([1.0] * 10 + [0.0]), np.array([0.0] * 8 + [1.0] * 3))
    (8, 1, 'exact', 0.0390625)
    """
    both_N = ~np.isnan(first_N - second_N)
    first_N, second_N = first_N[both_N], second_N[both_N]
    difference_N = first_N - second_N
    better, worse = int((difference_N > 0).sum()), int((difference_N < 0).sum())
    if np.isin([first_N, second_N], (0.0, 1.0)).all():
        exact = better + worse < EXACT_BELOW
        p = float(mcnemar([[0, better], [worse, 0]], exact=exact, correction=True).pvalue)
        return better, worse, "exact" if exact else "chi2", p
    squares = float((difference_N**2).sum())
    statistic = float(difference_N.sum()) ** 2 / squares if squares else 0.0
    return better, worse, "clustered", float(chi2.sf(statistic, 1))


def _rows(pairs: Pairs | None, cells: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return (trained_on, …, first, second) of the pairs of models that both have a cell (model, trained_on, …)."""
    names = list(dict.fromkeys(model for model, *_ in cells))
    for name in itertools.chain.from_iterable(pairs or ()):
        if name not in names:
            raise unknown("model", name, names)
    known = {*cells}
    return [
        (*cell, first, second)
        for cell in dict.fromkeys(cell[1:] for cell in cells)
        for first, second in (itertools.combinations(names, 2) if pairs is None else pairs)
        if {(first, *cell), (second, *cell)} <= known
    ]


def _holm(p: pd.Series) -> Values:
    adjusted: Values = multipletests(p.to_numpy(), method="holm")[1]
    return adjusted
