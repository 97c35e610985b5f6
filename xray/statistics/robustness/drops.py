"""Accuracy lost by a change of scenario, paired by source image, and the cross term of S_robust of every model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError
from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import SERIES, columns_of, image_accuracies
from xray.statistics.robustness.cells import centred
from xray.statistics.robustness.differences import paired_differences, paired_tests
from xray.statistics.robustness.loss import Losses, LossMethod, validate_loss_method
from xray.statistics.robustness.paired import paired_table
from xray.statistics.robustness.s_robust import About, Definition, Power
from xray.statistics.robustness.trainings import over


def drops(predictions: pd.DataFrame, reference: str = "original", confidence: float = 0.95) -> pd.DataFrame:
    """Compute the accuracy lost in every scenario (dropped accuracy: ImageNet-E, Li et al. 2023).

        drop = mean over images of (accuracy on the reference − accuracy on the scenario)

    over the source images with predictions in both; an image's accuracy is the mean over its variants. The interval is
    that of Bonett and Price, which holds where few verdicts change and always has a width; P by McNemar's exact test,
    or Durkalski's where variants differ (see `xray.statistics.robustness.differences`). Images with the same name in a
    column `group` count as one draw. What another training would change is in interval and P if models were trained
    more than once (`repeat`).

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, and perhaps `group`.
        reference: the scenario to compare with.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, scenario): `accuracy`, `reference_accuracy` (both over the paired images),
        `drop`, `ci_low`, `ci_high` (−1 … 1; 0.1 is ten points; positive: accuracy is lost), `n_images`, the number of
        pairs, `lost` and `gained` (images), `test` (`exact` or `clustered`), `p` and `p_holm`, adjusted for all rows.
        NaN without a pair; no interval (NaN) with a single image or group.

    Raises:
        ConfigError: a model has no prediction on the reference.

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = drops(predictions.assign(model="m", trained_on="pretrained"))
    >>> table[["scenario", "accuracy", "drop", "ci_low", "ci_high", "lost", "p"]].round(2).values.tolist()
    [['grey', 0.75, 0.25, -0.17, 0.57, 2, 0.5]]
    """
    wide = image_accuracies(predictions)
    _tested_series(wide, reference)
    paired = paired_table(predictions, wide, reference)
    columns = [column for column in columns_of(wide) if column[2] != reference]
    training_K = paired.training_variances()[[paired.column[column] for column in columns]]
    scenario_NK = wide[columns].to_numpy()
    reference_NK = wide[[(model, trained_on, reference) for model, trained_on, _ in columns]].to_numpy()
    sides_NK, drop_NK = {"accuracy": scenario_NK, "reference_accuracy": reference_NK}, reference_NK - scenario_NK
    names = pd.DataFrame(columns, columns=[*SERIES, "scenario"], dtype="str")
    means = paired_differences(sides_NK, drop_NK, "drop", paired.group_N, confidence, training_K)
    tests = paired_tests(drop_NK, paired.group_N, ("lost", "gained"), training_K)
    return pd.concat([names, means, tests], axis=1)


def cross_terms(
    predictions: pd.DataFrame,
    reference: str = "original",
    about: About = "mu",
    power: Power = "variance",
    method: LossMethod = "shift",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute the cross term of every model, debiased, with an interval that holds for small losses.

    As the half of S_robust that it is (see `s_robusts`): what is lost in a scenario is a mean over the photographs that
    are there and on the original, too.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        reference: the scenario with the unchanged photograph.
        about: centre of the squares, as the following ones see `s_robusts`.
        power: `variance` or `std`.
        method: of the interval, `shift`, or `bca` or `percentile` of the plug-in.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on): `mu`, `cross` (debiased; a variance below 0: no loss that could be
        distinguished from chance), `ci_low`, `ci_high`, `plug_in`, `over` (see `s_robusts`), the reading (`about`,
        `power`), `n_scenarios`, `n_images` with a prediction in any scenario, and `n_images_least`, the pairs in the
        scenario with the fewest. NaN for a model without another scenario.

    Raises:
        ConfigError: a model has no prediction on the reference, or an unknown reading.

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = cross_terms(predictions.assign(model="m", trained_on="pretrained"))
    >>> table[["model", "mu", "cross", "plug_in"]].round(4).values.tolist()  # 0.0625 − 0.1875 / 7
    [['m', 1.0, 0.0357, 0.0625]]
    """
    definition = Definition.of("poster", about, power)
    validate_loss_method(method)
    validate_confidence(confidence)
    wide = image_accuracies(predictions)
    tested = _tested_series(wide, reference)
    paired = paired_table(predictions, wide, reference)
    noise = paired.noise if method == "shift" else None
    others = [
        [k for cell, k in paired.column.items() if cell[:2] == series and cell[2] != reference] for series in tested
    ]
    losses = Losses(paired, [(centred(columns, np.eye(len(columns)), definition),) for columns in others], power)
    bounds_2M = losses.intervals(method, resamples, seed, confidence) if tested else np.empty((2, 0))
    counts_K = paired.counts()
    return pd.DataFrame(
        {
            "model": [model for model, _ in tested],
            "trained_on": [trained_on for _, trained_on in tested],
            "mu": [losses.means_K[paired.column[*series, reference]] for series in tested],
            "cross": losses.total(losses.debiased_MH),
            "ci_low": bounds_2M[0],
            "ci_high": bounds_2M[1],
            "plug_in": losses.total(losses.plug_in_MH),
            "over": [over(noise, columns) for columns in others],
            "about": about,
            "power": power,
            "n_scenarios": [len(columns) for columns in others],
            "n_images": [
                int(wide.iloc[:, [paired.column[*series, reference], *columns]].notna().any(axis=1).sum())
                for series, columns in zip(tested, others, strict=True)
            ],
            "n_images_least": [min((int(counts_K[k]) for k in columns), default=0) for columns in others],
        }
    )


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
