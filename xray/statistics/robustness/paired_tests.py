"""Paired comparisons of two models on the same images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError, unknown
from xray.statistics.robustness.bootstrap import SERIES, Codes, Values, columns_of, groups_of, image_accuracies
from xray.statistics.robustness.by_model import by_image
from xray.statistics.robustness.cells import halves
from xray.statistics.robustness.chance import at_chance
from xray.statistics.robustness.differences import holm, paired_differences, paired_tests
from xray.statistics.robustness.loss import Losses, LossMethod, validate_loss_method
from xray.statistics.robustness.paired import paired_table
from xray.statistics.robustness.s_robust import About, Definition, Power, Reading
from xray.statistics.robustness.trainings import training_noise

Pairs = Sequence[tuple[str, str]]


def compare(predictions: pd.DataFrame, pairs: Pairs | None = None, confidence: float = 0.95) -> pd.DataFrame:
    """Compute differences in accuracy between models in every scenario, paired by source image.

        difference = mean over images of (accuracy of the first − accuracy of the second)

    over the images that both were tested on. Intervals and tests are those of `drops`: Bonett and Price's interval, and
    McNemar's exact test of the images that only one model classifies correctly. They take the networks as given, unless
    both were trained more than once (`repeat`): then what another training would change is in them.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, and perhaps `group`.
        pairs: (first, second) model names; default: all pairs. Only models with the same training are compared.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (trained_on, scenario, first, second): `accuracy_first`, `accuracy_second`, `difference` (−1 … 1),
        `ci_low`, `ci_high`, `n_images`, `first_better` and `second_better` (images), `test` (`exact`, or `clustered`
        where variants differ), `p`, and `p_holm`, adjusted for all rows. Pairs without a common image have no row; no
        interval (NaN) with a single image.

    Raises:
        ConfigError: an unknown model, or no two models that share an image.

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
    sides_NR = {"accuracy_first": first_NR[:, common_R], "accuracy_second": second_NR[:, common_R]}
    difference_NR, group_N = (first_NR - second_NR)[:, common_R], groups_of(predictions, wide.index)
    rows = list(itertools.compress(rows, common_R))
    names = pd.DataFrame(rows, columns=["trained_on", "scenario", "first", "second"])
    training_R = _training_variances(predictions, wide, rows, group_N)
    means = paired_differences(sides_NR, difference_NR, "difference", group_N, confidence, training_R)
    tests = paired_tests(difference_NR, group_N, ("first_better", "second_better"), training_R)
    return pd.concat([names, means, tests], axis=1)


def compare_s_robust(
    predictions: pd.DataFrame,
    pairs: Pairs | None = None,
    reference: str = "original",
    reading: Reading = "poster",
    about: About | None = None,
    power: Power | None = None,
    method: LossMethod = "shift",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute differences in debiased S_robust between models, by the same resamples of source images as `s_robusts`.

    By `shift` the values are not cut at 1, so that their difference has no bias, and the interval has the quantiles of
    the differences of the shifted resamples; by `bca` and `percentile` all are of the plug-in. `p` is by the percentile
    bootstrap (`Bootstrap.p_values`), at least 2 / (resamples + 1); `p_holm` is adjusted (Holm 1979) for all rows of
    the table. Models that are not shown to be above chance have no S_robust and are left out (see `at_chance`).

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
    [['a', 'b', 0.964, 0.857, 0.107]]
    """
    definition = Definition.of(reading, about, power)
    validate_loss_method(method)
    wide = by_image(predictions, reading)
    chance = set(at_chance(predictions, reference, confidence)[list(SERIES)].itertuples(index=False, name=None))
    models = [
        model
        for model in halves(wide, reference, definition)
        if not model.missing and (model.model, model.trained_on) not in chance
    ]
    series = [(model.model, model.trained_on) for model in models]
    rows = _rows(pairs, series)
    if not rows:
        raise ConfigError("no two of these models are shown to be above chance and have both halves of S_robust")
    left = [series.index((first, trained_on)) for trained_on, first, _ in rows]
    right = [series.index((second, trained_on)) for trained_on, _, second in rows]
    columns = columns_of(wide)
    tested = [{columns[k][2:] for k in model.cross.columns} for model in models]
    for (_, first, second), a, b in zip(rows, left, right, strict=True):
        if only_one := sorted(tested[a] ^ tested[b]):
            raise ConfigError(
                f"S_robust of {first!r} and {second!r} is not comparable: only one of them was tested on "
                f"{', '.join(only_one[0])!r}"
            )
    paired = paired_table(predictions, wide, reference)
    losses = Losses(paired, [(model.cross, model.inner) for model in models], definition.power)
    loss = losses.bootstrap(method, resamples, seed)
    differences = loss.then(lambda loss_BM: loss_BM[:, right] - loss_BM[:, left])
    frame = pd.DataFrame(rows, columns=["trained_on", "first", "second"])
    frame["s_robust_first"], frame["s_robust_second"] = 1 - loss.estimate_K[left], 1 - loss.estimate_K[right]
    frame["difference"] = differences.estimate_K
    frame["ci_low"], frame["ci_high"] = differences.interval("percentile" if method == "shift" else method, confidence)
    frame["p"] = differences.p_values()
    frame["p_holm"] = holm(frame["p"].to_numpy())
    return frame


def _training_variances(
    predictions: pd.DataFrame, wide: pd.DataFrame, rows: Sequence[tuple[str, ...]], group_N: Codes | None
) -> Values:
    """Return the variance of each difference over trainings, shape (rows,); 0 where no model was trained repeatedly."""
    firsts, seconds = ([(names[side], *names[:2]) for names in rows] for side in (2, 3))
    both_NR = wide[firsts].notna().to_numpy() & wide[seconds].notna().to_numpy()
    origins = [*range(len(rows), 2 * len(rows)), *[None] * len(rows)]
    noise = training_noise(predictions, wide[firsts + seconds], origins, np.hstack([both_NR, both_NR]), group_N)
    if noise is None:
        return np.zeros(len(rows))
    return np.maximum(0, noise.column_variances()[: len(rows)])


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
