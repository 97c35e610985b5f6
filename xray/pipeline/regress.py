"""Regress accuracies: of a table in a file, or of a run's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from xray.core.errors import ConfigError, unknown
from xray.core.files import is_folder
from xray.core.schema import PREDICTIONS
from xray.core.tabular import read_table
from xray.core.uri import to_uri
from xray.pipeline.score import COLUMNS
from xray.runs.folder import RunFolder
from xray.runs.groups import GROUPED_BY, join_shared_groups
from xray.runs.roles import PRETRAINED, reference_scenario, series_name, untested_scenarios
from xray.runs.tables import RunTables
from xray.statistics.regression.design import natural_key
from xray.statistics.regression.glm import CountRegression, binomial
from xray.statistics.regression.mixed_model import MixedRegression, mixed
from xray.statistics.regression.result import Regression, regression

Rows = Literal["cells", "predictions"]
FACTORS = ("model", "scenario", "category")
_NAMES = ("model", "trained_on", "scenario", "category")


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
        return regression(table, self.response, **self._arguments("weights", "cluster", "unit"))

    def fit_binomial(self, table: pd.DataFrame, correct: str | None, n: str | None) -> CountRegression:
        """Regress counts of correct answers, or accuracies if `correct` is None; single answers if `n` is None."""
        accuracy = self.response if correct is None else None
        return binomial(table, correct=correct, n=n, accuracy=accuracy, **self._arguments("cluster"))

    def fit_mixed(self, table: pd.DataFrame, group: str) -> MixedRegression:
        """Regress a table with a random intercept for each group."""
        return mixed(table, self.response, group=group, **self._arguments("unit"))

    def _arguments(self, *more: str) -> dict[str, Any]:
        names = ("reference", "interactions", "confidence", "missing", *more)
        return {"factors": self.factors or FACTORS, **{name: getattr(self, name) for name in names}}


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


@dataclass(frozen=True)
class Regressions:
    """Regressions of one table on the same factors.

    Args:
        linear: by least squares.
        binomial: of counts, with clustered errors where clusters were given.
        mixed: with a random intercept per group.
    """

    linear: Regression
    binomial: CountRegression | None = None
    mixed: MixedRegression | None = None


def regress(
    location: str,
    spec: RegressionSpec,
    counts: tuple[str, str | None] | None = None,
    group: str | None = None,
) -> Regressions:
    """Regress a table in a file, or the predictions of a run.

    Of a run, the linear regression is of cells, or of predictions if they are clustered; the others are of predictions.

    Args:
        location: of the table, or of the run.
        spec: what to regress on what.
        counts: fit a binomial regression, too, of these columns: of correct answers and of all answers (None: each row
            is one answer). A run's are known.
        group: fit a mixed model, too, with a random intercept for each value of this column.

    Raises:
        ConfigError: as `read_table`, `xray.statistics.regression` and `regress_run`; or the folder is no run.
    """
    if is_folder(to_uri(location)):
        return _regress_folder(RunFolder.open(location), spec, counts is not None, group)
    factors = spec.factors or FACTORS
    correct, n = counts or (None, None)
    numbers = dict.fromkeys(name for name in (spec.response, spec.weights, correct, n) if name)
    texts = dict.fromkeys(name for name in (*factors, spec.cluster, group) if name)
    if both := [name for name in texts if name in numbers]:
        raise ConfigError(f"column {both[0]!r} has numbers to fit: it cannot be a factor, cluster or group as well")
    table = read_table(location, list(texts), list(numbers), percent=1.0 if spec.unit == "percent" else 0.01)
    return Regressions(
        spec.fit(table),
        None if correct is None else _with_dependence_note(spec.fit_binomial(table, correct, n)),
        None if group is None else spec.fit_mixed(table, group),
    )


def _regress_folder(run: RunFolder, spec: RegressionSpec, binomially: bool, group: str | None) -> Regressions:
    """Regress a run's predictions; the notes that all regressions have are those of the linear one."""
    linear = regress_run(run, spec, "predictions" if spec.cluster else "cells")
    counts = regress_run_binomial(run, spec) if binomially else None
    random = None if group is None else regress_run_mixed(run, replace(spec, cluster=group))
    return Regressions(
        linear,
        None if counts is None else replace(counts, notes=_others(counts.notes, linear.notes)),
        None if random is None else replace(random, notes=_others(random.notes, linear.notes)),
    )


