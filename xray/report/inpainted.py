"""Painted pictures with the prompts they were made from: of the objects of the contact sheet, and refused ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from xray.core.schema import FILTERED, OK, REASONS
from xray.report.data import Evidence
from xray.report.thumbnails import thumbnail
from xray.report.verdicts import Verdict, Verdicts

_SIDE = 260
_VARIANTS = 6
_REFUSED = 8


@dataclass(frozen=True)
class World:
    """One painted picture.

    Args:
        image_id: of its photograph.
        category: of its object.
        scenario: the recipe's name.
        variant: 0 … of the photograph.
        picture: a `data:` URI; None where none was painted.
        prompt: what was painted; empty where nothing was.
        place: typical | atypical | any: how the place suits the category.
        reason: why no model sees it, as a code of `REASONS`; empty if the filter kept it.
        meaning: of the reason.
        measures: what the filter measured.
        verdicts: what models said.
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
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Worlds:
    """The first few variants of one object in one scenario that paints, and how many are planned of it."""

    scenario: str
    shown: Sequence[World]
    planned: int


def worlds_of(evidence: Evidence, ids: Sequence[str], verdicts: Verdicts) -> dict[str, list[Worlds]]:
    """By photograph: its worlds in every scenario that paints, up to six variants, also those that were refused.

    Args:
        evidence: of the run.
        ids: of the photographs.
        verdicts: what models said of them.
    """
    found: dict[str, list[Worlds]] = {image_id: [] for image_id in ids}
    for scenario in evidence.painted:
        rows = _pictures(evidence, scenario, ids, pc.field("variant") < _VARIANTS)
        variants = int(evidence.recipe["scenarios"][scenario]["variants"])
        for image_id, rows_shown in found.items():
            mine = sorted((row for row in rows if row["image_id"] == image_id), key=lambda row: row["variant"])
            if mine:
                rows_shown.append(Worlds(scenario, [_world(row, verdicts) for row in mine], variants))
    return found


def refused_worlds(evidence: Evidence) -> list[World]:
    """Up to eight pictures that the filter refused: the reasons in turn, in each those of the smallest sample ids."""
    rows = evidence.images[
        evidence.images["scenario"].isin(evidence.painted) & evidence.images["reason"].isin(FILTERED)
    ]
    turn = rows.sort_values("sample_id").groupby("reason").cumcount()
    picked = rows.assign(turn=turn).sort_values(["turn", "reason", "sample_id"]).head(_REFUSED)
    found = {}
    for scenario, mine in picked.groupby("scenario"):
        chosen = pc.field("sample_id").isin(mine["sample_id"].tolist())
        for row in _pictures(evidence, str(scenario), mine["image_id"].unique().tolist(), chosen):
            found[row["sample_id"]] = _world(row, {})
    return [found[sample] for sample in picked["sample_id"]]


def _pictures(evidence: Evidence, scenario: str, ids: Sequence[str], where: pc.Expression) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = evidence.run.images(scenario, ids).table.filter(where).to_pylist() if ids else []
    return rows


def _world(row: dict[str, Any], verdicts: Verdicts) -> World:
    told = json.loads(row["provenance"])
    refused = row["status"] != OK
    picture = row["image"] and row["image"]["bytes"]
    return World(
        image_id=row["image_id"],
        category=row["category"],
        scenario=row["scenario"],
        variant=row["variant"],
        picture=thumbnail(picture, _SIDE) if picture else None,
        prompt=told.get("prompt") or "",
        place=told.get("place") or "",
        reason=(row["reason"] or row["status"]) if refused else "",
        meaning=REASONS.get(row["reason"], "") if refused else "",
        measures=", ".join(f"{name} {value:.3g}" for name, value in told.get("measures", {}).items()),
        verdicts=verdicts.get((row["image_id"], row["scenario"], row["variant"]), ()),
    )
