"""What the numbers rest on: photographs, weights, encoding, versions, and what must be said beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from xray.core.schema import OK
from xray.core.uri import name_of
from xray.pipeline.realism import rates
from xray.report.data import Evidence, pretrained
from xray.report.painters import judges, listed, refiner
from xray.report.text import phrase
from xray.report.training import unfinished
from xray.runs.roles import PRETRAINED

_SPLITS = {
    "train": "photographs that ImageNet models are trained on",
    "val": "photographs of a validation set",
    "test": "photographs of a test set",
    "unknown": "photographs of which it is not known whether models were trained on them",
}


def warnings(evidence: Evidence) -> list[str]:
    """What a reader must know before any number: stand-ins, photographs that models may have seen, what is left out."""
    said = [_sentence(note) for note in evidence.run.notes()]
    splits = _counts(evidence, "split")
    total = sum(splits.values())
    if pretrained(evidence) and (seen := splits.get("train", 0)):
        said.append(
            f"{seen:,} of {total:,} photographs are ones that ImageNet models were trained on. Accuracy on them is not "
            f"accuracy on new photographs; drops compare the same photographs with each other."
        )
    if pretrained(evidence) and (unknown := splits.get("unknown", 0)):
        said.append(
            f"Of {unknown:,} of {total:,} photographs it is not known whether the pretrained models have seen them."
        )
    if evidence.problem and not evidence.predictions.empty:
        said.append(f"Drops and the cross term are missing: {evidence.problem.rstrip('.')}.")
    said += _sorted_out(evidence)
    planned = sum(evidence.planned.values())
    if len(evidence.images) < planned:
        said.append(f"The run is not finished: {len(evidence.images):,} of {planned:,} planned images are there.")
    said += [missing for missing in (_unpredicted(evidence), unfinished(evidence)) if missing]
    said += [f"{warning}." for warning in evidence.near_chance]
    return said


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".") + "."


def _sorted_out(evidence: Evidence) -> list[str]:
    """Scenarios whose pictures went through the filter."""
    return [
        f"In {row['scenario']} the filter refused {row['n'] - row['kept']:,} of {row['n']:,} painted pictures. "
        f"Models see the others only: accuracy there is that on pictures which passed."
        for row in rates(evidence.judgements, ["scenario"]).to_dict("records")
        if row["kept"] < row["n"]
    ]


def _unpredicted(evidence: Evidence) -> str:
    """Pretrained models that have not seen every image."""
    made = int((evidence.images["status"] == OK).sum())
    rows = evidence.accuracy[evidence.accuracy["trained_on"] == PRETRAINED]
    seen = rows.groupby("series")["n"].sum()
    short = [f"{series} has seen {n:,}" for series, n in seen.items() if n < made]
    return f"Not every image is evaluated: of {made:,} images {', '.join(short)}." if short else ""


def _colour(rgb: Any) -> str:
    return "black" if not rgb or not any(rgb) else f"RGB {', '.join(map(str, rgb))}"


def _counts(evidence: Evidence, column: str) -> dict[str, int]:
    rows = evidence.source[evidence.source["status"] == OK]
    return {str(value): int(n) for value, n in rows[column].value_counts().sort_index().items()}


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Terms and what is to be said of them, in plain text."""
    recipe, environment = evidence.recipe, evidence.run.environment
    made_with = evidence.run.made_with() or [environment]
    revisions = dict.fromkeys(str(made.get("revision") or "unknown") for made in made_with)
    pythons = dict.fromkeys(str(made.get("python", "unknown")) for made in made_with)
    libraries = dict.fromkeys(item for made in made_with for item in (made.get("libraries") or {}).items())
    entries = [
        ("Run", f"{name_of(evidence.run.uri)}, recipe “{recipe['name']}”, planned {environment.get('planned', '–')}"),
        ("Photographs", _photographs(evidence)),
        ("Have models seen them?", _listed({_SPLITS.get(k, k): n for k, n in _counts(evidence, "split").items()})),
        ("Licences", _listed(_counts(evidence, "licence"))),
        ("Masks", _masks(evidence)),
        ("Images", _images(evidence)),
        *((f"Painted: {name}", _painted(evidence, name)) for name in evidence.painted),
        ("Filter of painted pictures", judges(evidence)),
        (
            "Seed",
            f"{recipe['seed']}: every random choice is a hash of it, the photograph, the scenario and the variant",
        ),
        ("Code", f"revision {' and '.join(revisions)}, Python {' and '.join(pythons)}"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in libraries) or "unknown"),
    ]
    return [(term, text) for term, text in entries if text]


