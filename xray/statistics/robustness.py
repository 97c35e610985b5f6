"""What a change of scenario costs: drops and the cross term of S_robust, with intervals over source images.

One object recurs in every scenario, so rows are not independent: what is drawn again in the bootstrap are source
images, each with all of its rows, and every scenario and model is measured on the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.errors import XrayError, unknown

About = Literal["mu", "own_mean"]
Power = Literal["variance", "std"]
Values = NDArray[np.float64]

SERIES = ("model", "trained_on")
_DRAWS_AT_ONCE = 4_000_000


def image_accuracies(predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of right predictions of every source image: the mean over its variants (and folds).

    Returns:
        Index: source images, sorted. Columns: (model, trained_on, scenario), sorted. NaN where there is no prediction.
    """
    return (
        predictions.groupby([*SERIES, "scenario", "image_id"], observed=True)["correct"]
        .mean()
        .astype(np.float64)
        .unstack([*SERIES, "scenario"])
        .sort_index(axis=0)
        .sort_index(axis=1)
    )


def resampled_means(values_NK: Values, resamples: int, seed: int) -> Values:
    """Means of columns over bootstrap samples of the rows; the same rows are drawn for every column.

    Args:
        values_NK: shape (N, K), NaN where a value is missing: the mean is over those present.
        resamples: how many samples of N rows to draw, with replacement.
        seed: of the draws; the same N, seed and resamples draw the same rows.

    Returns:
        Shape (resamples, K); NaN where a sample has no value of a column.
    """
    n, k = values_NK.shape
    present = ~np.isnan(values_NK)
    summands = np.hstack([np.where(present, values_NK, 0.0), present])
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((resamples, k))
    step = max(1, _DRAWS_AT_ONCE // max(1, n))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        totals = times @ summands
        with np.errstate(invalid="ignore"):
            means[start : start + rows] = totals[:, :k] / totals[:, k:]
    return means


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
    """
    wide = image_accuracies(predictions)
    _require_reference(wide, reference)
    columns = [column for column in _columns(wide) if column[2] != reference]
    frame = pd.DataFrame(columns, columns=[*SERIES, "scenario"], dtype="str")
    scenario_NK = _pick(wide, columns)
    reference_NK = _pick(wide, [(model, trained_on, reference) for model, trained_on, _ in columns])
    loss_NK = reference_NK - scenario_NK
    paired = ~np.isnan(loss_NK)
    frame["accuracy"] = _means(np.where(paired, scenario_NK, np.nan))
    frame["reference_accuracy"] = _means(np.where(paired, reference_NK, np.nan))
    frame["drop"] = _means(loss_NK)
    frame["ci_low"], frame["ci_high"] = _percentiles(resampled_means(loss_NK, resamples, seed), confidence)
    frame["n_images"] = paired.sum(axis=0)
    frame.loc[frame["n_images"] < 2, ["ci_low", "ci_high"]] = np.nan
    return frame


def cross_term(
    accuracies: Mapping[str, float], mu: float | None, about: About = "mu", power: Power = "variance"
) -> float:
    """The cross term of S_robust (XIMAGENET-12, arXiv 2310.08182), the half that needs no training.

        σ²_cross = (1/n) Σ_i (C(i) − μ)²

    C(i): accuracy on scenario i of a model trained on the original; μ: its accuracy on the original; n: scenarios
    other than the original. S_robust = 1 − (σ²_cross + σ²_inner). Properties: 0 at best; scenarios in which the model
    is *better* than on the original are punished like those in which it is worse; a model at chance everywhere scores
    a perfect 0; estimated from few images it is biased upwards, by about the mean variance of the drops.

    Args:
        accuracies: C(i) by scenario, 0 … 1, without the original.
        mu: μ, 0 … 1; measured, never assumed.
        about: the reading: squares about `mu` (the poster), or about the scenarios' `own_mean`.
        power: `variance`, or `std`, its square root, as the paper's summary has it.

    Raises:
        XrayError: μ or a C(i) is missing, or no such reading.

    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95), 4)
    0.2125
    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95, about="own_mean"), 4)
    0.09
    """
    _check_reading(about, power)
    if mu is None or math.isnan(mu):
        raise XrayError("the cross term needs mu, the accuracy on the original: it is missing")
    missing = sorted(scenario for scenario, accuracy in accuracies.items() if math.isnan(accuracy))
    if missing or not accuracies:
        raise XrayError(f"the cross term needs the accuracy on {', '.join(missing) or 'at least one scenario'}")
    values = np.array([list(accuracies.values())])
    return float(_spread(values, np.array([mu]), about, power)[0])


def cross_terms(
    predictions: pd.DataFrame,
    reference: str = "original",
    about: About = "mu",
    power: Power = "variance",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The cross term of every model, with a bootstrap interval by the resamples that `drops` uses.

    C(i) and μ are means over all source images with predictions there (not only over those in all scenarios).

    Returns:
        One row a (model, trained_on): `mu`, `cross`, `ci_low`, `ci_high`, the reading (`about`, `power`),
        `n_scenarios`, and `n_images` with a prediction in any scenario. NaN for a model without another scenario.

    Raises:
        XrayError: a model has no prediction on the reference, or no such reading.
    """
    _check_reading(about, power)
    wide = image_accuracies(predictions)
    _require_reference(wide, reference)
    means_K = _means(wide.to_numpy())
    drawn_BK = resampled_means(wide.to_numpy(), resamples, seed)
    columns = _columns(wide)
    rows = []
    for model, trained_on in _series(wide):
        origin = columns.index((model, trained_on, reference))
        others = [k for k, column in enumerate(columns) if column[:2] == (model, trained_on) and k != origin]
        n_images = int(wide.iloc[:, [origin, *others]].notna().any(axis=1).sum())
        cross, low, high = math.nan, math.nan, math.nan
        if others:
            accuracies = {columns[k][2]: float(means_K[k]) for k in others}
            cross = cross_term(accuracies, float(means_K[origin]), about, power)
        if others and n_images > 1:
            drawn_B = _spread(drawn_BK[:, others], drawn_BK[:, origin], about, power)
            low, high = _percentiles(drawn_B[:, None], confidence)[:, 0]
        rows.append((model, trained_on, means_K[origin], cross, low, high, about, power, len(others), n_images))
    names = [*SERIES, "mu", "cross", "ci_low", "ci_high", "about", "power", "n_scenarios", "n_images"]
    return pd.DataFrame(rows, columns=names)


