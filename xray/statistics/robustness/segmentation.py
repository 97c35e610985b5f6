"""IoU, Dice and pixel accuracy of segmenters, with bootstrap intervals over source images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xray.statistics.robustness.bootstrap import SERIES, Bootstrap, group_totals, groups_of
from xray.statistics.robustness.proportions import widened

MEASURES = ("iou", "dice", "pixel_accuracy")
COLUMNS = ("intersection", "union", "pixel_accuracy")
"""The columns of PREDICTIONS that only segmenters fill."""


def segmentation_table(
    predictions: pd.DataFrame, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> pd.DataFrame:
    """Compute mean IoU, Dice and pixel accuracy, with percentile bootstrap intervals over source images.

        IoU = I / U      Dice = 2 I / (I + U)      I: intersection, U: union of the object's pixels

    Means over source images, of each first over its variants. An object that is missed completely counts as 0. Images
    with the same name in a column `group` are resampled together. Where no image differs, the interval is Wilson's, as
    of verdicts, so that it has a width.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS; rows without `union` belong to
            classifiers and are left out.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, tested_on), sorted: `n` predictions, `n_images`, and for each of `iou`, `dice`
        and `pixel_accuracy` the mean (0 … 1), `…_low` and `…_high`; no interval (NaN) with a single image.

    >>> rows = pd.DataFrame({
    ...     "model": "m", "trained_on": "original", "scenario": "grey", "image_id": ["a", "b"],
    ...     "intersection": [30, 0], "union": [40, 60], "pixel_accuracy": [0.9, 0.5],
    ... })
    >>> segmentation_table(rows)[["n", "iou", "dice", "pixel_accuracy"]].round(4).values.tolist()
    [[2.0, 0.375, 0.4286, 0.7]]
    """
    by = [*SERIES, "scenario"]
    bounds = [name + end for name in MEASURES for end in ("", "_low", "_high")]
    rows = predictions.dropna(subset="union") if "union" in predictions else predictions.iloc[:0]
    if rows.empty:
        return pd.DataFrame(columns=[*SERIES, "tested_on", "n", "n_images", *bounds])
    overlap, union = rows["intersection"].astype(np.float64), rows["union"].astype(np.float64)
    measured = rows[[*by, "image_id"]].assign(
        iou=overlap / union,
        dice=2 * overlap / (overlap + union),
        pixel_accuracy=rows["pixel_accuracy"].astype(np.float64),
    )
    groups = measured.groupby(by, observed=True)
    table = groups.agg(n=("image_id", "size"), n_images=("image_id", "nunique"))
    images = measured.groupby([*by, "image_id"], observed=True)[list(MEASURES)].mean().unstack(by)
    group_N = groups_of(rows, images.index)
    for name in MEASURES:
        values_NK = images[[(name, *key) for key in table.index]].to_numpy(np.float64)
        bootstrap = Bootstrap.of_means(values_NK, resamples, seed, group_N)
        table[name] = bootstrap.estimate_K
        groups_K = (group_totals(values_NK, group_N)[1] > 0).sum(axis=0)
        bounds_2K = bootstrap.interval("percentile", confidence)
        table[f"{name}_low"], table[f"{name}_high"] = widened(bounds_2K, bootstrap.estimate_K, groups_K, confidence)
    table.loc[table["n_images"] < 2, [name for name in bounds if name not in MEASURES]] = np.nan
    return table.reset_index().rename(columns={"scenario": "tested_on"})[
        [*SERIES, "tested_on", "n", "n_images", *bounds]
    ]
