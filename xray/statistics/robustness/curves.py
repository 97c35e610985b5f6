"""Accuracy as a curve over the levels of a factor, such as object size or blur, over complete cases.

A photograph counts only if it has a prediction at every level of a curve: otherwise levels that refuse difficult
photographs would look easier than they are (SI-SCORE, Djolonga et al. 2021, CVPR, found its results changed by that).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.core.errors import ConfigError, unknown
from xray.statistics.robustness.bootstrap import SERIES, Codes, Values
from xray.statistics.robustness.complete_cases import complete_cases
from xray.statistics.robustness.proportions import wilson_effective

Flags = NDArray[np.bool_]


def curves(predictions: pd.DataFrame, levels: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Compute the accuracy at every level of each curve, over the photographs that have all its levels.

    Wilson's intervals, for as many independent photographs as there are groups of them or more. A photograph is right
    at a level if most of its variants are.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        levels: one row per level: `curve` (a name), `level` (a number), `scenario`, `severity`, 0 for the mildest, and
            `ordered`, false where levels do not become more severe one after the other, as angles from −45 to 45.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, curve, level), levels in the order of severity: `scenario`, `accuracy`,
        `ci_low`, `ci_high`, `surviving` (share of photographs that are right here and at all milder levels; the
        Kaplan–Meier estimate, since a photograph that never fails is censored at the last level; NaN unless ordered),
        `n_images`, `n_left_out` (photographs of `predictions` that lack a level, or all) and `categories_lost` (those
        without any complete photograph).

    Raises:
        ConfigError: `levels` lacks a column.

    >>> rows = [("a", k, True) for k in range(4)] + [("b", k, k < 2) for k in range(3)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> predictions = predictions.assign(model="m", trained_on="pretrained", category="fox")
    >>> levels = pd.DataFrame({"curve": "blur", "level": [1.0, 9.0], "scenario": ["a", "b"], "severity": [0, 1]})
    >>> levels["ordered"] = True
    >>> curves(predictions, levels)[["level", "accuracy", "n_images", "n_left_out"]].round(2).values.tolist()
    [[1.0, 1.0, 3.0, 1.0], [9.0, 0.67, 3.0, 1.0]]
    """
    curves, rows = _by_curve(levels), []
    category = predictions.drop_duplicates("image_id").set_index("image_id")["category"]
    for cases in complete_cases(predictions, [points["scenario"] for points in curves]):
        points, values_NL, n_images = curves[cases.number], cases.accuracy_NS, len(cases.images)
        lost = sorted({*category[cases.tested]} - {*category[cases.images]})
        low_L, high_L = np.full((2, len(points)), np.nan)
        if n_images > 1:
            (low_L, high_L), _ = wilson_effective(values_NL, np.ones_like(values_NL), cases.group_N, confidence)
        surviving_NL = np.logical_and.accumulate(values_NL > 0.5, axis=1)
        for index, point in enumerate(points.to_dict("records")):
            rows.append({
                **dict(zip(SERIES, cases.series, strict=True)),
                "curve": point["curve"],
                "level": point["level"],
                "scenario": point["scenario"],
                "accuracy": values_NL[:, index].mean() if n_images else np.nan,
                "ci_low": low_L[index],
                "ci_high": high_L[index],
                "surviving": surviving_NL[:, index].mean() if n_images and point["ordered"] else np.nan,
                "n_images": n_images,
                "n_left_out": cases.left_out,
                "categories_lost": ", ".join(lost),
            })  # fmt: skip
    names = ["level", "scenario", "accuracy", "ci_low", "ci_high", "surviving", "n_images", "n_left_out"]
    return pd.DataFrame(rows, columns=[*SERIES, "curve", *names, "categories_lost"])