def _photographs(evidence: Evidence) -> str:
    ok = evidence.source[evidence.source["status"] == OK]
    sizes = ok["category"].value_counts()
    if sizes.empty:
        return f"none of {len(evidence.source):,} can be used"
    spread = f"{sizes.min():,} to {sizes.max():,}" if sizes.min() < sizes.max() else f"{sizes.min():,}"
    return (
        f"{evidence.usable:,} of {len(evidence.source):,} can be used; {len(sizes)} categories of {spread} readable "
        f"photographs (source: {evidence.recipe['source']['kind']})"
    )


def _masks(evidence: Evidence) -> str:
    masks = evidence.masks[evidence.masks["status"] == OK]
    origins = _listed({str(origin): int(n) for origin, n in masks["origin"].value_counts().sort_index().items()})
    made = f"; refined by {by}" if (by := refiner(evidence)) else ""
    return f"{len(masks):,} accepted of {len(evidence.masks):,}; origin: {origins}{made}" if len(evidence.masks) else ""


def _images(evidence: Evidence) -> str:
    images = evidence.recipe["images"]
    encoding = f"JPEG, quality {images['quality']}, 4:4:4" if images["format"] == "jpeg" else "PNG, lossless"
    return (
        f"{int((evidence.images['status'] == OK).sum()):,} of {sum(evidence.planned.values()):,} planned; stored as "
        f"{encoding}; transparent ones as PNG, seen by models on {_colour(evidence.recipe.get('transparent_on'))}"
    )


def _painted(evidence: Evidence, scenario: str) -> str:
    """How the worlds of a scenario are made, as it was planned."""
    worlds = evidence.worlds[evidence.worlds["scenario"] == scenario]
    n = worlds["prompt"].nunique()
    places = {str(place): int(planned) for place, planned in worlds.groupby("place")["planned"].sum().items()}
    painter: Mapping[str, Any] = evidence.recipe["scenarios"][scenario]["painter"]
    settings = {key: value for key, value in painter.items() if value is not False and value != ""}
    return (
        f"{worlds['planned'].sum():,} pictures of {n:,} {'prompt' if n == 1 else 'prompts'}, decided in the plan "
        f"(places: {_listed(places)}); the object’s own pixels are put back "
        f"exactly; painter: {', '.join(filter(None, [settings.pop('kind'), listed(settings)]))}"
    )


def _listed(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{n:,} {what}" for what, n in counts.items())


def scenario_settings(evidence: Evidence) -> list[dict[str, str]]:
    """Each scenario in words, and its settings."""
    return [
        {
            "name": name,
            "kind": entry["kind"],
            "phrase": phrase(name, entry),
            "settings": json.dumps({k: v for k, v in entry.items() if k != "kind"}, ensure_ascii=False)[1:-1],
        }
        for name, entry in evidence.recipe["scenarios"].items()
    ]


def categories(evidence: Evidence) -> list[dict[str, Any]]:
    """Categories with the ImageNet-1k indices that count as right, and their readable photographs."""
    counts = _counts(evidence, "category")
    entries: Mapping[str, Mapping[str, Any]] = evidence.recipe.get("categories") or {}
    names = sorted({*entries, *counts})
    return [
        {
            "name": name,
            "indices": ", ".join(map(str, (entries.get(name) or {}).get("indices", ()))) or "–",
            "photographs": counts.get(name, 0),
        }
        for name in names
    ]
