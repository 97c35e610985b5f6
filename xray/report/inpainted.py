"""Single inpainted images with their prompts: those of the contact sheet, and rejected ones."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from xray.core.schema import FILTERED, OK, REASONS
from xray.report.data import Predictions, ReportData
from xray.report.thumbnails import thumbnail

_SIDE = 260
_VARIANTS = 6
_REJECTED = 8


def inpainted_variants(
    data: ReportData, image_ids: Sequence[str], predictions: Predictions
) -> dict[str, list[dict[str, Any]]]:
    """Return up to six variants per photograph and inpainting scenario, including rejected ones."""
    variants: dict[str, list[dict[str, Any]]] = {image_id: [] for image_id in image_ids}
    for scenario in data.inpainted:
        rows = sorted(
            data.image_rows(scenario, image_ids, pc.field("variant") < _VARIANTS), key=lambda row: row["variant"]
        )
        planned = int(data.recipe["scenarios"][scenario]["variants"])
        for image_id, scenarios in variants.items():
            images = [_image(row, predictions) for row in rows if row["image_id"] == image_id]
            if images:
                scenarios.append({"scenario": scenario, "images": images, "planned": planned})
    return variants


def rejected_images(data: ReportData) -> list[Mapping[str, Any]]:
    """Return up to eight images rejected by the filter: one per reason in turn, by sample id."""
    if not data.inpainted:
        return []
    where = pc.field("scenario").isin(data.inpainted) & pc.field("reason").isin(list(FILTERED))
    rows = data.run.table("images", ["sample_id", "image_id", "scenario", "reason"], where).to_pandas()
    turn = rows.sort_values("sample_id").groupby("reason").cumcount()
    selected = rows.assign(turn=turn).sort_values(["turn", "reason", "sample_id"]).head(_REJECTED)
    images = {}
    for scenario, group in selected.groupby("scenario"):
        where = pc.field("sample_id").isin(group["sample_id"].tolist())
        for row in data.image_rows(str(scenario), group["image_id"].unique().tolist(), where):
            images[row["sample_id"]] = _image(row, {})
    return [images[sample_id] for sample_id in selected["sample_id"]]


def _image(row: Mapping[Hashable, Any], predictions: Predictions) -> Mapping[str, Any]:
    """Return a row of IMAGES as the macro `inpainted_image` shows it; `picture` is None if nothing was inpainted."""
    provenance = json.loads(row["provenance"])
    rejected = row["status"] != OK
    encoded = row["image"] and row["image"]["bytes"]
    return {
        **{name: row[name] for name in ("image_id", "category", "scenario", "variant")},
        "picture": thumbnail(encoded, _SIDE) if encoded else None,
        "prompt": provenance.get("prompt") or "",
        "place": provenance.get("place") or "",
        "reason": (row["reason"] or row["status"]) if rejected else "",
        "meaning": REASONS.get(row["reason"], "") if rejected else "",
        "measures": ", ".join(f"{name} {value:.3g}" for name, value in provenance.get("measures", {}).items()),
        "predictions": predictions.get((row["image_id"], row["scenario"], row["variant"]), ()),
    }
