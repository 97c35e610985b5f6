"""S_robust and its cross term by model, with intervals over source images.

The formulas stand in `xray.statistics.robustness.s_robust`, the bootstrap in `xray.statistics.robustness.bootstrap`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.core.errors import XrayError, unknown
from xray.statistics.robustness.bootstrap import (
    SERIES,
    Bootstrap,
    Method,
    check_method,
    column_means,
    columns_of,
    image_accuracies,
    series_of,
)
from xray.statistics.robustness.cells import Halves, halves
from xray.statistics.robustness.drops import drops, require_reference
from xray.statistics.robustness.s_robust import (
    About,
    Power,
    Reading,
    check_reading,
    checked_reading,
    cross_term,
    one_minus,
    s_robust,
    s_robust_by_class,
    spread,
)

__all__ = ["cross_term", "cross_terms", "drops", "s_robust", "s_robust_by_class", "s_robusts"]

Values = NDArray[np.float64]


def s_robusts(
    table: pd.DataFrame,
    reference: str = "original",
    reading: Reading = "poster",
    about: About | None = None,
    power: Power | None = None,
    method: Method = "bca",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """S_robust of every model, with its parts; from predictions with intervals, from accuracies without.

    Formulas: `xray.statistics.s_robust` (`poster`) and `s_robust_by_class` (`class_scenario`). From predictions each
    accuracy is the mean over source images of their accuracies (of an image: over its variants and folds). Intervals
    by bootstrap over source images, the same resamples for all models.

    S_robust of few images is biased downwards by the mean variance of the drops, in both halves, because errors of
    accuracies are squared too; resamples have that bias once more. It matters where real drops are no larger than the
    errors of accuracies: a model that loses nothing has S_robust 1, which no interval reaches. In simulations with 400
    images (`benchmarks/statistics.py`) 95 % intervals held the truth in 94 to 95 % of cases by both methods where
    accuracies were those published for DenseNet121, but with drops of 0 to 2 points in 69 % by BCa and 31 % by the
    percentiles. So BCa is the default, and of small drops the drops themselves say more.

    Args:
        table: predictions, one row a (sample, model), with the columns of PREDICTIONS, or accuracies: `model`,
            `trained_on`, `scenario` (or `tested_on`), `accuracy` (0 … 1). The reading `class_scenario` needs `category`
            in either. Scenarios that are controls (the object is away) are to be left out before.
        reference: the scenario that shows the photograph as it is.
        reading: `poster` or `class_scenario`.
        about: what the squares are about, `mu` or `own_mean`; default: as the reading has it (see `READINGS`).
        power: `variance` or `std`; default: as the reading has it.
        method: of the interval, `bca` or `percentile`.
        resamples: bootstrap samples.
        seed: of the bootstrap.
        confidence: of the interval, inside (0, 1).

    Returns:
        One row a (model, trained_on), trained on the reference or `pretrained`: `s_robust`, `ci_low`, `ci_high`, the
        parts `sigma2_cross`, `sigma2_inner` (variances whatever the power), `mu`, `missing` (halves of which nothing is
        there: a pretrained model has no `inner` one; then there is no S_robust, NaN), `reading`, `about`, `power`,
        `method` (None without intervals), `n_scenarios`, `n_images` (<NA> for accuracies).

    Raises:
        XrayError: a half lacks some of its cells (model and cell are named), or no such reading, method or column.

    >>> cells = pd.DataFrame(
    ...     [("m", "original", "original", 0.95), ("m", "original", "grey", 0.85), ("m", "grey", "grey", 0.90)],
    ...     columns=["model", "trained_on", "scenario", "accuracy"],
    ... )
    >>> s_robusts(cells)[["model", "sigma2_cross", "sigma2_inner", "s_robust"]].round(4).values.tolist()
    [['m', 0.01, 0.0025, 0.9875]]
    """
    about, power = checked_reading(reading, about, power)
    check_method(method)
    wide = by_image(table, reading)
    found = found_halves(wide, reference, reading, about)
    means_1K = column_means(wide.to_numpy())[None]
    cross_M, inner_M = np.array([half.variances(means_1K, about) for half in found]).reshape(-1, 2).T
    n_images_M = np.array([wide.iloc[:, half.used].notna().any(axis=1).sum() for half in found])
    bounds_2M = np.full((2, len(found)), math.nan)
    sampled = "correct" in table
    if sampled and found:
        drawn = Bootstrap.of_means(wide.to_numpy(), resamples, seed)
        bounds_2M = drawn.then(partial(values_of, found, about=about, power=power)).interval(method, confidence)
        bounds_2M[:, n_images_M < 2] = math.nan
    return pd.DataFrame(
        {
            "model": [half.model for half in found],
            "trained_on": [half.trained_on for half in found],
            "s_robust": one_minus(cross_M, inner_M, power),
            "ci_low": bounds_2M[0],
            "ci_high": bounds_2M[1],
            "sigma2_cross": cross_M,
            "sigma2_inner": inner_M,
            "mu": [float(half.mus(means_1K)[0]) for half in found],
            "missing": [half.missing for half in found],
            "reading": reading,
            "about": about,
            "power": power,
            "method": method if sampled else None,
            "n_scenarios": [half.n_scenarios for half in found],
            "n_images": pd.array(n_images_M if sampled else [pd.NA] * len(found), dtype="Int64"),
        }
    )


def by_image(table: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Predictions or accuracies with the columns that a reading needs; of accuracies there is one row.

    Raises:
        XrayError: it is neither, or has two accuracies of one cell.
    """
    by = ("scenario",) if reading == "poster" else ("scenario", "category")
    table = table.rename(columns={"tested_on": "scenario"}) if "scenario" not in table else table
    value = "correct" if "correct" in table else "accuracy"
    for name in (*SERIES, *by, value):
        if name not in table:
            raise unknown("column", name, map(str, table.columns))
    if value == "correct":
        return image_accuracies(table, by)
    cells = table.set_index([*SERIES, *by])["accuracy"].astype(np.float64)
    if not cells.index.is_unique:
        twice = ", ".join(map(str, cells.index[cells.index.duplicated()][0]))
        raise XrayError(f"there are two accuracies of ({twice}): take their mean, or leave one out")
    return cells.to_frame().T


