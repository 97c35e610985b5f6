"""Scores of a run from its predictions: accuracies, drops and S_robust, written as tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xray.core.errors import ConfigError, DamagedError
from xray.core.schema import OK, SCORES
from xray.pipeline import edits
from xray.runs.groups import GROUPED_BY, join_shared_groups
from xray.runs.receipts import evaluation
from xray.runs.roles import (
    PRETRAINED,
    adversarial_scenarios,
    control_scenarios,
    editing_scenarios,
    object_scenarios,
    reference_scenario,
    scenarios_needing_masks,
    series_name,
    training_scenarios,
)
from xray.statistics import (
    accuracy_table,
    at_chance,
    baselines,
    cross_terms,
    drops,
    matched_s_robusts,
    segmentation_table,
)
from xray.statistics.robustness import segmentation
from xray.statistics.robustness.mask_doubts import mask_doubts

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

COLUMNS = ("model", "trained_on", "scenario", "category", "image_id", "variant", "fold", "repeat", "correct")
"""The columns of PREDICTIONS that scores depend on, besides those of edits and segmenters."""
_TEXTS = ("model", "trained_on", "scenario", "category", "image_id", "donor_category", "sample_id")


@dataclass(frozen=True)
class Scores:
    """The scores of a run. All accuracies are 0–1, and all intervals 95 %.

    Args:
        accuracy: one row per (model, trained_on, scenario), with Wilson intervals.
        by_category: the same per (model, trained_on, scenario, category).
        drops: loss of accuracy relative to the reference; see `xray.statistics.drops`.
        cross: cross term of S_robust per model, over all scenarios that it was tested on; see
            `xray.statistics.cross_terms`.
        s_robust: S_robust per model, over the scenarios that models are trained on, or what is missing for it; see
            `xray.statistics.matched_s_robusts`.
        at_chance: the models that are not shown to be above chance on the reference, which have no S_robust and no
            cross term; see `xray.statistics.at_chance`.
        baselines: how often answers that ignore the photograph are right without the object; see
            `xray.statistics.baselines`.
        segmentation: IoU, Dice and pixel accuracy of segmenters; see `xray.statistics.segmentation_table`.
        warnings: a message for each doubt about masks, and for each model that is not shown to be above chance.
        reference: the reference scenario of drops.
    """

    accuracy: pd.DataFrame
    by_category: pd.DataFrame
    drops: pd.DataFrame
    cross: pd.DataFrame
    s_robust: pd.DataFrame
    at_chance: pd.DataFrame
    baselines: pd.DataFrame
    segmentation: pd.DataFrame
    warnings: tuple[str, ...]
    reference: str

    def above_chance(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select the rows of models that are shown to be above chance."""
        return rows_where(table, is_above_chance(table, self.at_chance))


