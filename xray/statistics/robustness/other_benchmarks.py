"""Robustness measures of other benchmarks, from accuracies by model and scenario.

Accuracies are a table with columns `model`, `scenario` and `accuracy` (one row per cell, as from `accuracy_table` of
one kind of training), or mappings {model: {scenario: accuracy}}; all are fractions, 0 … 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from xray.core.errors import ConfigError, unknown

Accuracies = pd.DataFrame | Mapping[str, Mapping[str, float]]


def bg_gap(accuracies: Accuracies, same: str = "mixed_same", rand: str = "mixed_rand") -> pd.Series:
    """Compute the BG-Gap of ImageNet-9 (Xiao et al. 2021, Noise or Signal, ICLR): the gain by same-class backgrounds.

        BG-Gap = accuracy(mixed-same) − accuracy(mixed-rand)

    Args:
        accuracies: see the module docstring.
        same: scenario with backgrounds from other images of the same class.
        rand: scenario with backgrounds from images of a random class.

    Returns:
        By model, −1 … 1; 0: the class of the background makes no difference.

    Raises:
        ConfigError: an accuracy is missing, or no fraction.

    >>> bg_gap({"resnet50": {"mixed_same": 0.91, "mixed_rand": 0.82}}).round(2).to_dict()
    {'resnet50': 0.09}
    """
    table = _complete(accuracies, [same, rand])
    return (table[same] - table[rand]).rename("bg_gap")


def error_ratio(accuracies: Accuracies, mean: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Compute the error ratios of ImageNet-X (Idrissi et al. 2023, ICLR).

        error ratio = (1 − accuracy(scenario)) / (1 − accuracy(all))

    Args:
        accuracies: see the module docstring; every model on every scenario.
        mean: accuracy(all) by model; default: the unweighted mean over scenarios, which is the accuracy over all
            predictions if all scenarios have the same images.

    Returns:
        One row per model, one column per scenario; 1: as many errors as on average. NaN: no errors at all.

    Raises:
        ConfigError: an accuracy is missing, or no fraction.

    >>> error_ratio({"m": {"original": 0.9, "grey": 0.8, "segmented": 0.4}}).round(3).to_dict("index")
    {'m': {'original': 0.333, 'grey': 0.667, 'segmented': 2.0}}
    """
    table = _complete(accuracies)
    whole = table.mean(axis=1)
    if mean is not None:
        whole = _complete({model: {"all": value} for model, value in mean.items()}, ["all"], list(table.index))["all"]
    return (1 - table).div((1 - whole).where(whole < 1), axis=0)


