"""The models behind the images: inpainters, the filter and the mask refiner, with the hashes of their weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from xray.backgrounds.filtering.judge import MEASURES
from xray.backgrounds.filtering.settings import Filter
from xray.report.data import ReportData
from xray.runs.roles import painter_settings

_DIGITS = 12
_IN_COLUMNS = {"painter", "weights", "steps", "guidance"}


class Weights(NamedTuple):
    """Weights that were loaded: their role, name and the first digits of their planned hash, or ""."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class InpainterUse:
    """An inpainter's work on one scenario, from the receipts; a setting that it does not have is None."""

    scenario: str
    images: int
    kind: str
    weights: Sequence[Weights]
    steps: Any
    guidance: Any
    more: str


def inpainter_uses(data: ReportData) -> list[InpainterUse]:
    """Return the inpainters in the recipe's order; several per scenario if its shards record different facts."""
    images: Counter[tuple[str, str]] = Counter()
    for receipt in data.inpainting.receipts:
        for scenario, counts in receipt.counts.items():
            facts = json.dumps(receipt.facts["painter"][scenario], sort_keys=True)
            images[scenario, facts] += sum(counts.values())
    uses = [_use(data, scenario, json.loads(facts), n) for (scenario, facts), n in images.items()]
    return sorted(uses, key=lambda use: (data.scenarios.index(use.scenario), -use.images))


def _use(data: ReportData, scenario: str, facts: Mapping[str, Any], images: int) -> InpainterUse:
    weights = facts.get("weights", {}).items()
    return InpainterUse(
        scenario=scenario,
        images=images,
        kind=str(painter_settings(data.recipe["scenarios"][scenario])["kind"]),
        weights=[Weights(role, name, data.weights.get(name, "")[:_DIGITS]) for role, name in weights],
        steps=facts.get("steps"),
        guidance=facts.get("guidance"),
        more=joined({key: value for key, value in facts.items() if key not in _IN_COLUMNS}),
    )


def filter_settings(data: ReportData) -> str:
    """Describe the filter's settings and models; empty if no scenario inpaints."""
    if not data.inpainted:
        return ""
    settings = {key: _with_hash(data, value) for key, value in _filter(data).describe().items()}
    classifiers = {
        receipt.facts["painter"]["filter"]["classifier"]["weights"]
        for receipt in data.inpainting.receipts
        if "classifier" in receipt.facts["painter"].get("filter", {})
    }
    if classifiers:
        settings["classifier"] += f" [sha256 {', '.join(sorted(sha256[:_DIGITS] for sha256 in classifiers))}]"
    return joined(settings)


def filter_checks(data: ReportData) -> str:
    """List what the filter measured of each image and what it did not; empty if no receipt records it."""
    recorded = [receipt.facts["painter"].get("filter", {}).get("checks") for receipt in data.inpainting.receipts]
    taken = set().union(*filter(None, recorded))
    if not taken:
        return ""
    settings = _filter(data)
    notes = {name: " (recorded only)" for name in taken if getattr(settings, f"min_{name}", 0) is None}
    if "nsfw" not in taken:
        notes["nsfw"] = " (except by inpainters with their own safety checker)"
    parts = {
        "Checked": [measure for measure in MEASURES if measure in taken],
        "Not checked": [measure for measure in MEASURES if measure not in taken],
    }
    lists = {part: [name.replace("_", " ") + notes.get(name, "") for name in names] for part, names in parts.items()}
    return " ".join(f"{part}: {', '.join(names)}." for part, names in lists.items() if names)


def mask_refiner(data: ReportData) -> str:
    """Describe the mask refiner with the hash of its weights; empty if given masks are used as they are."""
    settings: Mapping[str, Any] = data.recipe["masks"]["refine"]
    if settings["kind"] == "given":
        return ""
    details = joined({key: _with_hash(data, value) for key, value in settings.items() if key != "kind"})
    return f"{settings['kind']} ({details})" if details else str(settings["kind"])


def _filter(data: ReportData) -> Filter:
    return Filter(**data.recipe["filter"])


def _with_hash(data: ReportData, value: Any) -> Any:
    """Append the first digits of the planned hash to a setting that names weights."""
    digits = data.weights.get(value, "")[:_DIGITS] if isinstance(value, str) else ""
    return f"{value} [sha256 {digits}]" if digits else value


def joined(facts: Mapping[str, Any]) -> str:
    """Join facts into one line, without those that are None.

    >>> joined({"scheduler": "EulerDiscreteScheduler", "tiling": False, "lora": None, "strength": 0.99})
    'scheduler EulerDiscreteScheduler; tiling no; strength 0.99'
    """
    words = {True: "yes", False: "no"}
    texts = {key: words[value] if isinstance(value, bool) else value for key, value in facts.items()}
    return "; ".join(f"{key} {value}" for key, value in texts.items() if value is not None)
