"""Accuracy lost by a change of scenario, paired by source image."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError
from xray.statistics.robustness.bootstrap import SERIES, Bootstrap, columns_of, image_accuracies, paired, series_of


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
    require_reference(wide, reference)
    index = {column: k for k, column in enumerate(columns_of(wide))}
    columns = [column for column in index if column[2] != reference]
    references = [(model, trained_on, reference) for model, trained_on, *_ in columns]
    frame = pd.DataFrame(columns, columns=[*SERIES, "scenario"], dtype="str")
    values_NK = wide.to_numpy()
    scenario_NK, reference_NK = (values_NK[:, [index[c] for c in side]] for side in (columns, references))
    frame["accuracy"], frame["reference_accuracy"], n_images = paired(scenario_NK, reference_NK)
    bootstrap = Bootstrap.of_means(reference_NK - scenario_NK, resamples, seed)
    frame["drop"] = bootstrap.estimate_K
    frame["ci_low"], frame["ci_high"] = bootstrap.interval("percentile", confidence)
    frame["n_images"] = n_images
    frame.loc[frame["n_images"] < 2, ["ci_low", "ci_high"]] = np.nan
    return frame


def require_reference(wide: pd.DataFrame, reference: str) -> None:
    """Check that every model of a table by source image was tested on the reference.

    Raises:
        ConfigError: one was not.
    """
    columns = set(columns_of(wide))
    for model, trained_on in series_of(wide):
        if (model, trained_on, reference) not in columns:
            raise ConfigError(
                f"model {model!r} ({trained_on}) has no predictions on the reference scenario {reference!r}: "
                "evaluate it there too"
            )