def found_halves(wide: pd.DataFrame, reference: str, reading: Reading, about: About) -> list[Halves]:
    """The halves of every model of a table by source image; see `xray.statistics.robustness.cells.halves`."""
    means_K = column_means(wide.to_numpy())
    return halves(dict(zip(columns_of(wide), means_K.tolist(), strict=True)), reference, reading, about)


def values_of(found: Sequence[Halves], means_BK: Values, about: About, power: Power) -> Values:
    """S_robust of each model in each row of means, shape (B, models)."""
    return np.stack([one_minus(*half.variances(means_BK, about), power) for half in found], axis=1)


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

    >>> rows = [("original", k, True) for k in range(8)] + [("grey", k, k < 6) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> cross_terms(predictions.assign(model="m", trained_on="pretrained"))[["model", "mu", "cross"]].values.tolist()
    [['m', 1.0, 0.0625]]
    """
    check_reading(about, power)
    wide = image_accuracies(predictions)
    require_reference(wide, reference)
    drawn = Bootstrap.of_means(wide.to_numpy(), resamples, seed)
    columns = columns_of(wide)
    rows = []
    for model, trained_on in series_of(wide):
        origin = columns.index((model, trained_on, reference))
        others = [k for k, column in enumerate(columns) if column[:2] == (model, trained_on) and k != origin]
        n_images = int(wide.iloc[:, [origin, *others]].notna().any(axis=1).sum())
        cross, low, high = math.nan, math.nan, math.nan
        if others:
            term = drawn.then(partial(_cross, origin, others, about=about, power=power))
            cross = float(term.estimate_K[0])
            low, high = term.interval("percentile", confidence)[:, 0] if n_images > 1 else (low, high)
        mu = drawn.estimate_K[origin]
        rows.append((model, trained_on, mu, cross, low, high, about, power, len(others), n_images))
    names = [*SERIES, "mu", "cross", "ci_low", "ci_high", "about", "power", "n_scenarios", "n_images"]
    return pd.DataFrame(rows, columns=names)


def _cross(origin: int, others: Sequence[int], means_BK: Values, about: About, power: Power) -> Values:
    variance_B = spread(means_BK[:, others], means_BK[:, origin], about)
    return (np.sqrt(variance_B) if power == "std" else variance_B)[:, None]
