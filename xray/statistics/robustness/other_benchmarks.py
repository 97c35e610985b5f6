"""Other benchmarks' measures of robustness, from accuracies by model and scenario.

Accuracies are either a table with columns `model`, `scenario` and `accuracy` (one row a cell, as `accuracy_table` makes
it of the predictions of one kind of training), or mappings {model: {scenario: accuracy}}; all are fractions, 0 … 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from xray.core.errors import XrayError, unknown

Accuracies = pd.DataFrame | Mapping[str, Mapping[str, float]]


def bg_gap(accuracies: Accuracies, same: str = "mixed_same", rand: str = "mixed_rand") -> pd.Series:
    """BG-Gap of ImageNet-9 (Xiao et al. 2021, Noise or Signal, ICLR): how much a background of the same class helps.

        BG-Gap = accuracy(mixed-same) − accuracy(mixed-rand)

    Args:
        accuracies: see the head of the module.
        same: scenario with the object on the background of another image of its own class.
        rand: scenario with the object on the background of an image of a random class.

    Returns:
        By model, −1 … 1; 0: the background's class makes no difference.

    Raises:
        XrayError: a model has no accuracy in one of both, or one that is no fraction.

    >>> bg_gap({"resnet50": {"mixed_same": 0.91, "mixed_rand": 0.82}}).round(2).to_dict()
    {'resnet50': 0.09}
    """
    table = _complete(accuracies, [same, rand])
    return (table[same] - table[rand]).rename("bg_gap")


def error_ratio(accuracies: Accuracies, mean: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Error ratio of ImageNet-X (Idrissi et al. 2023, ICLR): how many times more errors a scenario has than all have.

        error ratio = (1 − accuracy(scenario)) / (1 − accuracy(all))

    Args:
        accuracies: see the head of the module; every model on every scenario.
        mean: accuracy(all) by model. Default: the mean of the model's accuracies on the scenarios given, each counting
            alike; where all scenarios show the same images, it is the accuracy over all predictions.

    Returns:
        One row a model, one column a scenario, 0 … ; 1: no more errors than on the whole. NaN: no errors at all.

    Raises:
        XrayError: an accuracy is missing, or no fraction.

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
    """Corruption errors of ImageNet-C (Hendrycks & Dietterich 2019, ICLR) and their mean, mCE.

        CE_c = Σ_s E_{s,c} / Σ_s E^ref_{s,c}
        relative CE_c = Σ_s (E_{s,c} − E_clean) / Σ_s (E^ref_{s,c} − E^ref_clean)

    E = 1 − accuracy; sums over the severities s of corruption c; mCE is the mean of CE_c over c.

    Args:
        accuracies: see the head of the module.
        reference_model: whose errors are the unit (AlexNet in the paper).
        corruptions: scenarios that are the severities of each. Default: each scenario but `clean` is one of its own.
        clean: scenario without corruption.
        relative: what a corruption adds to the clean error.

    Returns:
        One row a model: its CE by corruption, and `mce`; as fractions (the paper prints per cent). 1: as the reference.

    Raises:
        XrayError: an accuracy is missing or no fraction, no such model or clean scenario, or the reference has no error
            to be the unit.

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
        raise XrayError(f"there is no scenario but {clean!r}: nothing is corrupted")
    scenarios = [scenario for severities in chosen.values() for scenario in severities]
    error = 1 - _complete(accuracies, [*dict.fromkeys([*scenarios, *([clean] if relative else [])])])
    if relative:
        error = error.sub(error[clean], axis=0)
    total = pd.DataFrame({corruption: error[list(severities)].sum(axis=1) for corruption, severities in chosen.items()})
    unit = total.loc[reference_model]
    if unit.min() <= 0:
        more = "no more errors than without corruption" if relative else "no errors"
        raise XrayError(f"model {reference_model!r} makes {more} on {unit.idxmin()!r}: it cannot be the unit")
    ratio = total / unit
    return ratio.assign(mce=ratio.mean(axis=1))