def curve_summaries(predictions: pd.DataFrame, levels: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Summarize each curve by its area, its failure points, and how many photographs fail and then recover.

    Args:
        predictions: as in `curves`.
        levels: as in `curves`.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, curve): `area`, the mean accuracy over the range of levels (trapezoids, 0 … 1),
        with `area_low` and `area_high`, Wilson's with the levels of a photograph as its rows; `failure`, the mean level
        at which a photograph fails first (`failure_points`), `failing_from_right`, the same over photographs that are
        right at the mildest level; `never_failing` and `not_monotone`, shares of photographs; `n_images`. The four on
        failures are NaN unless the levels are ordered.

    Raises:
        ConfigError: `levels` lacks a column.
    """
    curves, rows = _by_curve(levels), []
    for cases in complete_cases(predictions, [points["scenario"] for points in curves]):
        points, values_NL = curves[cases.number], cases.accuracy_NS
        if not len(values_NL):
            continue
        level_L = points["level"].to_numpy(np.float64)
        low, high = area_interval(values_NL, level_L, cases.group_N, confidence)
        rows.append({
            **dict(zip(SERIES, cases.series, strict=True)),
            "curve": points["curve"].iloc[0],
            "area": float(areas(values_NL, level_L).mean()),
            "area_low": low,
            "area_high": high,
            **(_failures(values_NL > 0.5, level_L) if points["ordered"].all() else {}),
            "n_images": len(values_NL),
        })  # fmt: skip
    names = ["area", "area_low", "area_high", "failure", "failing_from_right", "never_failing", "not_monotone"]
    return pd.DataFrame(rows, columns=[*SERIES, "curve", *names, "n_images"])


def failure_points(right_NL: Flags, level_L: Sequence[float] | Values) -> Values:
    """Return the first level at which each photograph is wrong (CNS-Bench, Nguyen et al. 2025).

    Args:
        right_NL: whether photograph n is right at level l, mildest level first; shape (N, L).
        level_L: the levels, ascending or descending; at least two.

    Returns:
        Shape (N,). For a photograph that never fails one step beyond the last level: as far as that is from the one
        before, but not below 0 where no level is, such as a size.

    >>> failure_points(np.array([[1, 1, 1], [1, 0, 1], [0, 1, 1]], bool), [0, 0.5, 1.0]).tolist()
    [1.5, 0.5, 0.0]
    """
    levels = np.asarray(level_L, np.float64)
    beyond = 2 * levels[-1] - levels[-2]
    if levels.min() >= 0:
        beyond = max(beyond, 0.0)
    first_N = np.where(right_NL.all(axis=1), len(levels), (~right_NL).argmax(axis=1))
    return np.append(levels, beyond)[first_N]


def _failures(right_NL: Flags, level_L: Values) -> dict[str, float]:
    failure_N, started_N = failure_points(right_NL, level_L), right_NL[:, 0]
    return {
        "failure": failure_N.mean(),
        "failing_from_right": failure_N[started_N].mean() if started_N.any() else np.nan,
        "never_failing": right_NL.all(axis=1).mean(),
        "not_monotone": (np.diff(right_NL.astype(int), axis=1) > 0).any(axis=1).mean(),
    }


def areas(accuracy_NL: Values, level_L: Values) -> Values:
    """Return the area under each row's curve (trapezoids), as a share of what it may be at most, shape (N,)."""
    area_N: Values = np.trapezoid(accuracy_NL, level_L, axis=1) / (level_L[-1] - level_L[0])
    return area_N


def area_interval(
    accuracy_NL: Values, level_L: Values, group_N: Codes | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Return bounds of the mean area: Wilson's, with the levels of a photograph as its rows; NaN for one photograph."""
    if len(accuracy_NL) < 2:
        return np.nan, np.nan
    area_N1, rows_N1 = areas(accuracy_NL, level_L)[:, None], np.full((len(accuracy_NL), 1), float(len(level_L)))
    ((low,), (high,)), _ = wilson_effective(area_N1 * rows_N1, rows_N1, group_N, confidence)
    return float(low), float(high)


def _by_curve(levels: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the levels of each curve in the order of severity."""
    for name in ("curve", "level", "scenario", "severity", "ordered"):
        if name not in levels:
            raise unknown("column of the levels", name, map(str, levels.columns))
    if (levels.groupby("curve", observed=True)["level"].nunique() < 2).any():
        raise ConfigError("a curve needs at least two different levels")
    groups = levels.groupby("curve", observed=True, sort=False)
    return [points.sort_values("severity", kind="stable") for _, points in groups]