def mean_corruption_error(
    accuracies: Accuracies,
    reference_model: str,
    corruptions: Mapping[str, Sequence[str]] | None = None,
    clean: str = "original",
    relative: bool = False,
) -> pd.DataFrame:
    """Compute the corruption errors of ImageNet-C (Hendrycks & Dietterich 2019, ICLR) and their mean, mCE.

        CE_c = Σ_s E_{s,c} / Σ_s E^ref_{s,c}
        relative CE_c = Σ_s (E_{s,c} − E_clean) / Σ_s (E^ref_{s,c} − E^ref_clean)

    E = 1 − accuracy; sums over the severities s of corruption c; mCE is the mean of CE_c over c.

    Args:
        accuracies: see the module docstring.
        reference_model: model whose errors are the unit (AlexNet in the paper).
        corruptions: scenarios (severities) of each corruption; default: each scenario but `clean` is one.
        clean: scenario without corruption.
        relative: subtract the clean error.

    Returns:
        One row per model: CE by corruption, and `mce`; as fractions (the paper prints per cent). 1: as the reference.

    Raises:
        ConfigError: an accuracy is missing or no fraction, an unknown model or clean scenario, or no errors of the
            reference.

    >>> cells = {"alexnet": {"original": 0.6, "grey": 0.4}, "m": {"original": 0.8, "grey": 0.7}}
    >>> float(mean_corruption_error(cells, "alexnet").loc["m", "mce"].round(3))
    0.5
    >>> float(mean_corruption_error(cells, "alexnet", relative=True).loc["m", "mce"].round(3))
    0.5
    """
    names = _matrix(accuracies)
    if corruptions is None and clean not in names.columns:
        raise unknown("scenario without corruption", clean, names.columns)
    chosen = corruptions or {scenario: [scenario] for scenario in names.columns if scenario != clean}
    if reference_model not in names.index:
        raise unknown("reference model", reference_model, names.index)
    if not chosen:
        raise ConfigError(f"there is no scenario but {clean!r}")
    scenarios = [scenario for severities in chosen.values() for scenario in severities]
    error = 1 - _complete(accuracies, [*dict.fromkeys([*scenarios, *([clean] if relative else [])])])
    if relative:
        error = error.sub(error[clean], axis=0)
    total = pd.DataFrame({corruption: error[list(severities)].sum(axis=1) for corruption, severities in chosen.items()})
    unit = total.loc[reference_model]
    if unit.min() <= 0:
        more = "no more errors than without corruption" if relative else "no errors"
        raise ConfigError(f"model {reference_model!r} makes {more} on {unit.idxmin()!r}: it cannot be the unit")
    ratio = total / unit
    return ratio.assign(mce=ratio.mean(axis=1))


def effective_robustness(accuracies: Accuracies, references: Accuracies, reference: str = "original") -> pd.DataFrame:
    """Compute effective robustness (Taori et al. 2020, NeurIPS): accuracy beyond that predicted from the original.

        ρ = accuracy(scenario) − β(accuracy(original)),  logit β(x) = a + b logit x

    a, b: least squares over the reference models, one line per scenario.

    Args:
        accuracies: evaluated models; see the module docstring.
        references: standard models that define the line, at least two with different accuracies.
        reference: the unchanged scenario.

    Returns:
        One row per (model, scenario): `accuracy`, `expected`, `effective_robustness` (−1 … 1), and `n_references`.

    Raises:
        ConfigError: an accuracy is missing, no fraction, or (of references) 0 or 1, which have no logit; too few references.

    >>> plain = {"a": {"original": 0.6, "grey": 0.4}, "b": {"original": 0.8, "grey": 0.6}}
    >>> effective_robustness({"new": {"original": 0.7, "grey": 0.6}}, plain).round(3).iloc[0].to_dict()
    {'model': 'new', 'scenario': 'grey', 'accuracy': 0.6, 'expected': 0.49, 'effective_robustness': 0.11, 'n_references': 2}
    """  # noqa: E501
    table = _complete(accuracies)
    if reference not in table:
        raise unknown("scenario", reference, table.columns)
    known = _complete(references, list(table.columns))
    if known[reference].nunique() < 2:
        raise ConfigError(f"a line needs two reference models of different accuracy on {reference!r}")
    line, start = _logits(known), _logits(table[[reference]])[reference]
    rows = []
    for scenario in table.columns.drop(reference):
        fit = stats.linregress(line[reference], line[scenario])
        expected = expit(fit.intercept + fit.slope * start)
        rows += [(model, scenario, table.loc[model, scenario], expected[model]) for model in table.index]
    result = pd.DataFrame(rows, columns=["model", "scenario", "accuracy", "expected"])
    return result.assign(effective_robustness=result["accuracy"] - result["expected"], n_references=len(known))


def worst_scenario(accuracies: Accuracies) -> pd.DataFrame:
    """Return the scenario with the lowest accuracy of each model; of ties the first by name.

    Returns:
        One row per model: `model`, `scenario`, `accuracy`, and `below_mean`, the mean over scenarios − that accuracy.

    Raises:
        ConfigError: an accuracy is missing, or no fraction.

    >>> worst_scenario({"m": {"original": 0.9, "segmented": 0.4}}).to_dict("records")
    [{'model': 'm', 'scenario': 'segmented', 'accuracy': 0.4, 'below_mean': 0.25}]
    """
    return _worst(_complete(accuracies), "scenario")