def compared(predictions: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Select the predictions of models that are pretrained or trained on the reference, which drops compare."""
    return rows_where(predictions, predictions["trained_on"].isin([PRETRAINED, reference]))


def rows_where(table: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Select rows; all of them without a copy."""
    return table if chosen.all() else table[chosen]


def unfinished_models(run: RunFolder) -> dict[str, tuple[int, int]]:
    """Return, of each model that lacks shards of the plan, the planned images of those it has, and of all.

    The models are those that were evaluated, and those of the recipe.
    """
    planned = run.plan.rows_by_shard()
    seen = {
        model: sum(planned.get(shard, 0) for shard in run.store.done(evaluation(model)))
        for model in dict.fromkeys([*run.store.evaluated(), *run.recipe_values["models"]])
    }
    total = sum(planned.values())
    return {model: (images, total) for model, images in seen.items() if images < total}


def score_predictions(
    predictions: pd.DataFrame,
    reference: str = "original",
    controls: Collection[str] = (),
    seed: int = 0,
    within: Collection[str] | None = None,
    without_mask: Collection[str] = (),
    object_alone: Collection[str] = (),
    editing: Collection[str] = (),
) -> Scores:
    """Compute all scores of a table of predictions.

    Drops and cross terms are those of models that are pretrained or trained on the reference. Accuracies are of all
    images, drops of the photographs in both scenarios; cross terms and S_robust leave out the photographs without a
    mask, which only some scenarios show, so that all their accuracies are of the same photographs.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        reference: the reference scenario of drops.
        controls: scenarios without the object, to exclude from the cross term and S_robust.
        seed: seed of the bootstrap.
        within: scenarios that S_robust includes; None: those that any model was trained on.
        without_mask: ids of photographs to exclude from the cross term and S_robust.
        object_alone: scenarios that show only the object, for doubts about masks.
        editing: scenarios that show only what editing itself changes, or mislead a model, to exclude likewise.

    Raises:
        XrayError: there are no predictions, or a model has none on the reference.
    """
    if predictions.empty:
        raise ConfigError("there are no predictions to score; run `xray evaluate` or `xray sweep` first")
    excluded = predictions["scenario"].isin([*controls, *editing]) | predictions["image_id"].isin(list(without_mask))
    comparable = rows_where(predictions, ~excluded)
    shown, chance = compared(predictions, reference), at_chance(comparable, reference)
    return Scores(
        accuracy=accuracy_table(predictions, by=("model", "trained_on", "scenario")),
        by_category=accuracy_table(predictions),
        drops=drops(shown, reference),
        cross=_without(cross_terms(compared(comparable, reference), reference, seed=seed), chance),
        s_robust=matched_s_robusts(comparable, reference, within, seed),
        at_chance=chance,
        baselines=baselines(shown, controls),
        segmentation=segmentation_table(predictions, seed=seed),
        warnings=(
            *mask_doubts(shown, reference, controls, object_alone),
            *(f"{series_name(row['model'], row['trained_on'])}: {row['reason']}" for row in chance.to_dict("records")),
        ),
        reference=reference,
    )


def _without(cross: pd.DataFrame, chance: pd.DataFrame) -> pd.DataFrame:
    """Remove the cross terms of models that are not shown to be above chance: that one is small says nothing."""
    above, values = is_above_chance(cross, chance), ["cross", "ci_low", "ci_high", "plug_in"]
    return cross.assign(**{name: cross[name].where(above) for name in values})


def is_above_chance(table: pd.DataFrame, at_chance: pd.DataFrame) -> pd.Series:
    """Return whether each row is of a model that is shown to be above chance.

    Args:
        table: with `model` and `trained_on`.
        at_chance: the models that are not, as `xray.statistics.at_chance` returns them.
    """
    above = pd.Series(True, table.index)
    for model, trained_on in zip(at_chance["model"], at_chance["trained_on"], strict=True):
        above &= (table["model"] != model) | (table["trained_on"] != trained_on)
    return above


def photographs_without_mask(predictions: pd.DataFrame, recipe: Mapping[str, Any], masks: pa.Table) -> set[str]:
    """Return the photographs that only scenarios without a mask show, though others of the run have predictions.

    Args:
        predictions: with `image_id` and `scenario`.
        recipe: its plain values.
        masks: `image_id` and `status` of MASKS; empty if images were only rendered for models.
    """
    in_need = predictions["scenario"].isin(scenarios_needing_masks(recipe))
    if not in_need.any():
        return set()
    images = predictions["image_id"]
    without = {*images.unique()} - {*images[in_need].unique()}
    return without - set(masks.filter(pc.equal(masks["status"], OK))["image_id"].to_pylist()) if without else set()


def read_predictions(store: edits.Tables, recipe: Mapping[str, Any], more: Sequence[str] = ()) -> pd.DataFrame:
    """Read the columns of PREDICTIONS that scores depend on, what other tables know of the images, and their groups.

    Text is read as categories in the order of text, those of `category` and `donor_category` the same; columns that
    only trainings or segmenters fill are left out if they are empty. So a row takes a few dozen bytes.

    Args:
        store: of a run.
        recipe: its plain values.
        more: other columns of PREDICTIONS to read.
    """
    columns = [*COLUMNS, *segmentation.COLUMNS, *edits.columns(recipe), *more]
    table = store.table("predictions", columns, dictionaries=[name for name in _TEXTS if name in columns])
    empty = [name for name in ("repeat", *segmentation.COLUMNS) if table[name].null_count == len(table) > 0]
    predictions = _with_categories(table.drop_columns(empty))
    _check_once(predictions)
    predictions = edits.with_image_facts(predictions, recipe, store)
    return join_shared_groups(predictions, store.table("source", GROUPED_BY))


def _check_once(predictions: pd.DataFrame) -> None:
    """Raise a DamagedError if a model has two predictions on one image, as where two receipts name the same file."""
    key_N = np.zeros(len(predictions), np.int64)
    for name in ("model", "trained_on", "fold", "repeat", "scenario", "image_id", "variant"):
        if name in predictions:
            codes_N, values = pd.factorize(predictions[name], use_na_sentinel=False)
            key_N = key_N * max(1, len(values)) + codes_N
    if twice := len(key_N) - len(pd.unique(key_N)):
        raise DamagedError(
            f"{twice:,} of {len(key_N):,} predictions are there twice: receipts name files of other shards; "
            "`xray verify RUN` says which"
        )


def _with_categories(table: pa.Table) -> pd.DataFrame:
    """Convert predictions with as few copies as possible."""
    names_donor = table["names_donor"].to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    table = table.drop_columns("names_donor")
    predictions: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    texts = {name: predictions[name].astype("category") for name in _TEXTS if name in predictions}
    names = {name: sorted(column.cat.categories) for name, column in texts.items()}
    names["category"] = names["donor_category"] = sorted({*names["category"], *names["donor_category"]})
    ordered = {name: column.cat.set_categories(names[name]) for name, column in texts.items()}
    return predictions.assign(**ordered, names_donor=names_donor)


def score(run: RunFolder) -> Scores:
    """Score the predictions of a run, and write the tables `scores`, `drops`, `robustness` and others.

    `baselines` is written only if the run has scenarios without the object, `segmentation` if it has segmenters, and
    the tables of `xray.pipeline.edits.EditScores` if it has such scenarios.

    Raises:
        XrayError: see `score_predictions`; or the recipe has no scenario of kind `original`.
    """
    recipe = run.recipe_values
    predictions = read_predictions(run.store, recipe)
    scores = score_predictions(
        predictions,
        reference_scenario(recipe),
        control_scenarios(recipe),
        seed=int(recipe["seed"]),
        within=training_scenarios(recipe),
        without_mask=photographs_without_mask(predictions, recipe, run.store.table("masks", ["image_id", "status"])),
        object_alone=object_scenarios(recipe),
        editing=[*editing_scenarios(recipe), *adversarial_scenarios(recipe)],
    )
    cells = accuracy_table(predictions, by=("model", "trained_on", "scenario", "category", "fold"))
    run.store.write_table("scores", _as_table(cells.rename(columns={"scenario": "tested_on"}), SCORES))
    edited = edits.score_edits(compared(predictions, scores.reference), recipe, seed=int(recipe["seed"]))
    run.store.write_table("drops", _as_table(edits.qualified(scores.drops, edited)))
    for name, table in edited.tables().items():
        run.store.write_table(name, _as_table(table))
    run.store.write_table("robustness", _as_table(robustness(scores)))
    for name, table in {"baselines": scores.baselines, "segmentation": scores.segmentation}.items():
        if len(table):
            run.store.write_table(name, _as_table(table))
    return scores


def robustness(scores: Scores) -> pd.DataFrame:
    """Join S_robust and the cross term of each model.

    Returns:
        One row per (model, trained_on), where `trained_on` is the reference or `pretrained`. From the cross term: the
        columns of `xray.statistics.cross_terms`, over all scenarios that the model was tested on. From S_robust:
        `s_robust`, `s_robust_low`, `s_robust_high`, `s_robust_plug_in` (the formula as published), `sigma2_cross`,
        `sigma2_inner`, `plug_in_cross`, `plug_in_inner`, `s_robust_scenarios` (names), `s_robust_images`,
        `s_robust_images_least` (in the scenario with the fewest), `reading`, `method`, and `missing`: what S_robust
        lacks, empty if it exists. All values of a model that is not shown to be above chance
        are NaN.
    """
    names = {
        "s_robust": "s_robust", "ci_low": "s_robust_low", "ci_high": "s_robust_high", "plug_in": "s_robust_plug_in",
        "sigma2_cross": "sigma2_cross", "sigma2_inner": "sigma2_inner", "plug_in_cross": "plug_in_cross",
        "plug_in_inner": "plug_in_inner", "scenarios": "s_robust_scenarios", "n_images": "s_robust_images",
        "n_images_least": "s_robust_images_least", "reading": "reading", "method": "method", "missing": "missing",
    }  # fmt: skip
    parts = scores.s_robust[["model", "trained_on", *names]].rename(columns=names)
    return scores.cross.merge(parts, how="outer", on=["model", "trained_on"])


def _as_table(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    table = pa.Table.from_pandas(frame, schema, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata if schema is not None else None)
