"""Two models on the same images: how much they differ, and whether by more than chance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from xray.core.errors import XrayError, unknown
from xray.statistics.robustness.bootstrap import Bootstrap, Method, column_means, columns_of, image_accuracies
from xray.statistics.robustness.by_model import by_image, found_halves, values_of
from xray.statistics.robustness.s_robust import About, Power, Reading, checked_reading

Values = NDArray[np.float64]
Pairs = Sequence[tuple[str, str]]
EXACT_BELOW = 25
"""Images on which two models disagree: fewer are counted out exactly (the binomial distribution)."""


def compare(
    predictions: pd.DataFrame,
    pairs: Pairs | None = None,
    method: Method = "percentile",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Differences in accuracy between models, paired by source image, in every scenario.

        difference = mean over images of (accuracy of the first − accuracy of the second)

    over the images that both were asked about. Intervals by bootstrap over these images, the same resamples for all
    rows. P by McNemar's test (1947) of the images that one model gets right and the other wrong: exact below 25 of
    them, else χ² with continuity correction. Where images have several variants that differ in verdict, by Durkalski's
    test for clusters (Statistics in Medicine 2003, 22:2417): (Σ d)² / Σ d², d an image's difference, is χ² with one
    degree of freedom. `p_holm` is adjusted (Holm 1979) for all rows of the table.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        pairs: (first, second) by name; default: all pairs. Models are compared with those trained on the same.
        method: of the interval, `percentile` or `bca`.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: of the interval, inside (0, 1).

    Returns:
        One row a (trained_on, scenario, first, second): `accuracy_first`, `accuracy_second`, `difference` (−1 … 1),
        `ci_low`, `ci_high`, `n_images`, `first_better` and `second_better` (images), `test` (`exact`, `chi2`,
        `clustered`), `p`, `p_holm`. Pairs without a common image have no row; no interval (NaN) with a single image.

    Raises:
        XrayError: no such model or method, or no two models that share an image.

    >>> rows = pd.DataFrame([(m, f"i{k}", m == "a" or k < 2) for m in "ab" for k in range(8)],
    ...                     columns=["model", "image_id", "correct"])
    >>> found = compare(rows.assign(trained_on="pretrained", scenario="grey"))
    >>> found[["first", "second", "difference", "first_better", "test", "p"]].values.tolist()
    [['a', 'b', 0.75, 6, 'exact', 0.03125]]
    """
    wide = image_accuracies(predictions)
    place = {column: k for k, column in enumerate(columns_of(wide))}
    wanted = _pairs(pairs, [model for model, *_ in place])
    rows = [
        (trained_on, scenario, first, second)
        for trained_on, scenario in dict.fromkeys(column[1:] for column in place)
        for first, second in wanted
        if {(first, trained_on, scenario), (second, trained_on, scenario)} <= place.keys()
    ]
    values_NK = wide.to_numpy()
    first_NR = values_NK[:, [place[first, trained_on, scenario] for trained_on, scenario, first, _ in rows]]
    second_NR = values_NK[:, [place[second, trained_on, scenario] for trained_on, scenario, _, second in rows]]
    common_NR = ~np.isnan(first_NR - second_NR)
    some = common_NR.any(axis=0)
    if not some.any():
        raise XrayError("no two of these models were trained on the same and asked about the same images")
    first_NR, second_NR = (np.where(common_NR, side, np.nan)[:, some] for side in (first_NR, second_NR))
    kept = [row for row, common in zip(rows, some, strict=True) if common]
    frame = pd.DataFrame(kept, columns=["trained_on", "scenario", "first", "second"])
    frame["accuracy_first"], frame["accuracy_second"] = column_means(first_NR), column_means(second_NR)
    drawn = Bootstrap.of_means(first_NR - second_NR, resamples, seed)
    frame["difference"] = drawn.estimate_K
    frame["ci_low"], frame["ci_high"] = drawn.interval(method, confidence)
    frame["n_images"] = common_NR[:, some].sum(axis=0)
    frame.loc[frame["n_images"] < 2, ["ci_low", "ci_high"]] = np.nan
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
    """Differences in S_robust between models, by the resamples of source images that `s_robusts` uses.

    `p` is that of the percentile bootstrap (`Bootstrap.p_values`), never below 2 / (resamples + 1); `p_holm` is
    adjusted (Holm 1979) for all rows of the table.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        pairs: (first, second) by name; default: all pairs. Models are compared with those trained on the same.
        reference: as the following ones, see `s_robusts`.
        reading: `poster` or `class_scenario`.
        about: what the squares are about.
        power: `variance` or `std`.
        method: of the interval.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: of the interval, inside (0, 1).

    Returns:
        One row a (trained_on, first, second) that both have an S_robust: `s_robust_first`, `s_robust_second`,
        `difference`, `ci_low`, `ci_high`, `p`, `p_holm`.

    Raises:
        XrayError: as `s_robusts`; no two models have an S_robust, or two were not asked about the same scenarios (and
            classes, where the reading has them): then they say different things.

    >>> cells = [("original", "original", 8), ("original", "grey", 6), ("grey", "grey", 7)]
    >>> rows = [(m, t, s, k, k < n - (s == "grey" and m == "b")) for m in "ab" for t, s, n in cells for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "image_id", "correct"])
    >>> found = compare_s_robust(predictions)
    >>> found[["first", "second", "s_robust_first", "s_robust_second", "difference"]].round(3).values.tolist()
    [['a', 'b', 0.922, 0.797, 0.125]]
    """
    about, power = checked_reading(reading, about, power)
    wide = by_image(predictions, reading)
    found = [half for half in found_halves(wide, reference, reading, about) if not half.missing]
    wanted = _pairs(pairs, [half.model for half in found])
    place = {(half.model, half.trained_on): k for k, half in enumerate(found)}
    rows = [
        (trained_on, first, second)
        for trained_on in dict.fromkeys(half.trained_on for half in found)
        for first, second in wanted
        if {(first, trained_on), (second, trained_on)} <= place.keys()
    ]
    if not rows:
        raise XrayError("no two of these models have both halves of S_robust")
    one = [place[first, trained_on] for trained_on, first, _ in rows]
    other = [place[second, trained_on] for trained_on, _, second in rows]
    columns = columns_of(wide)
    asked = [{columns[k][2:] for group in half.cross for k in group} for half in found]
    for (_, first, second), a, b in zip(rows, one, other, strict=True):
        if alone := sorted(asked[a] ^ asked[b]):
            raise XrayError(
                f"S_robust of {first!r} and {second!r} cannot be compared: only one of them was asked about "
                f"{', '.join(alone[0])!r}"
            )
    models = Bootstrap.of_means(wide.to_numpy(), resamples, seed).then(
        partial(values_of, found, about=about, power=power)
    )
    drawn = models.then(lambda values_BM: values_BM[:, one] - values_BM[:, other])
    frame = pd.DataFrame(rows, columns=["trained_on", "first", "second"])
    frame["s_robust_first"], frame["s_robust_second"] = models.estimate_K[one], models.estimate_K[other]
    frame["difference"] = drawn.estimate_K
    frame["ci_low"], frame["ci_high"] = drawn.interval(method, confidence)
    frame["p"] = drawn.p_values()
    frame["p_holm"] = _holm(frame["p"])
    return frame