def worst_category(by_category: pd.DataFrame) -> pd.DataFrame:
    """Return the category with the lowest accuracy of each model, over all scenarios with equal weight.

    Args:
        by_category: `model`, `scenario`, `category`, `accuracy`, every category in every scenario.

    Returns:
        One row per model: `model`, `category`, `accuracy`, and `below_mean`, the mean over categories − that accuracy.

    Raises:
        ConfigError: an accuracy is missing, or no fraction.

    >>> cells = pd.DataFrame({"model": "m", "scenario": ["a", "b"] * 2, "category": ["fox", "fox", "car", "car"],
    ...                       "accuracy": [0.75, 0.25, 1.0, 0.5]})
    >>> worst_category(cells).to_dict("records")
    [{'model': 'm', 'category': 'fox', 'accuracy': 0.5, 'below_mean': 0.125}]
    """
    table = _pivot(by_category, ["model", "scenario"], "category")
    _check(table.set_axis([f"{model}, {scenario}" for model, scenario in table.index]), "category")
    return _worst(table.groupby(level="model", sort=False).mean(), "category")


def _worst(table: pd.DataFrame, what: str) -> pd.DataFrame:
    ordered = table[sorted(table.columns)]
    lowest = ordered.min(axis=1)
    worst = {"model": table.index, what: ordered.idxmin(axis=1), "accuracy": lowest}
    return pd.DataFrame({**worst, "below_mean": table.mean(axis=1) - lowest}).reset_index(drop=True)


def _complete(
    accuracies: Accuracies, scenarios: Sequence[str] | None = None, models: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return accuracies by model (rows) and scenario (columns), all of the requested ones."""
    table = _matrix(accuracies)
    table = table.reindex(index=list(models or table.index), columns=list(scenarios or table.columns))
    _check(table, "scenario")
    return table


def _matrix(accuracies: Accuracies) -> pd.DataFrame:
    if isinstance(accuracies, pd.DataFrame):
        return _pivot(accuracies, ["model"], "scenario")
    return pd.DataFrame(dict(accuracies), dtype=np.float64).T.rename_axis("model")


def _pivot(table: pd.DataFrame, index: list[str], columns: str) -> pd.DataFrame:
    key = [*index, columns]
    for name in (*key, "accuracy"):
        if name not in table:
            raise unknown("column", name, map(str, table.columns))
    if (twice := table.duplicated(key)).any():
        cell = ", ".join(map(str, table.loc[twice, key].iloc[0]))
        raise ConfigError(f"there are two accuracies of ({cell}): choose one kind of training, or take their mean")
    return table.pivot(index=index, columns=columns, values="accuracy").astype(np.float64)


def _check(table: pd.DataFrame, what: str) -> None:
    if table.empty:
        raise ConfigError("there are no accuracies")
    wrong = table.isna() | (table < 0) | (table > 1)
    if not wrong.any(axis=None):
        return
    model, name = wrong.stack()[lambda cell: cell].index[0]
    value = table.loc[model, name]
    problem = "is missing" if np.isnan(value) else f"is {value:g}: accuracies are fractions, 0 … 1"
    raise ConfigError(f"the accuracy of model {model!r} on {what} {name!r} {problem}")


def _logits(table: pd.DataFrame) -> pd.DataFrame:
    if (edge := (table <= 0) | (table >= 1)).any(axis=None):
        model, scenario = edge.stack()[lambda cell: cell].index[0]
        value = table.loc[model, scenario]
        raise ConfigError(f"model {model!r} has accuracy {value:g} on {scenario!r}, which has no logit: leave it out")
    return pd.DataFrame(logit(table.to_numpy()), table.index, table.columns)
