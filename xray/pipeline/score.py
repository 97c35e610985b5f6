"""From predictions to scores: accuracies, drops and S_robust, as tables of the run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from xray.core.errors import ConfigError
from xray.core.schema import SCORES
from xray.runs.roles import PRETRAINED, control_scenarios, reference_scenario, training_scenarios
from xray.statistics import accuracy_table, chance_warnings, cross_terms, drops, matched_s_robusts, segmentation_table
from xray.statistics.robustness import segmentation

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

COLUMNS = ("model", "trained_on", "scenario", "category", "image_id", "variant", "fold", "correct")
"""The columns of PREDICTIONS that scores are made of."""


@dataclass(frozen=True)
class Scores:
    """What predictions come to; all accuracies 0 … 1, all intervals 95 %.

    Args:
        accuracy: one row a (model, trained_on, scenario), with Wilson intervals.
        by_category: the same a (model, trained_on, scenario, category).
        drops: accuracy lost against the reference (see `xray.statistics.drops`).
        cross: cross term of S_robust a model, over every scenario that it was tested on (see
            `xray.statistics.cross_terms`).
        s_robust: S_robust a model, over the scenarios that models are trained within, and what the others lack (see
            `xray.statistics.matched_s_robusts`).
        segmentation: IoU, Dice and pixel accuracy of segmenters (see `xray.statistics.segmentation_table`).
        warnings: which S_robust chance would reach too.
        reference: the scenario that drops are measured from.
    """

    accuracy: pd.DataFrame
    by_category: pd.DataFrame
    drops: pd.DataFrame
    cross: pd.DataFrame
    s_robust: pd.DataFrame
    segmentation: pd.DataFrame
    warnings: tuple[str, ...]
    reference: str


def compared(predictions: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Those of models that are pretrained or trained on the reference: what drops are about."""
    return predictions[predictions["trained_on"].isin([PRETRAINED, reference])]


def score_predictions(
    predictions: pd.DataFrame,
    reference: str = "original",
    controls: Collection[str] = (),
    seed: int = 0,
    within: Collection[str] | None = None,
) -> Scores:
    """All scores of a table of predictions; drops and cross term are of models trained on the reference or pretrained.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        reference: the scenario that drops are measured from.
        controls: scenarios that are left out of the cross term and of S_robust.
        seed: of the bootstrap.
        within: scenarios that S_robust is over; None: those that any model was trained within.

    Raises:
        XrayError: there are no predictions, or those of a model on the reference are missing.
    """
    if predictions.empty:
        raise ConfigError("there are no predictions to score: run `xray evaluate`, or `xray sweep`, first")
    shown = predictions[~predictions["scenario"].isin(list(controls))]
    s_robust = matched_s_robusts(shown, reference, within, seed)
    return Scores(
        accuracy=accuracy_table(predictions, by=("model", "trained_on", "scenario")),
        by_category=accuracy_table(predictions),
        drops=drops(compared(predictions, reference), reference, seed=seed),
        cross=cross_terms(compared(shown, reference), reference, seed=seed),
        s_robust=s_robust,
        segmentation=segmentation_table(predictions, seed=seed),
        warnings=tuple(chance_warnings(shown, s_robust, reference)),
        reference=reference,
    )


def score(run: RunFolder) -> Scores:
    """Score a run's predictions; write the tables `scores`, `drops`, `robustness` and, of segmenters, `segmentation`.

    Raises:
        XrayError: as `score_predictions`, or the recipe has no scenario of kind `original`.
    """
    predictions = run.store.table("predictions", columns=[*COLUMNS, *segmentation.COLUMNS]).to_pandas()
    recipe = run.recipe_values
    scores = score_predictions(
        predictions,
        reference_scenario(recipe),
        control_scenarios(recipe),
        seed=int(recipe["seed"]),
        within=training_scenarios(recipe),
    )
    cells = accuracy_table(predictions, by=("model", "trained_on", "scenario", "category", "fold"))
    run.store.write_table("scores", _as_table(cells.rename(columns={"scenario": "tested_on"}), SCORES))
    run.store.write_table("drops", _as_table(scores.drops))
    run.store.write_table("robustness", _as_table(robustness(scores)))
    if len(scores.segmentation):
        run.store.write_table("segmentation", _as_table(scores.segmentation))
    return scores


def robustness(scores: Scores) -> pd.DataFrame:
    """S_robust and the cross term side by side.

    Returns:
        One row a (model, trained_on), trained on the reference or `pretrained`: of the cross term the columns of
        `xray.statistics.cross_terms` (over every scenario that the model was tested on); of S_robust `s_robust`,
        `s_robust_low`, `s_robust_high`, `sigma2_cross`, `sigma2_inner`, `s_robust_scenarios` (names),
        `s_robust_images`, `reading`, `method`, and `missing`: what it lacks, empty where there is an S_robust.
    """
    names = {
        "s_robust": "s_robust", "ci_low": "s_robust_low", "ci_high": "s_robust_high", "sigma2_cross": "sigma2_cross",
        "sigma2_inner": "sigma2_inner", "scenarios": "s_robust_scenarios", "n_images": "s_robust_images",
        "reading": "reading", "method": "method", "missing": "missing",
    }  # fmt: skip
    parts = scores.s_robust[["model", "trained_on", *names]].rename(columns=names)
    return scores.cross.merge(parts, how="outer", on=["model", "trained_on"])


def _as_table(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    columns = frame if schema is None else frame[schema.names]
    table = pa.Table.from_pandas(columns, schema=schema, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata if schema is not None else None)
