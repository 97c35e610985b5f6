"""Measures of edited images, with intervals: functions of accuracies of a few scenarios, over complete cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.biases import centre_biases, sensitivities, share
from xray.statistics.robustness.bootstrap import SERIES, Bootstrap, Values
from xray.statistics.robustness.complete_cases import complete_cases

Statistic = Callable[[Values], Values]
"""From accuracies of K scenarios, shape (B, K), to a measure, shape (B, 1)."""


@dataclass(frozen=True)
class Measure:
    """A measure of some scenarios.

    Args:
        name: as the report calls it.
        scenarios: in the order that the statistic takes them.
        statistic: the measure of their accuracies.
        source: publication of its formula, or `ours`.
        chooses: whether the statistic chooses the lowest of several accuracies, which are too low by chance, and in
            resamples once more. Its interval is then the basic one, 2 · value − quantiles (Davison & Hinkley 1997,
            5.2): that of a centre bias of 0 contains it in 89 to 100 % of simulations, quantiles in 63 to 86 %.
    """

    name: str
    scenarios: tuple[str, ...]
    statistic: Statistic
    source: str
    chooses: bool = False


def gap(first: str, second: str) -> Measure:
    """BG-Gap: accuracy(first) − accuracy(second), on backgrounds of the same and of any category."""
    return Measure(
        "BG-Gap", (first, second), lambda mean_B2: mean_B2[:, :1] - mean_B2[:, 1:], "ImageNet-9 (Xiao et al. 2021)"
    )


def ratio(name: str, part: str, whole: str) -> Measure:
    """A share of accuracy: accuracy(part) / accuracy(whole)."""
    return Measure(name, (part, whole), lambda mean_B2: share(mean_B2[:, :1], mean_B2[:, 1:]), "ours, after ForAug")


def centre(cells: Sequence[str], name: str = "centre bias") -> Measure:
    """Centre bias of nine scenarios, row by row; see `xray.statistics.robustness.biases.centre_bias`."""
    return Measure(name, tuple(cells), centre_biases, "ours, after ForAug", chooses=True)


def foreground_sensitivity(noisy_object: str, noisy_background: str) -> Measure:
    """RFS; see `xray.statistics.robustness.biases.relative_foreground_sensitivity`."""
    return Measure("RFS", (noisy_object, noisy_background), sensitivities, "Moayeri et al. 2022")


def measured(
    predictions: pd.DataFrame,
    measures: Sequence[Measure],
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute measures of every model, with intervals by a bootstrap over photographs.

    They are percentile intervals, but see `Measure.chooses`.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        measures: the measures; those whose scenarios a model lacks are left out for it.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, measure): `scenarios` (names, joined), `value`, `ci_low`, `ci_high`, `source`,
        and `n_images`, the photographs that have all of the scenarios.

    >>> rows = [("same", k, k < 9) for k in range(10)] + [("any", k, k < 8) for k in range(10)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = measured(predictions.assign(model="m", trained_on="pretrained"), [gap("same", "any")])
    >>> table[["measure", "value", "n_images"]].round(3).values.tolist()
    [['BG-Gap', 0.1, 10]]
    """
    names = [*SERIES, "measure", "scenarios", "value", "ci_low", "ci_high", "n_images", "source"]
    rows = []
    for cases in complete_cases(predictions, [measure.scenarios for measure in measures]):
        measure, n_images = measures[cases.group], len(cases.images)
        if not n_images:
            continue
        bootstrap = Bootstrap.of_means(cases.accuracy_NS, resamples, seed).then(measure.statistic)
        low, high = bootstrap.interval("percentile", confidence)[:, 0] if n_images > 1 else (np.nan, np.nan)
        scenarios, value = ", ".join(measure.scenarios), float(bootstrap.estimate_K[0])
        if measure.chooses:
            low, high = 2 * value - high, 2 * value - low
        rows.append((*cases.series, measure.name, scenarios, value, low, high, n_images, measure.source))
    return pd.DataFrame(rows, columns=names)


def challenges(predictions: pd.DataFrame, scenarios: Sequence[str], confidence: float = 0.95) -> pd.DataFrame:
    """Compute the share of photographs that are right on every one of their backgrounds (ImageNet-9's challenge).

    Every image of these scenarios is a background: photographs need the same number B of them, the largest that occurs.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        scenarios: those that put objects on other backgrounds.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on): `challenge` (0 … 1) with its Wilson interval `ci_low`, `ci_high`, `mean`
        (accuracy over the same images), `backgrounds` B, `n_images`, the number of photographs, and `scenarios` (names,
        joined).

    >>> rows = [(f"photo-{k}", v, word[v] == "1") for k, word in enumerate(["11", "10", "11"]) for v in range(2)]
    >>> predictions = pd.DataFrame(rows, columns=["image_id", "variant", "correct"])
    >>> predictions = predictions.assign(model="m", trained_on="pretrained", scenario="other")
    >>> challenges(predictions, ["other"])[["challenge", "mean", "backgrounds"]].round(2).values.tolist()
    [[0.67, 0.83, 2.0]]
    """
    from statsmodels.stats.proportion import proportion_confint  # slow import (scipy)

    names = ["challenge", "ci_low", "ci_high", "mean", "backgrounds", "n_images", "scenarios"]
    shown = predictions[predictions["scenario"].isin(list(scenarios))]
    counts = shown.groupby([*SERIES, "image_id"], observed=True)["correct"].agg(["sum", "size"]).reset_index()
    if counts.empty:
        return pd.DataFrame(columns=[*SERIES, *names])
    most = counts["size"].max()
    complete = counts[counts["size"] == most].assign(all=lambda rows: rows["sum"] == most)
    table = complete.groupby(list(SERIES), observed=True).agg(
        right=("all", "sum"), challenge=("all", "mean"), mean=("sum", "mean"), n_images=("image_id", "size")
    )
    low, high = proportion_confint(table["right"], table["n_images"], 1 - validate_confidence(confidence), "wilson")
    used = ", ".join(name for name in scenarios if name in set(shown["scenario"]))
    table = table.assign(
        mean=table["mean"].astype(float) / most, backgrounds=int(most), ci_low=low, ci_high=high, scenarios=used
    )
    result: pd.DataFrame = table.reset_index()[[*SERIES, *names]]
    return result
