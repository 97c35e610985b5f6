"""Scores of edited images: drops beyond controls, answers that name donors, curves, maps, worst groups, measures."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xray.runs.factors import complexity_levels, curve_levels, edit_controls, grid_scenarios, position_maps, same_but
from xray.runs.roles import PRETRAINED, control_scenarios, editing_scenarios
from xray.statistics.robustness import measures
from xray.statistics.robustness.complexity_curves import complexity_curves
from xray.statistics.robustness.curves import curve_summaries, curves
from xray.statistics.robustness.editing import donor_answers, drops_beyond_controls
from xray.statistics.robustness.worst_group import worst_groups

COLUMNS = ("donor_category", "names_donor", "top1")
"""Columns of PREDICTIONS that these scores need besides those of `xray.pipeline.score`."""
_PLACEMENT = ("size", "position", "direction", "flip")


class Tables(Protocol):
    """A run's tables, as `xray.runs.store.Store` and `xray.runs.tables.RunTables` read them."""

    def table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
        *,
        dictionaries: Collection[str] = (),
    ) -> pa.Table:
        """Read some columns and rows of a table."""


@dataclass(frozen=True)
class EditScores:
    """Tables of edited images; each is empty where the recipe has no such scenarios.

    Args:
        beyond_controls: `xray.statistics.robustness.editing.drops_beyond_controls`.
        donor_answers: `xray.statistics.robustness.editing.donor_answers`.
        curves: `xray.statistics.robustness.curves.curves`, with `factor` and `label` of each level.
        curve_summaries: `xray.statistics.robustness.curves.curve_summaries`.
        complexity_curves: `xray.statistics.robustness.complexity_curves.complexity_curves`.
        position_maps: accuracies by model, `map`, `row` and `column` of the 3 × 3 cells, over complete cases.
        worst_groups: `xray.statistics.robustness.worst_group.worst_groups` of the grid of size, position and world.
        measures: `xray.statistics.robustness.measures.measured`.
        challenges: `xray.statistics.robustness.measures.challenges` over the scenarios with donors.
    """

    beyond_controls: pd.DataFrame
    donor_answers: pd.DataFrame
    curves: pd.DataFrame
    curve_summaries: pd.DataFrame
    complexity_curves: pd.DataFrame
    position_maps: pd.DataFrame
    worst_groups: pd.DataFrame
    measures: pd.DataFrame
    challenges: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that have rows, by name."""
        tables = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: table for name, table in tables.items() if len(table)}


def columns(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of PREDICTIONS that these scores need besides those of `xray.pipeline.score`."""
    return (*COLUMNS, "sample_id") if without_object(recipe) or complexity_levels(recipe) else COLUMNS


def with_image_facts(predictions: pd.DataFrame, recipe: Mapping[str, Any], store: Tables) -> pd.DataFrame:
    """Add what other tables know of each image: `donor_id`, and `complexity` of its background if the recipe varies it.

    The complexity is what was measured when the image was made: of the donor as it is shown, or of the painted
    background with the object's area filled; NaN where it was not measured.
    """
    scenarios = [name for names in complexity_levels(recipe).values() for name in names]
    if scenarios:
        images = store.table("images", ["sample_id", "provenance"], pc.field("scenario").isin(scenarios))
        measured = np.array([_complexity(text.as_py()) for text in images["provenance"]], np.float64)
        complexity = pd.Series(measured, images["sample_id"].to_pandas())
        predictions = predictions.assign(complexity=_looked_up(predictions["sample_id"], complexity))
    return with_donor_ids(predictions, store)


def with_donor_ids(predictions: pd.DataFrame, store: Tables) -> pd.DataFrame:
    """Add the planned `donor_id` of each image, if the predictions have their `sample_id`."""
    if "sample_id" not in predictions:
        return predictions
    planned = store.table("plan", ["sample_id", "donor_id"], pc.field("donor_id").is_valid()).to_pandas()
    donors = planned.set_index("sample_id")["donor_id"].astype("category")
    donor_id = _looked_up(predictions["sample_id"], donors)
    return predictions.drop(columns="sample_id").assign(donor_id=donor_id)


