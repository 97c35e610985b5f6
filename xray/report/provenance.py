"""The provenance of the numbers: photographs, masks, images, models, settings and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.schema import OK
from xray.core.uri import base_name
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records
from xray.report.text import phrase
from xray.report.weights import filter_settings, joined, mask_refiner
from xray.runs.roles import painter_settings

_SPLITS = {
    "train": "in the training set of ImageNet models",
    "val": "in a validation set",
    "test": "in a test set",
    "unknown": "unknown",
}


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `provenance.html.j2`."""
    return {
        "facts": facts(data),
        "credits": _credits(data),
        "models": _models(data.run.models(), data.has_training),
        "scenarios": _scenarios(data),
        "categories": _categories(data),
        "reference": data.scores.reference,
        "has_training": data.has_training,
        "has_pretrained": data.scores.has_pretrained,
    }


def facts(data: ReportData) -> list[tuple[str, str]]:
    """Return terms and what applies to them, as plain text."""
    recipe, environment = data.recipe, data.run.environment
    environments = data.run.made_with() or [environment]
    revisions = dict.fromkeys(str(one.get("revision") or "unknown") for one in environments)
    pythons = dict.fromkeys(str(one.get("python", "unknown")) for one in environments)
    libraries = dict.fromkeys(item for one in environments for item in (one.get("libraries") or {}).items())
    splits = {_SPLITS.get(split, split): n for split, n in data.photos.counts("split").items()}
    entries = [
        ("Run", f"{base_name(data.run.uri)}, recipe “{recipe['name']}”, planned {environment.get('planned', NONE)}"),
        ("Photographs", _photographs(data)),
        ("Data split", _counts(splits)),
        ("Licences", _counts(data.photos.counts("licence"))),
        ("Masks", _masks(data)),
        ("Images", _images(data)),
        *((f"Inpainting: {name}", _inpainting(data, name)) for name in data.inpainted),
        ("Filter of inpainted images", filter_settings(data)),
        (
            "Seed",
            f"{recipe['seed']}; every random choice is a hash of the seed, the photograph, the scenario and the "
            "variant",
        ),
        ("Code", f"revision {' and '.join(revisions)}, Python {' and '.join(pythons)}"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in libraries) or "unknown"),
    ]
    return [(term, text) for term, text in entries if text]


def _credits(data: ReportData) -> Table | None:
    """Make the table of the authors of photographs and backgrounds; None if no author is known."""
    photographs = data.photos.source[["image_id", "licence", "credit"]].rename(columns={"image_id": "donor_id"})
    backgrounds = data.run.table("backgrounds", columns=["donor_id", "licence", "credit"]).to_pandas()
    table = pd.concat([photographs, backgrounds]).dropna(subset=["credit"]).drop_duplicates("donor_id")
    if table.empty:
        return None
    return Table.of(
        records(table),
        ("name photograph", lambda row: row["donor_id"]),
        ("text licence", lambda row: row["licence"]),
        ("prose author, source and changes", lambda row: row["credit"]),
    )


def _photographs(data: ReportData) -> str:
    sizes = data.photos.readable["category"].value_counts()
    if sizes.empty:
        return f"0 of {len(data.photos.source):,} usable"
    spread = f"{sizes.min():,} to {sizes.max():,}" if sizes.min() < sizes.max() else f"{sizes.min():,}"
    return (
        f"{data.photos.usable:,} of {len(data.photos.source):,} usable; {len(sizes)} categories, readable photographs "
        f"per category: {spread} (source: {data.recipe['source']['kind']})"
    )


def _masks(data: ReportData) -> str:
    masks = data.photos.masks
    if masks.empty:
        return ""
    accepted = masks[masks["status"] == OK]
    origins = _counts({str(origin): int(n) for origin, n in accepted["origin"].value_counts().sort_index().items()})
    refined = f"; refined by {refiner}" if (refiner := mask_refiner(data)) else ""
    return f"{len(accepted):,} accepted of {len(masks):,}; origin: {origins}{refined}"


def _images(data: ReportData) -> str:
    images = data.recipe["images"]
    encoding = f"JPEG, quality {images['quality']}, 4:4:4" if images["format"] == "jpeg" else "PNG, lossless"
    return (
        f"{data.images.n_ok:,} of {data.images.n_planned:,} planned; stored as {encoding}; transparent images stored "
        f"as PNG, evaluated on {_colour(data.recipe.get('transparent_on'))}"
    )


def _colour(rgb: Any) -> str:
    return "black" if not rgb or not any(rgb) else f"RGB {', '.join(map(str, rgb))}"


def _inpainting(data: ReportData, scenario: str) -> str:
    """Describe the planned inpainted images of a scenario and its inpainter."""
    planned = data.inpainting.planned[data.inpainting.planned["scenario"] == scenario]
    n = planned["prompt"].nunique()
    places = {str(place): int(images) for place, images in planned.groupby("place")["planned"].sum().items()}
    painter = painter_settings(data.recipe["scenarios"][scenario])
    settings = {key: value for key, value in painter.items() if value is not False and value != ""}
    inpainter = ", ".join(filter(None, [settings.pop("kind"), joined(settings)]))
    return (
        f"{planned['planned'].sum():,} images from {n:,} {'prompt' if n == 1 else 'prompts'}, chosen in the plan "
        f"(places: {_counts(places)}); the object’s own pixels are put back exactly; inpainter: {inpainter}"
    )


def _counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{n:,} {label}" for label, n in counts.items())


def _models(models: Mapping[str, Mapping[str, Any]], has_training: bool) -> Table:
    return Table.of(
        [{"name": name, **facts} for name, facts in models.items()],
        ("name model", lambda row: row["name"]),
        (f"name {'loaded or trained from' if has_training else 'loaded from'}", _spec),
        ("text weights, sha256", _weights),
        ("prose preprocessing", lambda row: row["preprocessing"]),
    )


def _spec(row: Mapping[str, Any]) -> str:
    folds = row.get("folds")
    return f"{row['spec']}, {folds} {'fold' if folds == 1 else 'folds'}" if folds else str(row["spec"])


def _weights(row: Mapping[str, Any]) -> Markup:
    code = Markup('<code title="{}">{}</code>')
    return Markup(" ").join(code.format(sha256, sha256[:12]) for sha256 in row["weights"].split())


def _scenarios(data: ReportData) -> Table:
    def settings(entry: Mapping[str, Any]) -> str:
        return json.dumps({key: value for key, value in entry.items() if key != "kind"}, ensure_ascii=False)[1:-1]

    return Table.of(
        data.recipe["scenarios"].items(),
        ("name scenario", lambda item: item[0]),
        ("name kind", lambda item: item[1]["kind"]),
        ("prose description", lambda item: phrase(*item)),
        ("code settings", lambda item: settings(item[1])),
    )


def _categories(data: ReportData) -> Table:
    """Make the table of categories with their readable photographs and accepted ImageNet-1k indices."""
    counts = data.photos.counts("category")
    entries: Mapping[str, Any] = data.recipe.get("categories") or {}
    indices = {name: (entry or {}).get("indices", ()) for name, entry in entries.items()}
    return Table.of(
        sorted({*entries, *counts}),
        ("name category", lambda name: name),
        ("number photographs", lambda name: f"{counts.get(name, 0):,}"),
        ("prose accepted indices", lambda name: ", ".join(map(str, indices.get(name, ()))) or NONE),
    )
