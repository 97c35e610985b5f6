"""What models said of single images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xray.report.data import Evidence
from xray.runs.roles import series_name


@dataclass(frozen=True)
class Verdict:
    """What one model said: whether its first answer was right, and the probability it gave to the truth, 0 … 1."""

    series: str
    correct: bool
    p_true: float


Verdicts = Mapping[tuple[str, str, int], Sequence[Verdict]]
"""By photograph, scenario and variant."""


def verdicts(evidence: Evidence, ids: Sequence[str]) -> Verdicts:
    """What each model said of every image of some photographs."""
    found: dict[tuple[str, str, int], list[Verdict]] = {}
    rows = evidence.predictions[evidence.predictions["image_id"].isin(ids)]
    for row in rows.sort_values(["model", "trained_on", "fold"]).to_dict("records"):
        key = (row["image_id"], row["scenario"], row["variant"])
        name = series_name(row["model"], row["trained_on"])
        found.setdefault(key, []).append(Verdict(name, bool(row["correct"]), float(row["p_true"])))
    return found
