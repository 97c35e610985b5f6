"""Regress accuracies: of a table in a file, or of a run's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import pandas as pd

from xray.core.errors import ConfigError, unknown
from xray.core.schema import PREDICTIONS
from xray.core.tabular import read_table
from xray.pipeline.score import COLUMNS
from xray.runs.folder import RunFolder
from xray.runs.roles import PRETRAINED, reference_scenario, series_name, untested_scenarios
from xray.runs.tables import RunTables
from xray.statistics.regression.glm import CountRegression, binomial
from xray.statistics.regression.result import Regression, regression
from xray.statistics.regression.validation import Missing

Rows = Literal["cells", "predictions"]
FACTORS = ("model", "scenario", "category")


@dataclass(frozen=True)
class RegressionSpec:
    """What to regress on what: the arguments of `xray.statistics.regression`.

    `factors` may be None: those of `FACTORS`, and of them only those that vary in the predictions of a run.
    """

    response: str = "accuracy"
    factors: Sequence[str] | None = None
    reference: Mapping[str, object] = field(default_factory=dict)
    interactions: Sequence[Sequence[str]] = ()
    weights: str | None = None
    cluster: str | None = None
    confidence: float = 0.95
    unit: str = "fraction"
    missing: str = "error"

    def fit(self, table: pd.DataFrame) -> Regression:
        """Regress a table; see `xray.statistics.regression` for errors."""
        arguments: dict[str, Any] = {**vars(self), "factors": self.factors or FACTORS}
        return regression(table, **arguments)


def parse_references(texts: Sequence[str], factors: Sequence[str]) -> dict[str, str]:
    """Parse reference levels `FACTOR=LEVEL`; factors and levels may contain `=`.

    Raises:
        ConfigError: not `FACTOR=LEVEL`, an unknown factor, or a duplicate one.

    >>> parse_references(["model=a=b", "class=0"], ["model", "class"])
    {'model': 'a=b', 'class': '0'}
    """
    levels: dict[str, str] = {}
    for text in texts:
        matches = [factor for factor in factors if text.startswith(f"{factor}=")]
        if not matches:
            if "=" in text:
                raise unknown("factor of a reference", text.partition("=")[0], factors)
            raise ConfigError(f"a reference is FACTOR=LEVEL, not {text!r} (factors: {', '.join(factors)})")
        factor = max(matches, key=len)
        if factor in levels:
            raise ConfigError(f"factor {factor!r} has two references, {levels[factor]!r} and another")
        levels[factor] = text.removeprefix(f"{factor}=")
    return levels


def regress(
    location: str, spec: RegressionSpec, counts: tuple[str, str] | None = None
) -> tuple[Regression, CountRegression | None]:
    """Regress a table in a file; and binomially if `counts` names columns of correct answers and of all answers.

    Raises:
        ConfigError: as `read_table` and `xray.statistics.regression`.
    """
    factors = spec.factors or FACTORS
    numbers = [spec.response, *([spec.weights] if spec.weights else []), *(counts or ())]
    percent = 1.0 if spec.unit == "percent" else 0.01
    table = read_table(location, [*factors, *([spec.cluster] if spec.cluster else [])], numbers, percent)
    fitted = spec.fit(table)
    if counts is None:
        return fitted, None
    correct, n = counts
    by_counts = binomial(
        table, factors, spec.reference, correct=correct, n=n, interactions=spec.interactions,
        confidence=spec.confidence, missing=cast(Missing, spec.missing),
    )  # fmt: skip
    if spec.cluster is not None:
        note = f"its standard errors treat all answers as independent: they ignore clusters by {spec.cluster}"
        by_counts = replace(by_counts, notes=(*by_counts.notes, note))
    return fitted, by_counts


def regress_run(run: RunFolder, spec: RegressionSpec, rows: Rows = "cells") -> Regression:
    """Regress a run's predictions.

    Models count if they are pretrained or trained on the reference; control scenarios are left out. `rows`: `cells`,
    one row per combination of the factors, or `predictions`, one row each.

    Raises:
        ConfigError: as `xray.statistics.regression`, or there are no such predictions.
    """
    if rows not in ("cells", "predictions"):
        raise unknown("`rows` of a regression", rows, ("cells", "predictions"))
    table, notes = _predictions(run, spec.factors or FACTORS, spec.response)
    reference, factors = dict(spec.reference), spec.factors
    if factors is None:
        factors = _varying(table, reference, notes)
    if "scenario" in factors:
        reference.setdefault("scenario", reference_scenario(run.recipe_values))
    spec = replace(spec, factors=factors, reference=reference)
    if rows == "cells":
        table = _cells(table, spec, notes)
    else:
        spec = replace(spec, cluster=spec.cluster or "image_id")
    fitted = spec.fit(table)
    return replace(fitted, notes=(*notes, *fitted.notes, *RunTables(run).notes()))


def _varying(table: pd.DataFrame, reference: dict[str, object], notes: list[str]) -> list[str]:
    """The default factors with more than one level; a reference to the only level of another is dropped."""
    factors = [name for name in FACTORS if table[name].nunique() > 1]
    for name in FACTORS:
        if name not in factors:
            only = table[name].iloc[0]
            notes.append(f"{name} has the only level {only}: not a factor")
            if (level := reference.pop(name, only)) != only:
                raise unknown(f"{name} as a reference", level, [only])
    return factors


def _cells(table: pd.DataFrame, spec: RegressionSpec, notes: list[str]) -> pd.DataFrame:
    """Average predictions into cells, one per combination of the factors."""
    factors = list(spec.factors or ())
    if spec.cluster is not None and spec.cluster not in factors:
        raise ConfigError(
            f"cannot cluster by {spec.cluster!r} when rows are averaged into cells; use rows='predictions'"
        )
    groups = table.groupby(factors, observed=True, dropna=False)[spec.response]
    cells = groups.agg(["mean", "size"]).reset_index().rename(columns={"mean": spec.response, "size": "n"})
    low, high = cells["n"].min(), cells["n"].max()
    if low < high and spec.weights is None:
        notes.append(f"cells are means of {low:,} to {high:,} predictions, equally weighted; see weights='n'")
    return cells


def _predictions(run: RunFolder, factors: Sequence[str], response: str) -> tuple[pd.DataFrame, list[str]]:
    """The predictions to regress, with `accuracy` and all factors, and notes on those left out."""
    recipe, notes = run.recipe_values, []
    reference, controls = reference_scenario(recipe), untested_scenarios(recipe)
    columns = dict.fromkeys(["sample_id", *COLUMNS, *([response] if response in PREDICTIONS.names else [])])
    table = run.store.table("predictions", columns=list(columns)).to_pandas()
    kept = table[table["trained_on"].isin([PRETRAINED, reference])]
    if kept.empty:
        raise ConfigError(
            f"there are no predictions of models that are pretrained or trained on {reference!r}: run `xray evaluate`"
        )
    if others := sorted(set(table["trained_on"]) - {PRETRAINED, reference}):
        notes.append(
            f"models trained on {', '.join(others)} are left out: only those pretrained or of {reference} count"
        )
    if without_object := sorted(set(kept["scenario"]) & set(controls)):
        kept = kept[~kept["scenario"].isin(without_object)]
        notes.append(f"{', '.join(without_object)} is left out: a control, not a test of the model")
    kept = kept.assign(accuracy=kept["correct"].astype("float64"))
    trainings = kept[["model", "trained_on"]].drop_duplicates()
    if trainings["model"].duplicated().any():
        names = {pair: series_name(*pair) for pair in trainings.itertuples(index=False, name=None)}
        kept = kept.assign(model=[names[pair] for pair in zip(kept["model"], kept["trained_on"], strict=True)])
    order = [name for name in recipe["scenarios"] if name in set(kept["scenario"])]
    if not set(factors) <= set(kept.columns):
        kept = kept.merge(RunTables(run).factors(), how="left", on=["sample_id", "scenario", "variant"])
    for name in (*factors, response):
        if name not in kept.columns:
            raise unknown("column", name, kept.columns)
    return kept.assign(scenario=pd.Categorical(kept["scenario"], order)), notes
