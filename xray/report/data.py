"""The data of a report, read from the run once; images stay on disk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xray.core.errors import XrayError
from xray.core.schema import OK
from xray.pipeline import edits
from xray.pipeline.edits import EditScores
from xray.pipeline.realism import judgements
from xray.pipeline.score import COLUMNS, compared, photographs_without_mask, score_predictions
from xray.runs.factors import grid_scenarios
from xray.runs.groups import GROUPED_BY, join_shared_groups
from xray.runs.receipts import GENERATE, Receipt
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
from xray.runs.tables import RunTables
from xray.statistics import accuracy_table, segmentation_table
from xray.statistics.robustness import segmentation

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

_MASK_COLUMNS = [
    "image_id",
    "origin",
    "predicted_iou",
    "stability",
    "area",
    "parts",
    "agreement",
    "status",
    "reason",
    "detail",
]
_IMAGE_COLUMNS = ["sample_id", "image_id", "category", "scenario", "variant", "status", "reason", "detail"]

IGNORANT = {"shuffled": "its answers shuffled", "majority": "always the most frequent category"}
"""Answers that ignore the photograph, by the column of `xray.statistics.baselines`."""
_ALL = pc.scalar(True)
_MANY = 24
"""Scenarios in figures of all scenarios, above which those leave out the cells of a grid."""

Rows = list[dict[Hashable, Any]]
Predictions = Mapping[tuple[Hashable, ...], Rows]
"""Rows of `series`, `correct` and `p_true` (0–1) by photograph, scenario and variant."""


@dataclass(frozen=True)
class Photos:
    """The photographs (SOURCE), and their masks (MASKS without the mask images)."""

    source: pd.DataFrame
    masks: pd.DataFrame

    @property
    def readable(self) -> pd.DataFrame:
        """The rows of SOURCE that can be decoded."""
        return self.source[self.source["status"] == OK]

    @property
    def usable(self) -> int:
        """The number of readable photographs without a rejected mask."""
        rejected = self.masks.loc[self.masks["status"] != OK, "image_id"]
        return int((~self.readable["image_id"].isin(rejected)).sum())

    def counts(self, column: str) -> dict[str, int]:
        """Count the readable photographs by the values of a SOURCE column, sorted by value."""
        return {str(value): int(n) for value, n in self.readable[column].value_counts().sort_index().items()}


@dataclass(frozen=True)
class Images:
    """The number of `planned` images by scenario, and IMAGES without the images, masks and provenance."""

    planned: Mapping[str, int]
    rows: pd.DataFrame

    @property
    def n_planned(self) -> int:
        """The number of planned images."""
        return sum(self.planned.values())

    @property
    def n_ok(self) -> int:
        """The number of images that models can be evaluated on."""
        return int((self.rows["status"] == OK).sum())


@dataclass(frozen=True)
class Inpainting:
    """The inpainted images; empty where no scenario inpaints.

    `planned` has the number of `planned` images by `scenario`, `prompt` and `place`; `receipts` are those of the
    inpainted shards; `judgements` has one row per planned image; `realism` is None if `xray realism` has not been run.
    """

    planned: pd.DataFrame
    receipts: Sequence[Receipt]
    judgements: pd.DataFrame
    realism: pd.DataFrame | None


@dataclass(frozen=True)
class ScoreTables:
    """The tables of `xray.pipeline.score.Scores`, each with the column `series`: the model's name in the report.

    `edits` has those of edited images, without that column.

    `accuracy` and `by_category` have the models that are pretrained or trained on the reference (all models if the
    recipe has no reference), `trained` the models trained in this run. `drops` and `cross` are None where they cannot
    be computed, which `problem` explains; `s_robust` has `label`, the model's name, and is None where no model was
    trained. `at_chance` has the rows of `xray.statistics.at_chance` by series, and `baselines` those of
    `xray.statistics.baselines`; `warnings` are doubts about masks, and the models at chance.
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
        """Select the rows of models that are not at chance."""
        return table[~table["series"].isin(list(self.at_chance))]

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

    @property
    def has_pretrained(self) -> bool:
        """True if any model was pretrained elsewhere, perhaps on the photographs of this run."""
        return bool((self.accuracy["trained_on"] == PRETRAINED).any())


