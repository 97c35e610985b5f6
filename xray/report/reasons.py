"""What was not used, what was converted, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xray.core.schema import OK, REASONS
from xray.core.uri import name_of
from xray.report.data import Evidence

_EXAMPLES = 3


@dataclass(frozen=True)
class Reason:
    """How many rows of each table have a reason, what it means, and some photographs that it befell."""

    status: str
    code: str
    meaning: str
    photographs: int
    masks: int
    images: int
    examples: tuple[str, ...]


def reasons(evidence: Evidence) -> list[Reason]:
    """One entry a (status, code), refusals before conversions, the most frequent first."""
    tables = {"photographs": evidence.source, "masks": evidence.masks, "images": evidence.images}
    said = pd.concat([_said(table, name) for name, table in tables.items()])
    files = dict(zip(evidence.source["image_id"], evidence.source["uri"].map(name_of), strict=True))
    found = []
    for (status, code), rows in said.groupby(["status", "code"], sort=True):
        counts = rows["table"].value_counts()
        befell = sorted(set(rows["image_id"]))[:_EXAMPLES]
        found.append(
            Reason(
                str(status),
                str(code),
                REASONS.get(str(code), "no meaning is recorded for this code"),
                int(counts.get("photographs", 0)),
                int(counts.get("masks", 0)),
                int(counts.get("images", 0)),
                tuple(files.get(image) or image for image in befell),
            )
        )
    return sorted(found, key=lambda reason: (reason.status == OK, -(reason.photographs + reason.masks + reason.images)))


def _said(table: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = table.loc[(table["status"] != OK) | (table["reason"] != ""), ["image_id", "status", "reason"]]
    codes = rows["reason"].str.split().map(lambda words: words or ["unstated"])
    return rows.assign(table=name, code=codes).explode("code")[["image_id", "status", "code", "table"]]


def progress(evidence: Evidence) -> list[Mapping[str, Any]]:
    """Rows planned, made, rejected and failed, and predictions, by scenario in the recipe's order."""
    counts = evidence.images.groupby(["scenario", "status"]).size()
    predicted = evidence.predictions["scenario"].value_counts()
    return [
        {
            "scenario": scenario,
            "planned": int(evidence.planned.get(scenario, 0)),
            **{status: int(counts.get((scenario, status), 0)) for status in ("ok", "rejected", "failed")},
            "predictions": int(predicted.get(scenario, 0)),
        }
        for scenario in evidence.scenarios
    ]
