"""What a change of scenario costs in accuracy, with intervals over source images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.core.errors import XrayError
from xray.statistics.robustness.bootstrap import (
    SERIES,
    Bootstrap,
    column_means,
    columns_of,
    image_accuracies,
    series_of,
)

Values = NDArray[np.float64]


def drops(
    predictions: pd.DataFrame,
    reference: str = "original",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What every scenario costs in accuracy, paired by source image (dropped accuracy: ImageNet-E, Li et al. 2023).

        drop = mean over images of (accuracy on the reference − accuracy on the scenario)

    over the source images that have predictions in both; the accuracy of an image is the mean over its variants.
    Interval: percentile bootstrap over source images, the same resamples for all models and scenarios. Where no image
    changes its verdict it has no width, which says little when images are few.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        reference: the scenario to compare with.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: of the interval, inside (0, 1).

    Returns:
        One row a (model, trained_on, scenario): `accuracy`, `reference_accuracy` (both over the paired images),
        `drop`, `ci_low`, `ci_high` (−1 … 1; 0.1 is ten points; positive: accuracy is lost) and `n_images`, the pairs.
        NaN without a pair; no interval (NaN) with a single one.

    Raises:
        XrayError: a model has no prediction on the reference.

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> found = drops(predictions.assign(model="m", trained_on="pretrained"))
    >>> found[["scenario", "accuracy", "drop", "ci_low", "ci_high", "n_images"]].round(2).values.tolist()
    [['grey', 0.75, 0.25, 0.0, 0.5, 8]]
    """
    wide = image_accuracies(predictions)
    require_reference(wide, reference)
    columns = [column for column in columns_of(wide) if column[2] != reference]
    frame = pd.DataFrame(columns, columns=[*SERIES, "scenario"], dtype="str")
    scenario_NK = _pick(wide, columns)
    reference_NK = _pick(wide, [(model, trained_on, reference) for model, trained_on, *_ in columns])
    loss_NK = reference_NK - scenario_NK
    paired_NK = ~np.isnan(loss_NK)
    frame["accuracy"] = column_means(np.where(paired_NK, scenario_NK, np.nan))
    frame["reference_accuracy"] = column_means(np.where(paired_NK, reference_NK, np.nan))
    frame["drop"] = column_means(loss_NK)
    frame["ci_low"], frame["ci_high"] = Bootstrap.of_means(loss_NK, resamples, seed).interval("percentile", confidence)
    frame["n_images"] = paired_NK.sum(axis=0)
    frame.loc[frame["n_images"] < 2, ["ci_low", "ci_high"]] = np.nan
    return frame


def require_reference(wide: pd.DataFrame, reference: str) -> None:
    """Look whether every model of a table by source image was asked about the reference.

    Raises:
        XrayError: one was not.
    """
    columns = set(columns_of(wide))
    for model, trained_on in series_of(wide):
        if (model, trained_on, reference) not in columns:
            raise XrayError(
                f"model {model!r} ({trained_on}) has no predictions on scenario {reference!r}, "
                f"which drops are measured from: evaluate it there too"
            )


def _pick(wide: pd.DataFrame, columns: list[tuple[str, ...]]) -> Values:
    place = {column: k for k, column in enumerate(columns_of(wide))}
    picked: Values = wide.to_numpy()[:, [place[column] for column in columns]]
    return picked