@dataclass(frozen=True)
class ReportData:
    """Everything that the sections of a report are made from.

    `weights` has the planned sha256 of weights by name; `mask_findings` are sentences on what is strange about the
    final masks as a set, if they were looked at; `trials` is the table of `Run.trials`.
    """

    run: RunTables
    recipe: Mapping[str, Any]
    weights: Mapping[str, str]
    photos: Photos
    images: Images
    inpainting: Inpainting
    scores: ScoreTables
    mask_findings: Sequence[str]
    trials: pd.DataFrame
    history: pd.DataFrame

    @property
    def scenarios(self) -> list[str]:
        """The scenarios' names in the recipe's order."""
        return list(self.recipe["scenarios"])

    @property
    def overview(self) -> list[str]:
        """The scenarios in figures of all of them: of many without the grid, whose cells have figures of their own."""
        grid = set(self.grid)
        return [scenario for scenario in self.scenarios if scenario not in grid]

    @property
    def grid(self) -> list[str]:
        """The cells of a grid of sizes, positions and worlds, if it would fill the figures of all scenarios."""
        return grid_scenarios(self.recipe) if len(self.scenarios) > _MANY else []

    @property
    def controls(self) -> list[str]:
        """The scenarios without the object."""
        return control_scenarios(self.recipe)

    @property
    def editing(self) -> list[str]:
        """The scenarios that show only what editing itself changes."""
        return editing_scenarios(self.recipe)

    @property
    def inpainted(self) -> list[str]:
        """The scenarios that inpaint, in the recipe's order."""
        with_prompts = set(self.inpainting.planned["scenario"])
        return [scenario for scenario in self.scenarios if scenario in with_prompts]

    @property
    def has_training(self) -> bool:
        """True if the recipe plans trainings or models were trained."""
        return not (self.trials.empty and self.scores.trained.empty and self.scores.segmentation.empty)

    @property
    def chance(self) -> float:
        """The accuracy of guessing among the run's categories, in (0, 1]."""
        return 1 / max(1, self.photos.readable["category"].nunique())

    def image_rows(self, scenario: str, image_ids: Sequence[str], where: pc.Expression = _ALL) -> Rows:
        """Read the images of photographs in one scenario that meet a condition."""
        return self.run.images(scenario, image_ids).table.filter(where).to_pylist() if image_ids else []

    def predictions(self, image_ids: Sequence[str]) -> Predictions:
        """Return every model's prediction on every image of some photographs."""
        rows = self.scores.predictions[self.scores.predictions["image_id"].isin(image_ids)]
        rows = rows[rows["repeat"].fillna(0) == 0]  # of repeated trainings, the first one's answers are shown
        rows = _with_series(rows.sort_values(["model", "trained_on", "fold"]))
        groups = rows.groupby(["image_id", "scenario", "variant"])[["series", "correct", "p_true"]]
        return {key: group.to_dict("records") for key, group in groups}


def gather(folder: RunFolder) -> ReportData:
    """Read the data of a report from a run."""
    run = RunTables(folder)
    recipe = run.recipe
    columns = [*COLUMNS, *segmentation.COLUMNS, *edits.columns(recipe), "p_true"]
    predictions = edits.with_image_facts(run.table("predictions", columns=columns).to_pandas(), recipe, run)
    predictions = join_shared_groups(predictions, run.table("source", GROUPED_BY))
    plan = run.table("plan", columns=["scenario", "prompt", "place"])
    cells = plan.group_by(plan.column_names).aggregate([([], "count_all")]).to_pandas()
    cells = cells.rename(columns={"count_all": "planned"})
    return ReportData(
        run=run,
        recipe=recipe,
        weights=folder.plan.record()["weights"],
        photos=Photos(run.table("source").to_pandas(), run.table("masks", columns=_MASK_COLUMNS).to_pandas()),
        images=Images(
            cells.groupby("scenario")["planned"].sum().to_dict(),
            run.table("images", columns=_IMAGE_COLUMNS).to_pandas(),
        ),
        inpainting=Inpainting(
            cells.dropna(subset=["prompt"]).reset_index(drop=True),
            [receipt for receipt in folder.store.receipts(GENERATE) if "painter" in receipt.facts],
            judgements(folder),
            _optional_table(run, "realism"),
        ),
        scores=_scores(predictions, recipe, run.table("masks", columns=["image_id", "status"])),
        mask_findings=_mask_findings(run),
        trials=run.trials(),
        history=run.table("history").to_pandas(),
    )


def _mask_findings(run: RunTables) -> list[str]:
    table = _optional_table(run, "mask_findings")
    return [] if table is None else table["finding"].tolist()


def _optional_table(run: RunTables, name: str) -> pd.DataFrame | None:
    try:
        frame: pd.DataFrame = run.table(name).to_pandas()
    except XrayError:
        return None
    return frame


def _scores(predictions: pd.DataFrame, recipe: Mapping[str, Any], masks: pa.Table) -> ScoreTables:
    by = ("model", "trained_on", "scenario")
    tables: dict[str, Any] = {
        "predictions": predictions,
        "accuracy": _with_series(accuracy_table(predictions, by)),
        "by_category": _with_series(accuracy_table(predictions)),
        "trained": _with_series(accuracy_table(predictions[predictions["trained_on"] != PRETRAINED], by)),
        "segmentation": _with_series(segmentation_table(predictions, seed=int(recipe["seed"]))),
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
    edited = edits.score_edits(compared(predictions, reference), recipe, seed)
    tables |= {"drops": _with_series(scores.drops), "cross": _with_series(scores.cross), "warnings": scores.warnings}
    tables |= {"edits": edited, "baselines": _with_series(scores.baselines)}
    tables["at_chance"] = {row["series"]: row for row in _with_series(scores.at_chance).to_dict("records")}
    if len(tables["trained"]) or within:
        pretrained = scores.s_robust["trained_on"] == PRETRAINED
        labels = scores.s_robust["model"].where(~pretrained, scores.s_robust["model"] + " (pretrained)")
        tables["s_robust"] = scores.s_robust.assign(label=labels)
    return ScoreTables(**tables)


def _with_series(table: pd.DataFrame) -> pd.DataFrame:
    names = [series_name(*pair) for pair in zip(table["model"], table["trained_on"], strict=True)]
    return table.assign(series=pd.Series(names, index=table.index, dtype="str"))
