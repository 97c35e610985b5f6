"""Measures of edited images, with intervals: functions of accuracies of a few scenarios, over complete cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table
from xray.statistics.robustness.biases import centre_biases, sensitivities, share
from xray.statistics.robustness.bootstrap import SERIES, Bootstrap, Values
from xray.statistics.robustness.complete_cases import complete_cases
from xray.statistics.robustness.differences import bonett_price

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
        subtracts: whether it is the first accuracy less the second, whose interval is that of `drops`.
    """

    name: str
    scenarios: tuple[str, ...]
    statistic: Statistic
    source: str
    chooses: bool = False
    subtracts: bool = False


def gap(first: str, second: str) -> Measure:
    """BG-Gap: accuracy(first) − accuracy(second), on backgrounds of the same and of any category."""
    source = "ImageNet-9 (Xiao et al. 2021)"
    return Measure("BG-Gap", (first, second), lambda mean_B2: mean_B2[:, :1] - mean_B2[:, 1:], source, subtracts=True)


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

    They are percentile intervals, but see `Measure.chooses` and `Measure.subtracts`.

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
        measure, n_images, values_NS = measures[cases.number], len(cases.images), cases.accuracy_NS
        if not n_images:
            continue
        bootstrap = Bootstrap.of_means(values_NS, resamples, seed, cases.group_N).then(measure.statistic)
        low, high = bootstrap.interval("percentile", confidence)[:, 0] if n_images > 1 else (np.nan, np.nan)
        scenarios, value = ", ".join(measure.scenarios), float(bootstrap.estimate_K[0])
        if measure.subtracts:
            (low,), (high,) = bonett_price(values_NS[:, :1] - values_NS[:, 1:], cases.group_N, confidence)
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
    names = ["challenge", "ci_low", "ci_high", "mean", "backgrounds", "n_images", "scenarios"]
    shown = predictions[predictions["scenario"].isin(list(scenarios))]
    keys = [*SERIES, "image_id", *(["group"] if "group" in shown else [])]
    counts = shown.groupby(keys, observed=True, dropna=False)["correct"].agg(["sum", "size"]).reset_index()
    if counts.empty:
        return pd.DataFrame(columns=[*SERIES, *names])
    most = counts["size"].max()
    complete = counts[counts["size"] == most].assign(correct=lambda rows: rows["sum"] == most)
    table = accuracy_table(complete, SERIES, confidence).rename(columns={"accuracy": "challenge"})
    mean = complete.groupby(list(SERIES), observed=True)["sum"].mean().astype(float).to_numpy() / most
    used = ", ".join(name for name in scenarios if name in set(shown["scenario"]))
    return table.assign(mean=mean, backgrounds=int(most), scenarios=used)[[*SERIES, *names]]
