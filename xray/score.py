"""From predictions to scores: accuracies, drops and the cross term of S_robust, as tables of the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from xray.errors import XrayError
from xray.schema import SCORES
from xray.statistics import accuracy_table, cross_terms, drops

if TYPE_CHECKING:
    from xray.run import Run

PRETRAINED = "pretrained"
CONTROL = "no_object"
"""The kind of scenario that asks what the background alone gives away: losing accuracy there is right."""
COLUMNS = ("model", "trained_on", "scenario", "category", "image_id", "variant", "fold", "correct")
"""The columns of PREDICTIONS that scores are made of."""


@dataclass(frozen=True)
class Scores:
    """What predictions come to; all accuracies 0 … 1, all intervals 95 %.

    Args:
        accuracy: one row a (model, trained_on, scenario), with Wilson intervals.
        by_category: the same a (model, trained_on, scenario, category).
        drops: accuracy lost against the reference (see `xray.statistics.drops`).
        cross: cross term of S_robust a model (see `xray.statistics.cross_terms`).
        reference: the scenario that drops are measured from.
    """

    accuracy: pd.DataFrame
    by_category: pd.DataFrame
    drops: pd.DataFrame
    cross: pd.DataFrame
    reference: str


def series_name(model: str, trained_on: str) -> str:
    """What a model is called beside others: a pretrained one by its name alone.

    >>> series_name("resnet50", "pretrained"), series_name("resnet50", "image_grey")
    ('resnet50', 'resnet50, trained on image_grey')
    """
    return model if trained_on == PRETRAINED else f"{model}, trained on {trained_on}"


def reference_scenario(recipe: Mapping[str, Any]) -> str:
    """The recipe's name of the scenario that shows the photograph as it is.

    Raises:
        XrayError: there is none.

    >>> reference_scenario({"scenarios": {"as_taken": {"kind": "original"}, "grey": {"kind": "image_grey"}}})
    'as_taken'
    """
    scenarios: Mapping[str, Mapping[str, Any]] = recipe["scenarios"]
    for name, settings in scenarios.items():
        if settings["kind"] == "original":
            return name
    raise XrayError(f"no scenario of kind 'original' to measure drops from; the recipe has {', '.join(scenarios)}")


def control_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """The recipe's names of the scenarios without the object; no part of the cross term."""
    return [name for name, settings in recipe["scenarios"].items() if settings["kind"] == CONTROL]


def score_predictions(
    predictions: pd.DataFrame, reference: str = "original", controls: Collection[str] = (), seed: int = 0
) -> Scores:
    """All scores of a table of predictions; drops and cross term are of models trained on the reference or pretrained.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        reference: the scenario that drops are measured from.
        controls: scenarios that are left out of the cross term.
        seed: of the bootstrap.

    Raises:
        XrayError: there are no predictions, or those of a model on the reference are missing.
    """
    if predictions.empty:
        raise XrayError("there are no predictions to score: run `xray evaluate` first")
    trained_on_reference = predictions[predictions["trained_on"].isin([PRETRAINED, reference])]
    compared = trained_on_reference[~trained_on_reference["scenario"].isin(list(controls))]
    return Scores(
        accuracy=accuracy_table(predictions, by=("model", "trained_on", "scenario")),
        by_category=accuracy_table(predictions),
        drops=drops(trained_on_reference, reference, seed=seed),
        cross=cross_terms(compared, reference, seed=seed),
        reference=reference,
    )


def score(run: Run) -> Scores:
    """Score a run's predictions and write the tables `scores`, `drops` and `robustness` into the run.

    Raises:
        XrayError: as `score_predictions`, or the recipe has no scenario of kind `original`.
    """
    predictions = run.table("predictions", columns=list(COLUMNS)).to_pandas()
    recipe = run.recipe
    scores = score_predictions(
        predictions, reference_scenario(recipe), control_scenarios(recipe), seed=int(recipe["seed"])
    )
    cells = accuracy_table(predictions, by=("model", "trained_on", "scenario", "category", "fold"))
    run.write_table("scores", _as_table(cells.rename(columns={"scenario": "tested_on"}), SCORES))
    run.write_table("drops", _as_table(scores.drops))
    run.write_table("robustness", _as_table(scores.cross))
    return scores


def _as_table(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    columns = frame if schema is None else frame[schema.names]
    table = pa.Table.from_pandas(columns, schema=schema, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata if schema is not None else None)


def summary(scores: Scores) -> str:
    """Accuracy and drop by model and scenario as text for a terminal, the largest drop of each model first."""
    table = scores.accuracy.merge(
        scores.drops[["model", "trained_on", "scenario", "drop", "ci_low", "ci_high"]],
        how="left",
        on=["model", "trained_on", "scenario"],
        suffixes=("", "_drop"),
    )
    table["order"] = -table["drop"].where(table["scenario"] != scores.reference, float("inf"))
    table = table.sort_values(["model", "trained_on", "order", "scenario"])
    rows = [("model", "scenario", "right", "n", f"lost against {scores.reference} [95 %]")]
    rows += [
        (
            series_name(row["model"], row["trained_on"]),
            row["scenario"],
            f"{100 * row['accuracy']:.1f} %",
            f"{row['n']:,}",
            _drop(row),
        )
        for row in _records(table)
    ]
    return "\n".join([_aligned(rows), "", *(_cross(row) for row in _records(scores.cross))])


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def _drop(row: Mapping[str, Any]) -> str:
    if pd.isna(row["drop"]):
        return ""
    low, high = row["ci_low_drop"], row["ci_high_drop"]
    interval = "" if pd.isna(low) else f"  [{100 * low:5.1f}, {100 * high:5.1f}]"
    return f"{100 * row['drop']:5.1f}{interval}"


def _cross(row: Mapping[str, Any]) -> str:
    interval = "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
    return (
        f"{series_name(row['model'], row['trained_on'])}: cross term of S_robust {row['cross']:.4f}{interval} "
        f"({row['power']} about {row['about']}; mu = {row['mu']:.4f}, {row['n_scenarios']} scenarios)"
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = (False, False, True, True, False)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    )
