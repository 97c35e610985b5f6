"""The scores of a run as a report shows them: tables with the models' names, and what cannot be computed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from xray.core.errors import XrayError
from xray.pipeline import edits
from xray.pipeline.edits import EditScores
from xray.pipeline.score import compared, is_above_chance, photographs_without_mask, rows_where, score_predictions
from xray.runs.roles import (
    PRETRAINED,
    adversarial_scenarios,
    control_scenarios,
    editing_scenarios,
    object_scenarios,
    reference_scenario,
    series_name,
    training_scenarios,
)
from xray.statistics import accuracy_table, segmentation_table

IGNORANT = {"shuffled": "its answers shuffled", "majority": "always the most frequent category"}
"""Answers that ignore the photograph, by the column of `xray.statistics.baselines`."""


@dataclass(frozen=True)
class ScoreTables:
    """The tables of `xray.pipeline.score.Scores`, each with the column `series`: the model's name in the report.

    `edits` has those of edited images, without that column.

    `accuracy` and `by_category` have the models that are pretrained or trained on the reference (all models if the
    recipe has no reference), `trained` the models trained in this run. `drops` and `cross` are None where they cannot
    be computed, which `problem` explains; `s_robust` has `label`, the model's name, and is None where no model was
    trained. `at_chance` has the rows of `xray.statistics.at_chance` by series: models that are not shown to be above
    chance, which are not in `edits` either. `baselines` is `xray.statistics.baselines`; `warnings` are doubts about
    masks, and the models in `at_chance`.
    """

    predictions: pd.DataFrame
    accuracy: pd.DataFrame
    by_category: pd.DataFrame
    trained: pd.DataFrame
    segmentation: pd.DataFrame
    drops: pd.DataFrame | None = None
    cross: pd.DataFrame | None = None
    s_robust: pd.DataFrame | None = None
    edits: EditScores | None = None
    at_chance: Mapping[str, Mapping[Hashable, Any]] = field(default_factory=dict)
    baselines: pd.DataFrame | None = None
    warnings: tuple[str, ...] = ()
    problem: str = ""
    reference: str | None = None

    @property
    def series(self) -> list[tuple[str, str]]:
        """The (model, trained_on) pairs of `accuracy`, sorted."""
        return sorted(set(zip(self.accuracy["model"], self.accuracy["trained_on"], strict=True)))

    def above_chance(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select the rows of models that are shown to be above chance."""
        at_chance = pd.DataFrame(list(self.at_chance.values()), columns=["model", "trained_on"])
        return rows_where(table, is_above_chance(table, at_chance))

    def ignorant(self, series: str, scenario: str) -> dict[str, float]:
        """Return how often answers that ignore the photograph are right in a scenario, by name; empty if not known."""
        if self.baselines is None:
            return {}
        table = self.baselines
        rows = table[(table["series"] == series) & (table["scenario"] == scenario)]
        return {
            text: float(row[name]) for row in rows.to_dict("records") for name, text in IGNORANT.items()
            if pd.notna(row[name])
        }  # fmt: skip

    def shuffled(self, series: str, scenario: str) -> float:
        """Return how often a model's answers, shuffled, are right in a control; NaN: not known."""
        return self.ignorant(series, scenario).get(IGNORANT["shuffled"], float("nan"))

    @property
    def has_pretrained(self) -> bool:
        """True if any model was pretrained elsewhere, perhaps on the photographs of this run."""
        return bool((self.accuracy["trained_on"] == PRETRAINED).any())


def score_tables(predictions: pd.DataFrame, recipe: Mapping[str, Any], masks: pa.Table) -> ScoreTables:
    """Score predictions.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        recipe: its plain values.
        masks: `image_id` and `status` of MASKS.
    """
    by = ("model", "trained_on", "scenario")
    tables: dict[str, Any] = {
        "predictions": predictions,
        "accuracy": with_series(accuracy_table(predictions, by)),
        "by_category": with_series(accuracy_table(predictions)),
        "trained": with_series(accuracy_table(predictions[predictions["trained_on"] != PRETRAINED], by)),
        "segmentation": with_series(segmentation_table(predictions, seed=int(recipe["seed"]))),
    }
    try:
        reference = tables["reference"] = reference_scenario(recipe)
        within, controls = training_scenarios(recipe), control_scenarios(recipe)
        tables |= {name: compared(tables[name], reference) for name in ("accuracy", "by_category")}
        without_mask = photographs_without_mask(predictions, recipe, masks)
        alone, seed = object_scenarios(recipe), int(recipe["seed"])
        others = [*editing_scenarios(recipe), *adversarial_scenarios(recipe)]
        scores = score_predictions(predictions, reference, controls, seed, within, without_mask, alone, others)
    except XrayError as error:
        return ScoreTables(**tables, problem=str(error))
    edited = edits.score_edits(scores.above_chance(compared(predictions, reference)), recipe, seed)
    tables |= {"drops": with_series(scores.drops), "cross": with_series(scores.cross), "warnings": scores.warnings}
    tables |= {"edits": edited, "baselines": with_series(scores.baselines)}
    tables["at_chance"] = {row["series"]: row for row in with_series(scores.at_chance).to_dict("records")}
    if len(tables["trained"]) or within:
        pretrained = scores.s_robust["trained_on"] == PRETRAINED
        labels = scores.s_robust["model"].where(~pretrained, scores.s_robust["model"] + " (pretrained)")
        tables["s_robust"] = scores.s_robust.assign(label=labels)
    return ScoreTables(**tables)


def with_series(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column `series`: the name of each row's model in the report."""
    names = [series_name(*pair) for pair in zip(table["model"], table["trained_on"], strict=True)]
    return table.assign(series=pd.Series(names, index=table.index, dtype="str"))
