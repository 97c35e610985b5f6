"""The models' predictions on single images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xray.report.data import ReportData
from xray.runs.roles import series_name


class Prediction(NamedTuple):
    """One model's answer: the model, whether it is correct, and the probability of the true category (0–1)."""

    series: str
    correct: bool
    p_true: float


Predictions = Mapping[tuple[str, str, int], Sequence[Prediction]]
"""Predictions by photograph, scenario and variant."""


def predictions_of(data: ReportData, image_ids: Sequence[str]) -> Predictions:
    """Return every model's prediction on every image of some photographs."""
    predictions: dict[tuple[str, str, int], list[Prediction]] = {}
    rows = data.scores.predictions[data.scores.predictions["image_id"].isin(image_ids)]
    for row in rows.sort_values(["model", "trained_on", "fold"]).to_dict("records"):
        key = (row["image_id"], row["scenario"], row["variant"])
        prediction = Prediction(
            series_name(row["model"], row["trained_on"]), bool(row["correct"]), float(row["p_true"])
        )
        predictions.setdefault(key, []).append(prediction)
    return predictions
