"""What a report is made of, read from the run once; image bytes stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from xray.core.errors import XrayError
from xray.core.schema import OK
from xray.pipeline.realism import judgements
from xray.pipeline.score import COLUMNS, compared, score_predictions
from xray.runs.receipts import GENERATE, Receipt
from xray.runs.roles import PRETRAINED, control_scenarios, reference_scenario, series_name, training_scenarios
from xray.statistics import accuracy_table, segmentation_table
from xray.statistics.robustness import segmentation

if TYPE_CHECKING:
    from xray.runs.run import Run


@dataclass(frozen=True)
class Evidence:
    """A run's tables as far as they go, and what follows from them.

    Args:
        run: to read images from.
        recipe: plain values.
        source: SOURCE.
        masks: MASKS without the masks.
        planned: planned images by scenario.
        worlds: planned pictures that are painted, by `scenario`, `prompt` and `place`: how many are `planned`.
        painting: receipts of shards that were painted.
        pins: hashes of weights as they were planned, by their names.
        judgements: what became of each picture that was to be painted (see `xray.pipeline.realism.judgements`).
        realism: the table of that name; None if it was not written.
        images: IMAGES without images, masks and provenance.
        predictions: PREDICTIONS, the columns that scores need.
        accuracy: as `Scores.accuracy`, of models that are pretrained or trained on the reference (of all, where there
            is no reference), with the column `series`, what the model is called in the report.
        by_category: as `Scores.by_category`, of the same models, with `series`.
        trained: as `Scores.accuracy`, of models that were trained here.
        drops: as `Scores.drops`, with `series`; None where they cannot be had.
        cross: as `Scores.cross`, with `series`; None where it cannot be had.
        s_robust: as `Scores.s_robust`, with `label`, the model's name; None where nothing was trained.
        segmentation: as `Scores.segmentation`, with `series`.
        near_chance: as `Scores.warnings`.
        trials: as `Run.trials`.
        history: HISTORY.
        problem: why drops cannot be had; empty if they can.
        reference: the scenario that drops are measured from, if the recipe has one.
    """

    run: Run
    recipe: Mapping[str, Any]
    source: pd.DataFrame
    masks: pd.DataFrame
    planned: Mapping[str, int]
    worlds: pd.DataFrame
    painting: Sequence[Receipt]
    pins: Mapping[str, str]
    judgements: pd.DataFrame
    realism: pd.DataFrame | None
    images: pd.DataFrame
    predictions: pd.DataFrame
    accuracy: pd.DataFrame
    by_category: pd.DataFrame
    trained: pd.DataFrame
    drops: pd.DataFrame | None
    cross: pd.DataFrame | None
    s_robust: pd.DataFrame | None
    segmentation: pd.DataFrame
    near_chance: tuple[str, ...]
    trials: pd.DataFrame
    history: pd.DataFrame
    problem: str
    reference: str | None

    @property
    def scenarios(self) -> list[str]:
        """Names in the recipe's order."""
        return list(self.recipe["scenarios"])

    @property
    def controls(self) -> list[str]:
        """The scenarios without the object."""
        return control_scenarios(self.recipe)

    @property
    def chance(self) -> float:
        """Of models that were trained here, which know the run's own categories alone."""
        return 1 / max(1, self.source.loc[self.source["status"] == OK, "category"].nunique())

    @property
    def painted(self) -> list[str]:
        """The scenarios that paint, in the recipe's order."""
        with_prompts = set(self.worlds["scenario"])
        return [scenario for scenario in self.scenarios if scenario in with_prompts]

    @property
    def series(self) -> list[tuple[str, str]]:
        """(model, trained_on) of everything that has predictions, sorted."""
        return sorted(set(zip(self.accuracy["model"], self.accuracy["trained_on"], strict=True)))

    @property
    def usable(self) -> int:
        """Photographs that can be read and have an accepted mask, as far as they were looked at."""
        refused = set(self.masks.loc[self.masks["status"] != OK, "image_id"])
        readable = self.source.loc[self.source["status"] == OK, "image_id"]
        return int((~readable.isin(refused)).sum())


def gather(run: Run) -> Evidence:
    """Read what a report of this run needs."""
    recipe = run.recipe
    predictions = run.table("predictions", columns=[*COLUMNS, *segmentation.COLUMNS, "p_true"]).to_pandas()
    plan = run.table("plan", columns=["scenario", "prompt", "place"])
    cells = plan.group_by(plan.column_names).aggregate([([], "count_all")]).to_pandas()
    cells = cells.rename(columns={"count_all": "planned"})
    masks = ["image_id", "origin", "predicted_iou", "stability", "area", "parts", "agreement", "status", "reason"]
    images = ["sample_id", "image_id", "category", "scenario", "variant", "status", "reason"]
    return Evidence(
        run=run,
        recipe=recipe,
        source=run.table("source").to_pandas(),
        masks=run.table("masks", columns=masks).to_pandas(),
        planned=cells.groupby("scenario")["planned"].sum().to_dict(),
        worlds=cells.dropna(subset=["prompt"]).reset_index(drop=True),
        painting=[receipt for receipt in run.receipts(GENERATE) if "painter" in receipt.facts],
        pins=run.record()["weights"],
        judgements=judgements(run),
        realism=_written(run, "realism"),
        images=run.table("images", columns=images).to_pandas(),
        predictions=predictions,
        trials=run.trials(),
        history=run.table("history").to_pandas(),
        **_scores(predictions, recipe),
    )


def _written(run: Run, name: str) -> pd.DataFrame | None:
    """A table that not every run has."""
    try:
        frame: pd.DataFrame = run.table(name).to_pandas()
    except XrayError:
        return None
    return frame


def _scores(predictions: pd.DataFrame, recipe: Mapping[str, Any]) -> dict[str, Any]:
    by = ("model", "trained_on", "scenario")
    found: dict[str, Any] = {
        "accuracy": _named(accuracy_table(predictions, by)),
        "by_category": _named(accuracy_table(predictions)),
        "trained": _named(accuracy_table(predictions[predictions["trained_on"] != PRETRAINED], by)),
        "drops": None,
        "cross": None,
        "s_robust": None,
        "segmentation": _named(segmentation_table(predictions, seed=int(recipe["seed"]))),
        "near_chance": (),
        "problem": "",
        "reference": None,
    }
    try:
        reference = found["reference"] = reference_scenario(recipe)
        within, controls = training_scenarios(recipe), control_scenarios(recipe)
        found |= {name: compared(found[name], reference) for name in ("accuracy", "by_category")}
        scores = score_predictions(predictions, reference, controls, seed=int(recipe["seed"]), within=within)
    except XrayError as error:
        return found | {"problem": str(error)}
    found |= {"drops": _named(scores.drops), "cross": _named(scores.cross), "near_chance": scores.warnings}
    if len(found["trained"]) or within:
        pretrained = scores.s_robust["trained_on"] == PRETRAINED
        names = scores.s_robust["model"].where(~pretrained, scores.s_robust["model"] + " (pretrained)")
        found["s_robust"] = scores.s_robust.assign(label=names)
    return found


def _named(table: pd.DataFrame) -> pd.DataFrame:
    names = [series_name(*pair) for pair in zip(table["model"], table["trained_on"], strict=True)]
    return table.assign(series=pd.Series(names, index=table.index, dtype="str"))


def pretrained(evidence: Evidence) -> bool:
    """Whether any prediction is of a model that was trained elsewhere, on photographs that it may share with us."""
    return bool((evidence.accuracy["trained_on"] == PRETRAINED).any())