def effective_robustness(accuracies: Accuracies, references: Accuracies, reference: str = "original") -> pd.DataFrame:
    """Effective robustness (Taori et al. 2020, NeurIPS): accuracy beyond what accuracy on the original lets expect.

        ρ = accuracy(scenario) − β(accuracy(original)),  logit β(x) = a + b logit x

    a, b: least squares over the reference models, one line a scenario.

    Args:
        accuracies: of the models in question; see the head of the module.
        references: of the models that set the expectation: plain ones, at least two of different accuracy.
        reference: the scenario without a change.

    Returns:
        One row a (model, scenario): `accuracy`, `expected`, `effective_robustness` (−1 … 1; 0: as expected), and
        `n_references`.

    Raises:
        XrayError: an accuracy is missing, no fraction, or (of a line) 0 or 1, which have no logit; too few references.

    >>> plain = {"a": {"original": 0.6, "grey": 0.4}, "b": {"original": 0.8, "grey": 0.6}}
    >>> effective_robustness({"new": {"original": 0.7, "grey": 0.6}}, plain).round(3).iloc[0].to_dict()
    {'model': 'new', 'scenario': 'grey', 'accuracy': 0.6, 'expected': 0.49, 'effective_robustness': 0.11, 'n_references': 2}
    """  # noqa: E501
    table = _complete(accuracies)
    if reference not in table:
        raise unknown("scenario", reference, table.columns)
    known = _complete(references, list(table.columns))
    if known[reference].nunique() < 2:
        raise XrayError(f"a line needs two reference models of different accuracy on {reference!r}")
    line, start = _logits(known), _logits(table[[reference]])[reference]
    rows = []
    for scenario in table.columns.drop(reference):
        fit = stats.linregress(line[reference], line[scenario])
        expected = expit(fit.intercept + fit.slope * start)
        rows += [
            (model, scenario, table.loc[model, scenario], expected[model], table.loc[model, scenario] - expected[model])
            for model in table.index
        ]
    made = pd.DataFrame(rows, columns=["model", "scenario", "accuracy", "expected", "effective_robustness"])
    return made.assign(n_references=len(known))


def worst_scenario(accuracies: Accuracies) -> pd.DataFrame:
    """The scenario in which each model is right least often; of equal ones the first by name.

    Returns:
        One row a model: `model`, `scenario`, `accuracy`, and `below_mean`, the mean over scenarios − that accuracy.

    Raises:
        XrayError: an accuracy is missing, or no fraction.

    >>> worst_scenario({"m": {"original": 0.9, "segmented": 0.4}}).to_dict("records")
    [{'model': 'm', 'scenario': 'segmented', 'accuracy': 0.4, 'below_mean': 0.25}]
    """
    return _worst(_complete(accuracies), "scenario")


def worst_category(by_category: pd.DataFrame) -> pd.DataFrame:
    """The category that each model gets right least often, over all scenarios given, each counting alike.

    Args:
        by_category: `model`, `scenario`, `category`, `accuracy`, every category in every scenario.

    Returns:
        One row a model: `model`, `category`, `accuracy`, and `below_mean`, the mean over categories − that accuracy.

    Raises:
        XrayError: an accuracy is missing, or no fraction.

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
    least = ordered.min(axis=1)
    found = {"model": table.index, what: ordered.idxmin(axis=1), "accuracy": least}
    return pd.DataFrame({**found, "below_mean": table.mean(axis=1) - least}).reset_index(drop=True)


def _complete(
    accuracies: Accuracies, scenarios: Sequence[str] | None = None, models: Sequence[str] | None = None
) -> pd.DataFrame:
    """Accuracies by model (rows) and scenario (columns), all of those asked for."""
    table = _matrix(accuracies)
    table = table.reindex(index=list(models or table.index), columns=list(scenarios or table.columns))
    _check(table, "scenario")
    return table


def _matrix(accuracies: Accuracies) -> pd.DataFrame:
    if isinstance(accuracies, pd.DataFrame):
        return _pivot(accuracies, "model", "scenario")
    return pd.DataFrame(dict(accuracies), dtype=np.float64).T.rename_axis("model")


def _pivot(table: pd.DataFrame, index: str | list[str], columns: str) -> pd.DataFrame:
    key = [*([index] if isinstance(index, str) else index), columns]
    for name in (*key, "accuracy"):
        if name not in table:
            raise unknown("column", name, map(str, table.columns))
    if (twice := table.duplicated(key)).any():
        cell = ", ".join(map(str, table.loc[twice, key].iloc[0]))
        raise XrayError(f"there are two accuracies of ({cell}): choose one kind of training, or take their mean")
    return table.pivot(index=index, columns=columns, values="accuracy").astype(np.float64)


def _check(table: pd.DataFrame, what: str) -> None:
    if table.empty:
        raise XrayError("there are no accuracies")
    wrong = table.isna() | (table < 0) | (table > 1)
    if not wrong.any(axis=None):
        return
    model, name = wrong.stack()[lambda cell: cell].index[0]
    value = table.loc[model, name]
    said = "is missing" if np.isnan(value) else f"is {value:g}: accuracies are fractions, 0 … 1"
    raise XrayError(f"the accuracy of model {model!r} on {what} {name!r} {said}")


def _logits(table: pd.DataFrame) -> pd.DataFrame:
    if (edge := (table <= 0) | (table >= 1)).any(axis=None):
        model, scenario = edge.stack()[lambda cell: cell].index[0]
        value = table.loc[model, scenario]
        raise XrayError(f"model {model!r} has accuracy {value:g} on {scenario!r}, which has no logit: leave it out")
    return pd.DataFrame(logit(table.to_numpy()), table.index, table.columns)