def _looked_up(names: pd.Series, values: pd.Series) -> pd.Series:
    """Return the value of each name, by the index of `values`; NaN for others. Categories are looked up once each."""
    names = names.astype("category")
    found = values.reindex(names.cat.categories)
    return pd.Series(found.array.take(names.cat.codes, allow_fill=True), names.index)


def without_object(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios that show photographs without their objects, and nothing else."""
    entries = recipe["scenarios"]
    return [name for name in control_scenarios(recipe) if entries[name].get("fill") == "removed"]


def score_edits(predictions: pd.DataFrame, recipe: Mapping[str, Any], seed: int = 0) -> EditScores:
    """Compute all scores of edited images.

    Args:
        predictions: one row per (sample, model), of the models that drops compare, with the columns of PREDICTIONS;
            with `donor_id` (see `with_donor_ids`) answers on donors that a model recognizes are counted apart.
        recipe: its plain values.
        seed: seed of the bootstrap.
    """
    levels = pd.DataFrame([asdict(level) for level in curve_levels(recipe)])
    maps, measured = position_maps(recipe), "complexity" in predictions
    empty = pd.DataFrame()
    return EditScores(
        beyond_controls=drops_beyond_controls(predictions, edit_controls(recipe)),
        donor_answers=donor_answers(predictions, _recognized(predictions, recipe), _named(predictions, recipe)),
        curves=_labelled(curves(predictions, levels), levels) if len(levels) else empty,
        curve_summaries=curve_summaries(predictions, levels) if len(levels) else empty,
        complexity_curves=complexity_curves(predictions, complexity_levels(recipe) if measured else {}),
        position_maps=_maps(predictions, maps),
        worst_groups=worst_groups(predictions, grid_scenarios(recipe), seed=seed),
        measures=measures.measured(predictions, run_measures(recipe)),
        challenges=measures.challenges(predictions, _on_donors(recipe)),
    )


def qualified(drops: pd.DataFrame, edits: EditScores) -> pd.DataFrame:
    """Add to `drops` what qualifies them, NaN or None where it does not apply; nothing if there are no such edits.

    The columns are `control`, `beyond_control`, `beyond_low` and `beyond_high` (the drop beyond that of the control,
    and its interval, −1 … 1), and `donor_share` (share of wrong answers that name the donor's category, 0 … 1).
    """
    if edits.beyond_controls.empty and edits.donor_answers.empty:
        return drops
    keys = ["model", "trained_on", "scenario"]
    names = {"ci_low": "beyond_low", "ci_high": "beyond_high"}
    beyond = edits.beyond_controls.rename(columns=names)[[*keys, "control", "beyond_control", *names.values()]]
    donors = edits.donor_answers.rename(columns={"share": "donor_share"})[[*keys, "donor_share"]]
    return drops.merge(beyond, how="left", on=keys).merge(donors, how="left", on=keys)


def run_measures(recipe: Mapping[str, Any]) -> list[measures.Measure]:
    """Return the measures that the scenarios of a recipe allow."""
    found: list[measures.Measure] = []
    found += [measures.gap(*pair) for pair in same_but(recipe, "edit", "world.category", ["same", "any"])]
    found += [
        measures.ratio("background robustness", other, same)
        for same, other in same_but(recipe, "edit", "world.category", ["same", "any"])
    ]
    for name, cells in position_maps(recipe).items():
        found.append(measures.centre(tuple(cells.values()), name.replace("position", "centre bias", 1)))
    pasted = [name for name in editing_scenarios(recipe) if not recipe["scenarios"][name].get("direction")]
    found += [
        measures.ratio(f"size bias at {level.label}", level.scenario, pasted[0])
        for level in curve_levels(recipe)
        if level.curve == "size" and pasted
    ]
    found += [
        measures.foreground_sensitivity(*pair) for pair in same_but(recipe, "noise", "region", ["object", "background"])
    ]
    return found


def _complexity(provenance: str) -> float:
    """Return the measured complexity of an image's background, or of the image where its guide was of the image."""
    recorded = json.loads(provenance)
    donor = recorded.get("drawn", {}).get("complexity", np.nan)
    painted = recorded.get("painted", {}).get("complexity", {})
    return float(painted.get("background", painted.get("image", {})).get("after", donor))


def _recognized(predictions: pd.DataFrame, recipe: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the photographs that each model recognizes without their object; None if that is not known."""
    scenarios = without_object(recipe)
    shown = predictions["scenario"].isin(scenarios)
    if "donor_id" not in predictions or not shown.any():
        return None
    recognized = predictions[shown & predictions["correct"].astype(bool)]
    return recognized[["model", "trained_on", "image_id"]].drop_duplicates()


def _named(predictions: pd.DataFrame, recipe: Mapping[str, Any]) -> pd.DataFrame:
    """Return the categories that each answer names, of the models for which the recipe tells them.

    Pretrained models answer with a class of ImageNet-1k, trained ones with the place of a category. Models with other
    outputs are left out: their answers are recorded as naming donors otherwise than the recipe says.
    """
    entries = recipe.get("categories") or {}
    outputs = [(True, index, name) for name, entry in entries.items() for index in entry.get("indices", ())]
    outputs += [(False, place, name) for place, name in enumerate(entries)]
    keys, names = ["model", "trained_on"], ["top1", "donor_category"]
    answers = predictions[[*keys, "top1"]].drop_duplicates()
    answers = answers.assign(pretrained=answers["trained_on"] == PRETRAINED)
    table = pd.DataFrame(outputs, columns=["pretrained", *names]).astype({"pretrained": bool, "top1": "int32"})
    named = answers.merge(table, how="left", on=["pretrained", "top1"])[[*keys, *names]]
    rows = predictions[predictions["names_donor"].notna()]
    expected = pd.MultiIndex.from_frame(rows[named.columns]).isin(pd.MultiIndex.from_frame(named))
    others = rows.loc[expected != rows["names_donor"].astype(bool), keys]
    return named[~pd.MultiIndex.from_frame(named[keys]).isin(pd.MultiIndex.from_frame(others))]


def _on_donors(recipe: Mapping[str, Any]) -> list[str]:
    """Return the edits that put the object on donors and change nothing else: ImageNet-9 moves and resizes nothing."""
    edits = {name: entry for name, entry in recipe["scenarios"].items() if entry["kind"] == "edit"}
    as_it_was = [name for name, entry in edits.items() if not any(map(entry.get, _PLACEMENT))]
    return [name for name in as_it_was if edits[name]["world"]["kind"] == "donor"]


def _labelled(table: pd.DataFrame, levels: pd.DataFrame) -> pd.DataFrame:
    return table.merge(levels[["curve", "scenario", "factor", "label"]], on=["curve", "scenario"], how="left")


def _maps(predictions: pd.DataFrame, maps: Mapping[str, Mapping[tuple[int, int], str]]) -> pd.DataFrame:
    """Return accuracies by cell, over the photographs that have all nine."""
    parts = []
    for name, cells in maps.items():
        levels = pd.DataFrame([
            {"curve": name, "level": index, "scenario": scenario, "severity": index, "ordered": False,
             "row": cell[0], "column": cell[1]}
            for index, (cell, scenario) in enumerate(cells.items())
        ])  # fmt: skip
        table = curves(predictions, levels).merge(levels[["scenario", "row", "column"]], on="scenario")
        parts.append(table.rename(columns={"curve": "map"}).drop(columns=["level", "surviving"]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
