"""Who painted the worlds, what judged them, and who made the masks: models with the hashes of their weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray.backgrounds.filtering.judge import MEASURES
from xray.report.data import Evidence

_DIGITS = 12
_IN_COLUMNS = {"painter", "weights", "steps", "guidance"}
_NEEDS = {
    "max_repeated": "classifier",
    "min_prompt_similarity": "clip",
    "min_category_similarity": "clip",
    "names": "clip",
    "max_growth": "refine",
}
"""Settings of the filter, and the model that each is for."""
_RECORDED = {"category_similarity": "min_category_similarity", "prompt_similarity": "min_prompt_similarity"}
"""What the filter may measure without refusing anything, and the setting by which it refuses."""


@dataclass(frozen=True)
class Weights:
    """What was loaded: its role, its name, and the first digits of its hash; none where the plan pinned none."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Painter:
    """What painted pictures of a scenario, as its receipts tell.

    Args:
        scenario: the recipe's name.
        images: planned pictures that it was asked for.
        kind: of painter.
        weights: that it loaded.
        steps: of denoising; None: it has no such thing.
        guidance: scale of guidance; None: it has no such thing.
        more: what else it told.
    """

    scenario: str
    images: int
    kind: str
    weights: Sequence[Weights]
    steps: Any
    guidance: Any
    more: str


def painters(evidence: Evidence) -> list[Painter]:
    """Who painted, in the recipe's order; several of a scenario if parts of it were painted in other ways."""
    asked: Counter[tuple[str, str]] = Counter()
    for scenario, facts, images in _painted(evidence):
        asked[scenario, json.dumps(facts, sort_keys=True)] += images
    found = [_painter(evidence, scenario, json.loads(facts), n) for (scenario, facts), n in asked.items()]
    return sorted(found, key=lambda painter: (evidence.scenarios.index(painter.scenario), -painter.images))


def _painted(evidence: Evidence) -> list[tuple[str, Mapping[str, Any], int]]:
    """Scenario, what its painter told, and images of each shard that was painted."""
    return [
        (scenario, receipt.facts["painter"][scenario], sum(counts.values()))
        for receipt in evidence.painting
        for scenario, counts in receipt.counts.items()
    ]


def _painter(evidence: Evidence, scenario: str, facts: Mapping[str, Any], images: int) -> Painter:
    return Painter(
        scenario,
        images,
        evidence.recipe["scenarios"][scenario]["painter"]["kind"],
        [Weights(role, name, evidence.pins.get(name, "")[:_DIGITS]) for role, name in facts.get("weights", {}).items()],
        facts.get("steps"),
        facts.get("guidance"),
        listed({key: value for key, value in facts.items() if key not in _IN_COLUMNS}),
    )


def judges(evidence: Evidence) -> str:
    """What the filter refuses pictures by, and the models that it asks; empty where nothing is painted."""
    if not evidence.painted:
        return ""
    settings: Mapping[str, Any] = evidence.recipe["filter"]
    active = {key: value for key, value in settings.items() if key not in _NEEDS or settings[_NEEDS[key]]}
    told = {key: _named(evidence, value) for key, value in active.items() if value is not False and value != {}}
    classifiers = {
        receipt.facts["painter"]["filter"]["classifier"]["weights"]
        for receipt in evidence.painting
        if "classifier" in receipt.facts["painter"].get("filter", {})
    }
    if classifiers:
        told["classifier"] += f" [sha256 {', '.join(sorted(sha256[:_DIGITS] for sha256 in classifiers))}]"
    return listed(told)


def checks(evidence: Evidence) -> str:
    """What the filter measured of each picture and what it did not, as receipts tell; empty where none tells."""
    told = [receipt.facts["painter"].get("filter", {}).get("checks") for receipt in evidence.painting]
    taken = set().union(*filter(None, told))
    if not taken:
        return ""
    settings: Mapping[str, Any] = evidence.recipe["filter"]
    recorded = {measure for measure, setting in _RECORDED.items() if settings.get(setting) is None}
    notes = dict.fromkeys(recorded & taken, " (only recorded)")
    if "nsfw" not in taken:
        notes["nsfw"] = " (but by painters that have a safety checker of their own)"
    parts = {
        "Checked": [measure for measure in MEASURES if measure in taken],
        "Not checked": [measure for measure in MEASURES if measure not in taken],
    }
    named = {what: [name.replace("_", " ") + notes.get(name, "") for name in names] for what, names in parts.items()}
    return " ".join(f"{what}: {', '.join(names)}." for what, names in named.items() if names)


def refiner(evidence: Evidence) -> str:
    """Who made the masks, with the hash of its weights; empty where given masks are taken as they are."""
    settings: Mapping[str, Any] = evidence.recipe["masks"]["refine"]
    if settings["kind"] == "given":
        return ""
    told = listed({key: _named(evidence, value) for key, value in settings.items() if key != "kind"})
    return f"{settings['kind']} ({told})" if told else str(settings["kind"])


def _named(evidence: Evidence, value: Any) -> Any:
    """A setting; where it names weights, with the first digits of the hash that the plan pinned."""
    digits = evidence.pins.get(value, "")[:_DIGITS] if isinstance(value, str) else ""
    return f"{value} [sha256 {digits}]" if digits else value


def listed(facts: Mapping[str, Any]) -> str:
    """Facts as text; those that say nothing are left out.

    >>> listed({"scheduler": "EulerDiscreteScheduler", "tiling": False, "lora": None, "strength": 0.99})
    'scheduler EulerDiscreteScheduler; tiling no; strength 0.99'
    """
    words = {True: "yes", False: "no"}
    told = {key: words[value] if isinstance(value, bool) else value for key, value in facts.items()}
    return "; ".join(f"{key} {value}" for key, value in told.items() if value is not None)
