"""S_robust of every model, with intervals over source images."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError, unknown
from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import SERIES, image_accuracies
from xray.statistics.robustness.cells import halves
from xray.statistics.robustness.loss import Losses, LossMethod, validate_loss_method
from xray.statistics.robustness.paired import paired_table
from xray.statistics.robustness.s_robust import About, Definition, Power, Reading
from xray.statistics.robustness.trainings import over


def s_robusts(
    table: pd.DataFrame,
    reference: str = "original",
    reading: Reading = "poster",
    about: About | None = None,
    power: Power | None = None,
    method: LossMethod = "shift",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute S_robust of every model, with intervals if the table has predictions.

    Formulas: `xray.statistics.s_robust` (`poster`) and `s_robust_by_class` (`class_scenario`). Accuracies are means
    over source images (of each image: over its variants and folds), and what is lost in a scenario is the mean over the
    images that are there and on the original, too.

    The formula squares the errors of accuracies, too, so that with few images a model without losses seems to have
    some. `s_robust` is therefore debiased, without the mean variance of what is squared; `plug_in` is the formula as
    published. Intervals are over source images, or the groups of them in a column `group`, with the same resamples for
    all models. They hold for the given networks: what another training would change is in them only if each was trained
    more than once (`repeat`), and the interval is `shift`. docs/s_robust.md has definition, derivation and simulations.

    Args:
        table: predictions, one row per (sample, model), with the columns of PREDICTIONS, or accuracies: `model`,
            `trained_on`, `scenario` (or `tested_on`), `accuracy` (0 … 1); also `category` for the reading
            `class_scenario`. Without control scenarios (object removed).
        reference: the scenario with the unchanged photograph.
        reading: `poster` or `class_scenario`.
        about: centre of the squares, `mu` or `own_mean`; default: `mu` for `poster`, `own_mean` for `class_scenario`.
        power: `variance` or `std`; default: `variance` for `poster`, `std` for `class_scenario`.
        method: of the interval: `shift`; `bca` and `percentile` are intervals of the plug-in, for comparison: they hold
            less often than they say where little is lost, and never where nothing is.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on), trained on the reference or `pretrained`: `s_robust` (debiased, at most 1; of
        accuracies the plug-in), `ci_low`, `ci_high`, `plug_in`, the debiased parts `sigma2_cross` and `sigma2_inner`
        (always variances; below 0: nothing is lost that could be distinguished from chance), `plug_in_cross`,
        `plug_in_inner`, `mu`, `missing` (halves without any cell, `inner` for a pretrained model; then S_robust is
        NaN), `reading`, `about`, `power`, `method` and `over`, what intervals are over (`photographs`, or `photographs
        and trainings`; both None without intervals), `n_scenarios`, `n_images` and `n_images_least` (in the scenario
        with the fewest; both <NA> for accuracies).

    Raises:
        ConfigError: a half lacks some of its cells (names model and cell), or an unknown reading, method or column.

    >>> cells = pd.DataFrame(
    ...     [("m", "original", "original", 0.95), ("m", "original", "grey", 0.85), ("m", "grey", "grey", 0.90)],
    ...     columns=["model", "trained_on", "scenario", "accuracy"],
    ... )
    >>> s_robusts(cells)[["model", "sigma2_cross", "sigma2_inner", "s_robust"]].round(4).values.tolist()
    [['m', 0.01, 0.0025, 0.9875]]
    """
    definition = Definition.of(reading, about, power)
    validate_loss_method(method)
    validate_confidence(confidence)
    wide, sampled = by_image(table, reading), "correct" in table
    paired, models = paired_table(table, wide, reference), halves(wide, reference, definition)
    noise = paired.noise if method == "shift" else None
    losses = Losses(paired, [(model.cross, model.inner) for model in models], definition.power)
    bounds_2M = np.full((2, len(models)), math.nan)
    if sampled and models:
        bounds_2M = 1 - losses.intervals(method, resamples, seed, confidence)[::-1]
    plain_MH = losses.plug_in_MH.reshape(-1, 2)
    debiased_MH = losses.debiased_MH.reshape(-1, 2) if sampled else plain_MH
    n_images_M = [wide.iloc[:, model.used].notna().any(axis=1).sum() for model in models]
    counts_K = paired.counts()
    least_M = [min((int(counts_K[k]) for k in model.used), default=0) for model in models]
    means_1K = losses.means_K[None]
    return pd.DataFrame(
        {
            "model": [model.model for model in models],
            "trained_on": [model.trained_on for model in models],
            "s_robust": np.minimum(1, 1 - losses.total(debiased_MH)),
            "ci_low": bounds_2M[0],
            "ci_high": bounds_2M[1],
            "plug_in": 1 - losses.total(plain_MH),
            "sigma2_cross": debiased_MH[:, 0],
            "sigma2_inner": debiased_MH[:, 1],
            "plug_in_cross": plain_MH[:, 0],
            "plug_in_inner": plain_MH[:, 1],
            "mu": [float(model.mus(means_1K)[0]) for model in models],
            "missing": [model.missing for model in models],
            "reading": reading,
            "about": definition.about,
            "power": definition.power,
            "method": method if sampled else None,
            "over": [over(noise, model.used) if sampled else None for model in models],
            "n_scenarios": [model.scenarios for model in models],
            "n_images": pd.array(n_images_M if sampled else [pd.NA] * len(models), dtype="Int64"),
            "n_images_least": pd.array(least_M if sampled else [pd.NA] * len(models), dtype="Int64"),
        }
    )


def by_image(table: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Return accuracies by source image (rows) and cell (columns); a table of accuracies has one row."""
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
        raise ConfigError(f"there are two accuracies of ({twice}): take their mean, or leave one out")
    return cells.to_frame().T