def _columns(wide: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(wide.columns.to_frame().itertuples(index=False, name=None))


def _pick(wide: pd.DataFrame, columns: list[tuple[str, str, str]]) -> Values:
    place = {column: k for k, column in enumerate(_columns(wide))}
    picked: Values = wide.to_numpy()[:, [place[column] for column in columns]]
    return picked


def _series(wide: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(column[:2] for column in _columns(wide)))


def _require_reference(wide: pd.DataFrame, reference: str) -> None:
    columns = set(_columns(wide))
    for model, trained_on in _series(wide):
        if (model, trained_on, reference) not in columns:
            raise XrayError(
                f"model {model!r} ({trained_on}) has no predictions on scenario {reference!r}, "
                f"which drops are measured from: evaluate it there too"
            )


def _check_reading(about: str, power: str) -> None:
    if about not in ("mu", "own_mean"):
        raise unknown("reading `about`", about, ("mu", "own_mean"))
    if power not in ("variance", "std"):
        raise unknown("reading `power`", power, ("variance", "std"))


def _spread(values_BK: Values, mu_B: Values, about: About, power: Power) -> Values:
    centre_B = mu_B if about == "mu" else values_BK.mean(axis=1)
    variance_B: Values = ((values_BK - centre_B[:, None]) ** 2).mean(axis=1)
    return np.sqrt(variance_B) if power == "std" else variance_B


def _means(values_NK: Values) -> Values:
    counts = (~np.isnan(values_NK)).sum(axis=0)
    return np.where(counts > 0, np.nansum(values_NK, axis=0) / np.maximum(counts, 1), np.nan)


def _percentiles(drawn_BK: Values, confidence: float) -> Values:
    tail = 50 * (1 - confidence)
    bounds = np.full((2, drawn_BK.shape[1]), np.nan)
    some = ~np.isnan(drawn_BK).all(axis=0)
    bounds[:, some] = np.nanpercentile(drawn_BK[:, some], [tail, 100 - tail], axis=0)
    return bounds
