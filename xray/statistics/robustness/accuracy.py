"""Accuracy with Wilson intervals, from predictions (`xray.core.schema.PREDICTIONS` as a DataFrame)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from xray.statistics.regression.validation import validate_confidence, validate_predictions

CELL = ("model", "trained_on", "scenario", "category")
"""The finest groups of predictions with one accuracy."""


def accuracy_table(predictions: pd.DataFrame, by: Sequence[str] = CELL, confidence: float = 0.95) -> pd.DataFrame:
    """Compute accuracies by group, with Wilson intervals.

    The interval (Wilson 1927, no continuity correction) assumes independent rows. If `n` exceeds `n_images` (several
    variants per photograph) it is too narrow: use the bootstrap over photographs (`xray.statistics.drops`).

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        by: grouping columns.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per group, sorted: the columns of `by`, `n` predictions, `correct` ones, `accuracy`, `ci_low`,
        `ci_high` (0 … 1) and `n_images`, the number of different source images.

    Raises:
        ConfigError: see `validate_predictions`; or a confidence that is not inside (0, 1).

    >>> rows = pd.DataFrame({"model": "m", "image_id": ["a", "b", "c", "d"], "correct": [True, True, True, False]})
    >>> accuracy_table(rows, by=["model"]).round(3).to_dict("records")
    [{'model': 'm', 'n': 4, 'correct': 3, 'accuracy': 0.75, 'ci_low': 0.301, 'ci_high': 0.954, 'n_images': 4}]
    """
    from statsmodels.stats.proportion import proportion_confint  # slow import (scipy)

    groups = validate_predictions(predictions, [*by, "image_id"]).groupby(list(by), observed=True)
    table = groups.agg(n=("correct", "size"), correct=("correct", "sum"), n_images=("image_id", "nunique"))
    table = table.reset_index().astype({"n": "int64", "correct": "int64", "n_images": "int64"})
    table["accuracy"] = table["correct"] / table["n"]
    table["ci_low"], table["ci_high"] = proportion_confint(
        table["correct"].to_numpy(), table["n"].to_numpy(), alpha=1 - validate_confidence(confidence), method="wilson"
    )
    return table[[*by, "n", "correct", "accuracy", "ci_low", "ci_high", "n_images"]]
