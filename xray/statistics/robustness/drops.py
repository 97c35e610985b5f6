"""Accuracy lost by a change of scenario, paired by source image, and the cross term of S_robust of every model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import pandas as pd

from xray.core.errors import ConfigError
from xray.statistics.robustness.bootstrap import (
    SERIES,
    Bootstrap,
    Values,
    columns_of,
    image_accuracies,
    paired_differences,
)
from xray.statistics.robustness.s_robust import About, Definition, Power


def drops(
    predictions: pd.DataFrame,
    reference: str = "original",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute the accuracy lost in every scenario (dropped accuracy: ImageNet-E, Li et al. 2023).

        drop = mean over images of (accuracy on the reference − accuracy on the scenario)

    over the source images with predictions in both; an image's accuracy is the mean over its variants. Percentile
    bootstrap over source images, with the same resamples for all models and scenarios. Where no image changes its
    verdict the interval has no width, which says little when images are few.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        reference: the scenario to compare with.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, scenario): `accuracy`, `reference_accuracy` (both over the paired images),
        `drop`, `ci_low`, `ci_high` (−1 … 1; 0.1 is ten points; positive: accuracy is lost) and `n_images`, the number
        of pairs. NaN without a pair; no interval (NaN) with a single one.

    Raises:
        ConfigError: a model has no prediction on the reference.

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = drops(predictions.assign(model="m", trained_on="pretrained"))
    >>> table[["scenario", "accuracy", "drop", "ci_low", "ci_high", "n_images"]].round(2).values.tolist()
    [['grey', 0.75, 0.25, 0.0, 0.5, 8]]
    """
    wide = image_accuracies(predictions)
    _tested_series(wide, reference)
    columns = [column for column in columns_of(wide) if column[2] != reference]
    scenario_NK = wide[columns].to_numpy()
    reference_NK = wide[[(model, trained_on, reference) for model, trained_on, _ in columns]].to_numpy()
    sides_NK = {"accuracy": scenario_NK, "reference_accuracy": reference_NK}
    frame = paired_differences(sides_NK, reference_NK - scenario_NK, "drop", resamples, seed, confidence)
    return pd.concat([pd.DataFrame(columns, columns=[*SERIES, "scenario"], dtype="str"), frame], axis=1)


def cross_terms(
    predictions: pd.DataFrame,
    reference: str = "original",
    about: About = "mu",
    power: Power = "variance",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute the cross term of every model, with a percentile interval by the same resamples as `drops`.

    C(i) and μ are means over all source images with predictions there, not only over those in all scenarios.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        reference: the scenario with the unchanged photograph.
        about: centre of the squares, as the following ones see `s_robusts`.
        power: `variance` or `std`.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on): `mu`, `cross`, `ci_low`, `ci_high`, the reading (`about`, `power`),
        `n_scenarios`, and `n_images` with a prediction in any scenario. NaN for a model without another scenario.

    Raises:
        ConfigError: a model has no prediction on the reference, or an unknown reading.

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> cross_terms(predictions.assign(model="m", trained_on="pretrained"))[["model", "mu", "cross"]].values.tolist()
    [['m', 1.0, 0.0625]]
    """
    definition = Definition.of("poster", about, power)
    wide = image_accuracies(predictions)
    tested = _tested_series(wide, reference)
    bootstrap = Bootstrap.of_means(wide.to_numpy(), resamples, seed)
    columns = columns_of(wide)
    rows = []
    for series in tested:
        origin = columns.index((*series, reference))
        others = [k for k, column in enumerate(columns) if column[:2] == series and k != origin]
        n_images = int(wide.iloc[:, [origin, *others]].notna().any(axis=1).sum())
        cross, low, high = math.nan, math.nan, math.nan
        if others:
            term = bootstrap.then(partial(_cross, origin, others, definition))
            cross = float(term.estimate_K[0])
            low, high = term.interval("percentile", confidence)[:, 0] if n_images > 1 else (low, high)
        rows.append((*series, bootstrap.estimate_K[origin], cross, low, high, about, power, len(others), n_images))
    names = [*SERIES, "mu", "cross", "ci_low", "ci_high", "about", "power", "n_scenarios", "n_images"]
    return pd.DataFrame(rows, columns=names)


def _cross(origin: int, others: Sequence[int], definition: Definition, means_BK: Values) -> Values:
    return definition.term(definition.variance(means_BK[:, others], means_BK[:, origin]))[:, None]


def _tested_series(wide: pd.DataFrame, reference: str) -> list[tuple[str, ...]]:
    """Return the different (model, trained_on) of a table by source image, all of them tested on the reference."""
    series = list(dict.fromkeys(column[:2] for column in columns_of(wide)))
    for model, trained_on in series:
        if (model, trained_on, reference) not in wide.columns:
            raise ConfigError(
                f"model {model!r} ({trained_on}) has no predictions on the reference scenario {reference!r}: "
                "evaluate it there too"
            )
    return series