def paired_test(first_N: Values, second_N: Values) -> tuple[int, int, str, float]:
    """Are two models right equally often? See `compare` for the tests.

    Args:
        first_N: accuracy on every image, shape (N,), NaN where one of both was not asked.
        second_N: of the other model, likewise.

    Returns:
        Images on which the first is better, and the second; name of the test; its P.

    >>> paired_test(np.array([1.0] * 10 + [0.0]), np.array([0.0] * 8 + [1.0] * 3))
    (8, 1, 'exact', 0.0390625)
    """
    difference_N = first_N - second_N
    better, worse = int((difference_N > 0).sum()), int((difference_N < 0).sum())
    verdicts_N = np.concatenate([first_N, second_N])
    if np.isin(verdicts_N[~np.isnan(verdicts_N)], (0.0, 1.0)).all():
        exact = better + worse < EXACT_BELOW
        p = float(mcnemar([[0, better], [worse, 0]], exact=exact, correction=True).pvalue)
        return better, worse, "exact" if exact else "chi2", p
    squares = float(np.nansum(difference_N**2))
    statistic = float(np.nansum(difference_N)) ** 2 / squares if squares else 0.0
    return better, worse, "clustered", float(chi2.sf(statistic, 1))


def _pairs(pairs: Pairs | None, models: Sequence[str]) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(models))
    for name in itertools.chain.from_iterable(pairs or ()):
        if name not in names:
            raise unknown("model", name, names)
    return list(itertools.combinations(names, 2)) if pairs is None else list(pairs)


def _holm(p: pd.Series) -> Values:
    adjusted: Values = multipletests(p.to_numpy(), method="holm")[1]
    return adjusted
