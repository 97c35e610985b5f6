"""Accuracy over the measured complexity of backgrounds, in bins of equally many images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError
from xray.statistics.robustness.bootstrap import SERIES, column_means, groups_of, image_accuracies
from xray.statistics.robustness.complete_cases import complete_cases
from xray.statistics.robustness.proportions import wilson_effective

_IMAGE = ["image_id", "scenario", "variant"]
_RANGE = ["complexity_mean", "complexity_low", "complexity_high"]
_COLUMNS = [
    *SERIES, "curve", "bin", *_RANGE, "accuracy", "ci_low", "ci_high", "n", "n_images", "n_all_bins", "n_left_out",
]  # fmt: skip


def complexity_curves(
    predictions: pd.DataFrame,
    curves: Mapping[str, Sequence[str]],
    bins: int = 5,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute the accuracy by the measured complexity of the background, over all levels of a curve together.

    Images of one level differ in complexity, and levels overlap. All images of a curve are therefore sorted by what was
    measured and divided at its quantiles: images of equal complexity stay together, so bins are equal but for ties.
    Photographs are complete cases of the levels, as in `xray.statistics.robustness.curves.curves`, but not of the bins:
    a photograph is in every bin that one of its images falls into, with the mean of its images there. Wilson's
    intervals over photographs, of fixed bins.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, and `complexity` of the background;
            NaN: not measured, and such an image counts as missing.
        curves: scenarios by the name of the curve.
        bins: at most so many, at least two.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, curve, bin), bins from the least complex, 0: `complexity_mean` of the bin's
        images, `complexity_low`, `complexity_high` (their range), `accuracy`, `ci_low`, `ci_high` (NaN for a single
        photograph), `n` (images), `n_images` (photographs in the bin), `n_all_bins` (photographs of the curve with an
        image in each of its bins), and `n_left_out` (photographs of `predictions` that lack a measured image of a
        level, or all). No rows where fewer than two values were measured.

    Raises:
        ConfigError: fewer than two bins.

    >>> rows = [(name, k, 8 + 2 * k + extra) for name, extra in (("low", 0), ("high", 5)) for k in range(4)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "complexity"])
    >>> predictions = predictions.assign(model="m", trained_on="pretrained", variant=0)
    >>> predictions["correct"] = predictions["complexity"] < 15
    >>> table = complexity_curves(predictions, {"complexity": ["low", "high"]}, bins=2)
    >>> table[["complexity_mean", "accuracy", "n", "n_images", "n_all_bins"]].round(2).values.tolist()
    [[10.75, 1.0, 4.0, 3.0, 2.0], [16.25, 0.17, 4.0, 3.0, 2.0]]
    """
    if bins < 2:
        raise ConfigError(f"a curve needs at least two bins, not {bins}")
    parts = []
    for curve, scenarios in curves.items():
        on_curve = predictions["scenario"].isin(list(scenarios))
        unmeasured = on_curve & predictions["complexity"].isna()
        tested = predictions.assign(scenario=predictions["scenario"].mask(unmeasured))
        complete = list(complete_cases(tested, [scenarios]))
        shown = tested[on_curve & ~unmeasured]
        keys = pd.MultiIndex.from_frame(shown[[*SERIES, "image_id"]])
        shown = shown[keys.isin([(*cases.series, image) for cases in complete for image in cases.images])]
        if shown["complexity"].nunique() < 2:
            continue
        left_out: dict[tuple[Hashable, ...], int] = {cases.series: cases.left_out for cases in complete}
        for series, rows in _binned(shown, bins).groupby(list(SERIES), observed=True):
            table = _by_bin(rows, confidence)
            parts.append(table.assign(curve=curve, n_left_out=left_out[series]))
    return pd.concat(parts, ignore_index=True)[_COLUMNS] if parts else pd.DataFrame(columns=_COLUMNS)


def _binned(rows: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Add the `bin` of each image, and the mean and the range of the complexity of its images."""
    images = rows.drop_duplicates(_IMAGE)
    below = (images["complexity"].rank() - 0.5) / len(images)  # ties have their mean rank, so they stay together
    images = images.assign(bin=pd.factorize(np.floor(below * bins), sort=True)[0])
    ranges = images.groupby("bin", as_index=False).agg(
        complexity_mean=("complexity", "mean"),
        complexity_low=("complexity", "min"),
        complexity_high=("complexity", "max"),
    )
    return rows.merge(images[[*_IMAGE, "bin"]].merge(ranges, on="bin"), on=_IMAGE)


def _by_bin(rows: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return the accuracies of one series, by bin."""
    wide = image_accuracies(rows, by=("bin",))
    present_NB, group_N = wide.notna().to_numpy(np.float64), groups_of(rows, wide.index)
    bounds_2B, _ = wilson_effective(np.nan_to_num(wide.to_numpy()), present_NB, group_N, confidence)
    n_images_B = wide.notna().sum().to_numpy()
    low_B, high_B = np.where(n_images_B > 1, bounds_2B, np.nan)
    table = wide.columns.to_frame(index=False).assign(
        accuracy=column_means(wide.to_numpy()),
        ci_low=low_B,
        ci_high=high_B,
        n=rows.drop_duplicates(_IMAGE).groupby("bin").size().to_numpy(),
        n_images=n_images_B,
        n_all_bins=wide.notna().all(axis=1).sum(),
    )
    return table.merge(rows[["bin", *_RANGE]].drop_duplicates(), on="bin")
