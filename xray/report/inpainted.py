"""Single inpainted images with their prompts: those of the contact sheet, and rejected ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from xray.core.schema import FILTERED, OK, REASONS
from xray.report.data import ReportData
from xray.report.predictions import Prediction, Predictions
from xray.report.thumbnails import thumbnail

_SIDE = 260
_VARIANTS = 6
_REJECTED = 8


@dataclass(frozen=True)
class InpaintedImage:
    """One planned inpainted image.

    Args:
        image_id: its photograph.
        category: category of the object.
        scenario: name in the recipe.
        variant: index among the photograph's images, from 0.
        picture: `data:` URI; None if nothing was inpainted.
        prompt: the prompt; empty if nothing was inpainted.
        place: `typical`, `atypical` or `any`: how well the prompt's place suits the category.
        reason: code of `REASONS` if models are not evaluated on it; empty if the filter kept it.
        meaning: meaning of the reason.
        measures: measures of the filter.
        predictions: the models' predictions.
    """

    image_id: str
    category: str
    scenario: str
    variant: int
    picture: str | None
    prompt: str
    place: str
    reason: str
    meaning: str
    measures: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True)
class InpaintedVariants:
    """The first variants of one photograph in one scenario, and the number of planned ones."""

    scenario: str
    images: Sequence[InpaintedImage]
    planned: int


def inpainted_variants(
    data: ReportData, image_ids: Sequence[str], predictions: Predictions
) -> dict[str, list[InpaintedVariants]]:
    """Return up to six variants per photograph and inpainting scenario, including rejected ones."""
    variants: dict[str, list[InpaintedVariants]] = {image_id: [] for image_id in image_ids}
    for scenario in data.inpainted:
        rows = _rows(data, scenario, image_ids, pc.field("variant") < _VARIANTS)
        planned = int(data.recipe["scenarios"][scenario]["variants"])
        for row_id, scenarios in variants.items():
            mine = sorted((row for row in rows if row["image_id"] == row_id), key=lambda row: row["variant"])
            if mine:
                scenarios.append(InpaintedVariants(scenario, [_image(row, predictions) for row in mine], planned))
    return variants


def rejected_images(data: ReportData) -> list[InpaintedImage]:
    """Return up to eight images rejected by the filter: one per reason in turn, by sample id."""
    rows = data.images.rows
    rows = rows[rows["scenario"].isin(data.inpainted) & rows["reason"].isin(FILTERED)]
    turn = rows.sort_values("sample_id").groupby("reason").cumcount()
    selected = rows.assign(turn=turn).sort_values(["turn", "reason", "sample_id"]).head(_REJECTED)
    images = {}
    for scenario, group in selected.groupby("scenario"):
        where = pc.field("sample_id").isin(group["sample_id"].tolist())
        for row in _rows(data, str(scenario), group["image_id"].unique().tolist(), where):
            images[row["sample_id"]] = _image(row, {})
    return [images[sample_id] for sample_id in selected["sample_id"]]


def _rows(data: ReportData, scenario: str, image_ids: Sequence[str], where: pc.Expression) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        data.run.images(scenario, image_ids).table.filter(where).to_pylist() if image_ids else []
    )
    return rows


def _image(row: dict[str, Any], predictions: Predictions) -> InpaintedImage:
    provenance = json.loads(row["provenance"])
    rejected = row["status"] != OK
    encoded = row["image"] and row["image"]["bytes"]
    return InpaintedImage(
        image_id=row["image_id"],
        category=row["category"],
        scenario=row["scenario"],
        variant=row["variant"],
        picture=thumbnail(encoded, _SIDE) if encoded else None,
        prompt=provenance.get("prompt") or "",
        place=provenance.get("place") or "",
        reason=(row["reason"] or row["status"]) if rejected else "",
        meaning=REASONS.get(row["reason"], "") if rejected else "",
        measures=", ".join(f"{name} {value:.3g}" for name, value in provenance.get("measures", {}).items()),
        predictions=predictions.get((row["image_id"], row["scenario"], row["variant"]), ()),
    )
