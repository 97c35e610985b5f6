"""Measures of edited images, with intervals: functions of accuracies of a few scenarios, over complete cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table
from xray.statistics.robustness.biases import centre_biases, sensitivities, share
from xray.statistics.robustness.bootstrap import SERIES, Codes, Values
from xray.statistics.robustness.complete_cases import complete_cases
from xray.statistics.robustness.differences import bonett_price
from xray.statistics.robustness.ratios import centre_interval, ratio_interval, sensitivity_interval

Statistic = Callable[[Values], Values]
"""From accuracies of K scenarios, shape (B, K), to a measure, shape (B, 1)."""
Interval = Callable[[Values, Codes | None, float], tuple[float, float]]
"""From accuracies of N photographs, shape (N, K), their groups and a confidence level to bounds of the measure."""


@dataclass(frozen=True)
class Measure:
    """A measure of some scenarios.

    Args:
        name: as the report calls it.
        scenarios: in the order that the statistic takes them.
        statistic: the measure of their accuracies.
        interval: its bounds.
        source: publication of its formula, or `ours`.
    """

    name: str
    scenarios: tuple[str, ...]
    statistic: Statistic
    interval: Interval
    source: str


def gap(first: str, second: str) -> Measure:
    """BG-Gap: accuracy(first) − accuracy(second), on backgrounds of the same and of any category."""
    source = "ImageNet-9 (Xiao et al. 2021)"
    return Measure("BG-Gap", (first, second), lambda mean_B2: mean_B2[:, :1] - mean_B2[:, 1:], _gap_interval, source)


def ratio(name: str, part: str, whole: str) -> Measure:
    """A share of accuracy: accuracy(part) / accuracy(whole)."""
    source = "ours, after ForAug"
    return Measure(name, (part, whole), lambda mean_B2: share(mean_B2[:, :1], mean_B2[:, 1:]), ratio_interval, source)


def centre(cells: Sequence[str], name: str = "centre bias") -> Measure:
    """Centre bias of nine scenarios, row by row; see `xray.statistics.robustness.biases.centre_bias`."""
    return Measure(name, tuple(cells), centre_biases, centre_interval, "ours, after ForAug")


def foreground_sensitivity(noisy_object: str, noisy_background: str) -> Measure:
    """RFS; see `xray.statistics.robustness.biases.relative_foreground_sensitivity`."""
    scenarios = (noisy_object, noisy_background)
    return Measure("RFS", scenarios, sensitivities, sensitivity_interval, "Moayeri et al. 2022")


def measured(predictions: pd.DataFrame, measures: Sequence[Measure], confidence: float = 0.95) -> pd.DataFrame:
    """Compute measures of every model, with intervals over photographs.

    They are Bonett and Price's of a difference (`xray.statistics.robustness.differences`), and of ratios Fieller's with
    the same two additional photographs (`xray.statistics.robustness.ratios`).

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        measures: the measures; those whose scenarios a model lacks are left out for it.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, measure): `scenarios` (names, joined), `value`, `ci_low`, `ci_high` (NaN without
        a value, or for a single photograph; of a ratio perhaps infinite), `source`, and `n_images`, the photographs
        that have all of the scenarios.

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
        value = float(measure.statistic(values_NS.mean(axis=0, keepdims=True))[0, 0])
        bounds = (np.nan, np.nan) if np.isnan(value) else measure.interval(values_NS, cases.group_N, confidence)
        rows.append(
            (*cases.series, measure.name, ", ".join(measure.scenarios), value, *bounds, n_images, measure.source)
        )
    return pd.DataFrame(rows, columns=names)


def _gap_interval(pair_N2: Values, group_N: Codes | None, confidence: float) -> tuple[float, float]:
    low_1, high_1 = bonett_price(pair_N2[:, :1] - pair_N2[:, 1:], group_N, confidence)
    return float(low_1[0]), float(high_1[0])


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
