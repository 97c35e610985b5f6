"""The contact sheet: single objects in every scenario, with what each model made of them; chosen by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xray.core.schema import OK
from xray.pipeline.score import compared
from xray.report.data import Evidence
from xray.report.inpainted import Worlds, worlds_of
from xray.report.text import percent, phrase
from xray.report.thumbnails import thumbnail
from xray.report.verdicts import Verdict, Verdicts, verdicts

_SIDE = 260


@dataclass(frozen=True)
class Tile:
    """One scenario of the object; `picture` is a `data:` URI, or None where there is no image, for `reason`."""

    scenario: str
    phrase: str
    picture: str | None
    reason: str
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Strip:
    """One object in every scenario, and why it was picked; `worlds` where scenarios paint, `tiles` elsewhere."""

    image_id: str
    category: str
    why: str
    tiles: Sequence[Tile]
    worlds: Sequence[Worlds]


@dataclass(frozen=True)
class Choice:
    """An object for the contact sheet, and why."""

    image_id: str
    why: str


def contact_sheet(evidence: Evidence) -> list[Strip]:
    """Up to three objects in every scenario; fewer if there are fewer."""
    choices = choose(evidence)
    ids = [choice.image_id for choice in choices]
    rendered = [scenario for scenario in evidence.scenarios if scenario not in evidence.painted]
    cells = {
        (row["image_id"], scenario): row for scenario in rendered for row in reversed(_rows(evidence, scenario, ids))
    }
    said = verdicts(evidence, ids)
    worlds = worlds_of(evidence, ids, said)
    categories = evidence.images.drop_duplicates("image_id").set_index("image_id")["category"]
    return [
        Strip(
            choice.image_id,
            str(categories[choice.image_id]),
            choice.why,
            [_tile(evidence, scenario, cells.get((choice.image_id, scenario)), said) for scenario in rendered],
            worlds[choice.image_id],
        )
        for choice in choices
    ]


def choose(evidence: Evidence) -> list[Choice]:
    """Objects that show the range: wrong most often, typical, and wrong least often, among those right as taken.

    Considered are the photographs that have an image in the most scenarios. Different categories are preferred; ties go
    to the smaller id.
    """
    made = evidence.images[evidence.images["status"] == OK]
    if made.empty:
        return []
    coverage = made.groupby("image_id")["scenario"].nunique()
    complete = coverage.index[coverage == coverage.max()].sort_values()
    category = made.drop_duplicates("image_id").set_index("image_id")["category"]
    wrong, basis = _wrong(evidence, set(complete))
    if wrong.empty:
        ordered = pd.Series(0, index=complete)
        whys = ["the first of the photographs by id; there are no verdicts to choose by"] * 3
        return _spread(ordered, category, [0, 0, 0], whys)
    ranked = wrong.sort_index().sort_values(ascending=False, kind="stable")
    whys = [f"{text}, among {len(ranked):,} {basis}" for text in ("wrong most often", "typical", "wrong least often")]
    return _spread(ranked, category, [0, len(ranked) // 2, len(ranked) - 1], whys)


def _wrong(evidence: Evidence, eligible: set[str]) -> tuple[pd.Series, str]:
    """Share of wrong verdicts on each eligible photograph outside reference and controls, and which ones are counted.

    A share, as not every photograph has as many pictures: the filter may have refused some.
    """
    rows = evidence.predictions[evidence.predictions["image_id"].isin(eligible)]
    rows = rows if evidence.reference is None else compared(rows, evidence.reference)
    on_reference = rows[rows["scenario"] == evidence.reference].groupby("image_id")["correct"].all()
    right = set(on_reference.index[on_reference])
    basis = "photographs that every model names rightly as taken"
    if not right:
        right, basis = set(rows["image_id"]), "photographs (none is named rightly as taken by every model)"
    others = rows[~rows["scenario"].isin([evidence.reference, *evidence.controls]) & rows["image_id"].isin(right)]
    return (~others["correct"].astype(bool)).groupby(others["image_id"]).mean(), basis


def _spread(ranked: pd.Series, category: pd.Series, targets: Sequence[int], whys: Sequence[str]) -> list[Choice]:
    """The entries nearest to the target ranks, each photograph once, categories different where possible."""
    ids = [str(image) for image in ranked.index]
    chosen: dict[str, str] = {}
    used: set[str] = set()
    for target, why in zip(targets, whys, strict=True):
        free = [k for k, image in enumerate(ids) if image not in chosen]
        if not free:
            break
        reach = [k for k in free if abs(k - target) <= max(3, len(ids) // 10) and category[ids[k]] not in used]
        pick = ids[min(reach or free, key=lambda k: (abs(k - target), k))]
        if chosen and whys[0] != why and ranked[pick] in {ranked[image] for image in chosen}:
            continue
        note = "" if not ranked.max() else f" ({percent(ranked[pick])} wrong)"
        chosen[pick] = why + note
        used.add(str(category[pick]))
    return [Choice(image, why) for image, why in chosen.items()]


def _rows(evidence: Evidence, scenario: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the objects in one scenario, usable ones and low variants first."""
    if not ids:
        return []
    rows: list[dict[str, Any]] = evidence.run.images(scenario, ids).table.to_pylist()
    return sorted(rows, key=lambda row: (row["status"] != OK, row["variant"]))


def _tile(evidence: Evidence, scenario: str, row: dict[str, Any] | None, said: Verdicts) -> Tile:
    words = phrase(scenario, evidence.recipe["scenarios"][scenario])
    if row is None:
        return Tile(scenario, words, None, "not made yet", ())
    if row["status"] != OK:
        return Tile(scenario, words, None, f"{row['status']}: {row['reason']}", ())
    key = (row["image_id"], scenario, row["variant"])
    return Tile(scenario, words, thumbnail(row["image"]["bytes"], _SIDE), "", said.get(key, ()))