def _others(notes: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    return tuple(note for note in notes if note not in known)


def _with_dependence_note(fitted: CountRegression) -> CountRegression:
    if fitted.clustered is not None:
        return fitted
    note = "standard errors treat all answers as independent; those on the same photograph are not: see --cluster"
    return replace(fitted, notes=(*fitted.notes, note))


def regress_run(run: RunFolder, spec: RegressionSpec, rows: Rows = "cells") -> Regression:
    """Regress a run's predictions.

    Models count if they are pretrained or trained on the reference; control scenarios are left out. `rows`: `cells`,
    one row per combination of the factors, or `predictions`, one row each, which are clustered by photograph, or by
    group where photographs belong together.

    Raises:
        ConfigError: as `xray.statistics.regression`, or there are no such predictions.
    """
    table, spec, notes = _rows(run, spec, rows)
    fitted = spec.fit(table)
    return replace(fitted, notes=(*notes, *fitted.notes, *RunTables(run).notes()))


def regress_run_binomial(run: RunFolder, spec: RegressionSpec, rows: Rows = "predictions") -> CountRegression:
    """Regress a run's predictions binomially; see `regress_run`."""
    cells = rows == "cells"
    table, spec, notes = _rows(run, replace(spec, weights="n" if cells else None), rows)
    fitted = spec.fit_binomial(table, None if cells else "accuracy", "n" if cells else None)
    return replace(fitted, notes=(*notes, *fitted.notes, *RunTables(run).notes()))


def regress_run_mixed(run: RunFolder, spec: RegressionSpec) -> MixedRegression:
    """Regress a run's predictions with a random intercept for each photograph or group; see `regress_run`."""
    table, spec, notes = _rows(run, spec, "predictions")
    fitted = spec.fit_mixed(table, str(spec.cluster))
    return replace(fitted, notes=(*notes, *fitted.notes, *RunTables(run).notes()))


def _rows(run: RunFolder, spec: RegressionSpec, rows: Rows) -> tuple[pd.DataFrame, RegressionSpec, list[str]]:
    """The rows to regress, what to regress on what, and notes."""
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
        return _cells(table, spec, notes), spec, notes
    table = join_shared_groups(table, run.store.table("source", GROUPED_BY))
    if spec.cluster == "image_id" and "group" in table.columns:
        notes.append("some photographs belong together: 'group' instead of 'image_id' allows for it")
    return table, replace(spec, cluster=spec.cluster or ("group" if "group" in table.columns else "image_id")), notes


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
        notes.append(f"cells are means of {low:,} to {high:,} predictions, equally weighted; `weights` may be n")
    return cells


def _predictions(run: RunFolder, factors: Sequence[str], response: str) -> tuple[pd.DataFrame, list[str]]:
    """The predictions to regress, with `accuracy` and all factors, and notes on those left out."""
    recipe, notes = run.recipe_values, []
    reference, controls = reference_scenario(recipe), untested_scenarios(recipe)
    columns = dict.fromkeys(["sample_id", *COLUMNS, *([response] if response in PREDICTIONS.names else [])])
    table = run.store.table("predictions", list(columns), dictionaries=_NAMES).to_pandas()
    for name in _NAMES:  # in the order of text
        categories = sorted(table[name].cat.categories, key=natural_key)
        table[name] = table[name].cat.set_categories(categories)
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
    kept = kept.assign(accuracy=kept["correct"])
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
    return kept.assign(scenario=kept["scenario"].astype("category").cat.set_categories(order)), notes
