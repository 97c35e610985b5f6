"""The data of a report, read from the run once; images stay on disk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.compute as pc

from xray.core.errors import XrayError
from xray.core.schema import OK
from xray.pipeline.realism import judgements
from xray.pipeline.score import read_predictions
from xray.report.scores import ScoreTables, score_tables, with_series
from xray.runs.factors import grid_scenarios
from xray.runs.receipts import GENERATE, Receipt
from xray.runs.roles import control_scenarios, editing_scenarios
from xray.runs.tables import RunTables

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
_IMAGE_COLUMNS = ["image_id", "category", "scenario", "status", "reason", "detail"]
_SOURCE_COLUMNS = ["image_id", "category", "uri", "split", "licence", "credit", "status", "reason", "detail"]

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
    """The number of `planned` images by scenario, and some columns of IMAGES, as categories."""

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
        if "repeat" in rows:  # of repeated trainings, the first one's answers are shown
            rows = rows[rows["repeat"].fillna(0) == 0]
        rows = with_series(rows.sort_values(["model", "trained_on", "fold"]))
        groups = rows.groupby(["image_id", "scenario", "variant"])[["series", "correct", "p_true"]]
        return {key: group.to_dict("records") for key, group in groups}


def gather(folder: RunFolder) -> ReportData:
    """Read the data of a report from a run."""
    run = RunTables(folder)
    recipe = run.recipe
    predictions = read_predictions(run, recipe, ["p_true"])
    texts = ["scenario", "prompt", "place"]
    plan = run.table("plan", columns=texts, dictionaries=texts).unify_dictionaries()
    cells = plan.group_by(texts).aggregate([([], "count_all")]).to_pandas().astype(dict.fromkeys(texts, "str"))
    cells = cells.rename(columns={"count_all": "planned"})
    return ReportData(
        run=run,
        recipe=recipe,
        weights=folder.plan.record()["weights"],
        photos=Photos(
            run.table("source", columns=_SOURCE_COLUMNS).to_pandas(),
            run.table("masks", columns=_MASK_COLUMNS).to_pandas(),
        ),
        images=Images(
            cells.groupby("scenario")["planned"].sum().to_dict(),
            run.table("images", columns=_IMAGE_COLUMNS, dictionaries=_IMAGE_COLUMNS).to_pandas(),
        ),
        inpainting=Inpainting(
            cells.dropna(subset=["prompt"]).reset_index(drop=True),
            [receipt for receipt in folder.store.receipts(GENERATE) if "painter" in receipt.facts],
            judgements(folder),
            _optional_table(run, "realism"),
        ),
        scores=score_tables(predictions, recipe, run.table("masks", columns=["image_id", "status"])),
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
