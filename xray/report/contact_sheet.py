"""The contact sheet: example objects in every scenario with the models' predictions; selected by a fixed rule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from xray.core.schema import OK
from xray.pipeline.score import compared, rows_where
from xray.report.data import Predictions, ReportData
from xray.report.inpainted import inpainted_variants
from xray.report.text import percent, phrase
from xray.report.thumbnails import thumbnail

_SIDE = 260
_MAX_GRID = 36
"""Combinations of a grid that are shown, of one photograph."""


class Choice(NamedTuple):
    """A photograph of the contact sheet, and why it was selected."""

    image_id: str
    why: str


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `contact_sheet.html.j2`."""
    strips = contact_sheet(data)
    return {
        "strips": strips,
        "inpainted": data.inpainted,
        "grid": grid_tiles(data, strips[0]["image_id"]) if strips else [],
        "left_out": len(data.grid),
        "has_predictions": not data.scores.accuracy.empty,
    }


def contact_sheet(data: ReportData) -> list[Mapping[str, Any]]:
    """Return up to three objects in every scenario: `tiles`, and `inpainted` images."""
    choices = select(data)
    ids = [choice.image_id for choice in choices]
    scenarios = [scenario for scenario in data.overview if scenario not in data.inpainted]
    cells = first_images(data, scenarios, ids)
    predictions = data.predictions(ids)
    inpainted = inpainted_variants(data, ids, predictions)
    categories = data.images.rows.drop_duplicates("image_id").set_index("image_id")["category"]
    return [
        {
            "image_id": image_id,
            "category": str(categories[image_id]),
            "why": why,
            "tiles": [_tile(data, scenario, cells.get((image_id, scenario)), predictions) for scenario in scenarios],
            "inpainted": inpainted[image_id],
        }
        for image_id, why in choices
    ]


def grid_tiles(data: ReportData, image_id: str) -> list[Mapping[str, Any]]:
    """Return one photograph in the first combinations of size, position and background, which the sheet leaves out."""
    scenarios = [scenario for scenario in data.grid if scenario not in data.inpainted][:_MAX_GRID]
    cells, predictions = first_images(data, scenarios, [image_id]), data.predictions([image_id])
    return [_tile(data, scenario, cells.get((image_id, scenario)), predictions) for scenario in scenarios]


def first_images(
    data: ReportData, scenarios: Sequence[str], ids: Sequence[str]
) -> Mapping[tuple[str, str], Mapping[Hashable, Any]]:
    """Return the row of IMAGES of each photograph and scenario; of several, the first usable one."""
    cells: dict[tuple[str, str], Mapping[Hashable, Any]] = {}
    for scenario in scenarios:
        rows = data.image_rows(scenario, ids)
        for row in sorted(rows, key=lambda row: (row["status"] != OK, row["variant"])):
            cells.setdefault((row["image_id"], scenario), row)
    return cells


def select(data: ReportData) -> list[Choice]:
    """Select the photographs with the most, a typical number and the fewest errors.

    Candidates are the photographs with images in the most scenarios whose original all models classify correctly.
    Different categories are preferred; ties go to the smaller id.
    """
    images = data.images.rows[["image_id", "category", "scenario"]]
    generated = images[data.images.rows["status"] == OK]
    if generated.empty:
        return []
    coverage = generated.groupby("image_id")["scenario"].nunique()
    complete = coverage.index[coverage == coverage.max()].sort_values()
    category = generated.drop_duplicates("image_id").set_index("image_id")["category"]
    errors, candidates = _error_rates(data, set(complete))
    if errors.empty:
        no_errors = pd.Series(0, index=complete)
        return _spread(no_errors, category, [0, 0, 0], ["the first photographs by id, without predictions"] * 3)
    ranked = errors.sort_index().sort_values(ascending=False, kind="stable")
    ranks = ("most errors", "typical", "fewest errors")
    whys = [f"{rank} among {len(ranked):,} {candidates}" if len(ranked) > 1 else "the only one" for rank in ranks]
    return _spread(ranked, category, [0, len(ranked) // 2, len(ranked) - 1], whys)


def _error_rates(data: ReportData, eligible: set[str]) -> tuple[pd.Series, str]:
    """Return the error rate by candidate, outside the reference and controls, and a description of the candidates.

    A rate and not a count, because the filter may have rejected some images of a photograph.
    """
    reference = data.scores.reference
    rows = data.scores.predictions[["model", "trained_on", "scenario", "image_id", "correct"]]
    rows = rows_where(rows, rows["image_id"].isin(eligible))
    rows = rows if reference is None else compared(rows, reference)
    all_correct = rows[rows["scenario"] == reference].groupby("image_id")["correct"].all()
    candidates, description = set(all_correct.index[all_correct]), "photographs that all models classify correctly"
    if not candidates:
        candidates = set(rows["image_id"].unique())
        description = "photographs (all models classify none of them correctly)"
    others = rows[
        ~rows["scenario"].isin([reference, *data.controls, *data.editing]) & rows["image_id"].isin(candidates)
    ]
    return (~others["correct"].astype(bool)).groupby(others["image_id"]).mean(), description


def _spread(ranked: pd.Series, category: pd.Series, targets: Sequence[int], whys: Sequence[str]) -> list[Choice]:
    """Select the photographs nearest to the target ranks, each once, of different categories where possible."""
    ids = [str(image) for image in ranked.index]
    selected: dict[str, str] = {}
    used: set[str] = set()
    for target, why in zip(targets, whys, strict=True):
        free = [k for k, image in enumerate(ids) if image not in selected]
        if not free:
            break
        near = [k for k in free if abs(k - target) <= max(3, len(ids) // 10) and category[ids[k]] not in used]
        choice = ids[min(near or free, key=lambda k: (abs(k - target), k))]
        if selected and whys[0] != why and ranked[choice] in {ranked[image] for image in selected}:
            continue
        note = "" if not ranked.max() else f" ({percent(ranked[choice])} wrong)"
        selected[choice] = why + note
        used.add(str(category[choice]))
    return [Choice(image, why) for image, why in selected.items()]


def _tile(
    data: ReportData, scenario: str, row: Mapping[Hashable, Any] | None, predictions: Predictions
) -> Mapping[str, Any]:
    """Return an object in one scenario; `picture` is None if there is no image, with the `reason`."""
    tile: dict[str, Any] = {"scenario": scenario, "phrase": phrase(scenario, data.recipe["scenarios"][scenario])}
    if row is None:
        return tile | {"picture": None, "reason": "not generated yet", "predictions": ()}
    if row["status"] != OK:
        return tile | {"picture": None, "reason": f"{row['status']}: {row['reason']}", "predictions": ()}
    shown = predictions.get((row["image_id"], scenario, row["variant"]), ())
    return tile | {"picture": thumbnail(row["image"]["bytes"], _SIDE), "reason": "", "predictions": shown}
