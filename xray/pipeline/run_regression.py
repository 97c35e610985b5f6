"""The regression of a run: which of its predictions are regressed on what, and what the reader must know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pandas as pd

from xray.core.errors import XrayError, unknown
from xray.core.schema import PREDICTIONS
from xray.pipeline.score import COLUMNS
from xray.runs.roles import PRETRAINED, control_scenarios, reference_scenario, series_name
from xray.statistics.regression.least_squares import Regression, regression
from xray.statistics.regression.validation import Missing

if TYPE_CHECKING:
    from xray.runs.run import Run

Rows = Literal["cells", "predictions"]
FACTORS = ("model", "scenario", "category")


def run_regression(
    run: Run,
    reference: Mapping[str, object] | None,
    factors: Sequence[str] | None,
    response: str,
    rows: Rows,
    cluster: str | None,
    interactions: Sequence[Sequence[str]],
    weights: str | None,
    confidence: float,
    missing: Missing,
) -> Regression:
    """What `Run.regression` gives; see there."""
    if rows not in ("cells", "predictions"):
        raise unknown("`rows` of a regression", rows, ("cells", "predictions"))
    table, notes = _predictions(run, factors or FACTORS, response)
    against = dict(reference or {})
    if factors is None:
        factors = [name for name in FACTORS if table[name].nunique() > 1]
        for name in FACTORS:
            if name not in factors:
                notes.append(f"{name} {(only := table[name].iloc[0])} is the only one: no factor")
                if (level := against.pop(name, only)) != only:
                    raise unknown(f"{name} as a reference", level, [only])
    if "scenario" in factors:
        against.setdefault("scenario", reference_scenario(run.recipe))
    if rows == "cells":
        if cluster is not None and cluster not in factors:
            raise XrayError(f"cells are not of one {cluster!r} each: rows='predictions' keeps the single predictions")
        groups = table.groupby(list(factors), observed=True, dropna=False)[response]
        table = groups.agg(["mean", "size"]).reset_index().rename(columns={"mean": response, "size": "n"})
        low, high = table["n"].min(), table["n"].max()
        if low < high and weights is None:
            notes.append(f"cells are means of {low:,} to {high:,} predictions and count alike; weights='n' weighs them")
    else:
        cluster = cluster or "image_id"
    fitted = regression(
        table, response, factors, against, interactions=interactions, weights=weights, cluster=cluster,
        confidence=confidence, missing=missing,
    )  # fmt: skip
    return replace(fitted, notes=(*notes, *fitted.notes, *run.notes()))


def _predictions(run: Run, factors: Sequence[str], response: str) -> tuple[pd.DataFrame, list[str]]:
    """The predictions that a regression is about, with `accuracy` and all factors; and what was left out."""
    recipe = run.recipe
    original, controls, notes = reference_scenario(recipe), control_scenarios(recipe), []
    measured = [response] if response in PREDICTIONS.names else []
    columns = list(dict.fromkeys(["sample_id", *COLUMNS, *measured]))
    table = run.table("predictions", columns=columns).to_pandas()
    kept = table[table["trained_on"].isin([PRETRAINED, original])]
    if kept.empty:
        raise XrayError(
            f"there are no predictions of models pretrained or trained on {original!r}: run `xray evaluate`"
        )
    if others := sorted(set(table["trained_on"]) - {PRETRAINED, original}):
        notes.append(
            f"models trained on {', '.join(others)} are left out: only those pretrained or of {original} enter"
        )
    if shown_away := sorted(set(kept["scenario"]) & set(controls)):
        kept = kept[~kept["scenario"].isin(shown_away)]
        notes.append(f"{', '.join(shown_away)} is left out: without the object, losing accuracy is right")
    kept = kept.assign(accuracy=kept["correct"].astype("float64"))
    trainings = kept[["model", "trained_on"]].drop_duplicates()
    if trainings["model"].duplicated().any():
        names = {pair: series_name(*pair) for pair in trainings.itertuples(index=False, name=None)}
        kept = kept.assign(model=[names[pair] for pair in zip(kept["model"], kept["trained_on"], strict=True)])
    order = [name for name in recipe["scenarios"] if name in set(kept["scenario"])]
    if not set(factors) <= set(kept.columns):
        kept = kept.merge(run.factors(), how="left", on=["sample_id", "scenario", "variant"])
    for name in (*factors, response):
        if name not in kept.columns:
            raise unknown("column", name, kept.columns)
    return kept.assign(scenario=pd.Categorical(kept["scenario"], order)), notes
