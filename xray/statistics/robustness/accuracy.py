"""Accuracy with its interval, from predictions (`xray.core.schema.PREDICTIONS` as a DataFrame)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from xray.statistics.regression.validation import checked_confidence, checked_predictions

CELL = ("model", "trained_on", "scenario", "category")
"""What one accuracy is of, at its finest."""


def accuracy_table(predictions: pd.DataFrame, by: Sequence[str] = CELL, confidence: float = 0.95) -> pd.DataFrame:
    """Accuracy by groups, with Wilson intervals.

    The interval (Wilson 1927, no continuity correction) takes the rows of a group as independent. They are as long
    as each is of another photograph; where `n` exceeds `n_images` (several variants of one photograph) it is too
    narrow, and the bootstrap over photographs in `xray.statistics.robustness.by_model` is the one to trust.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        by: columns that make a group.
        confidence: of the interval, inside (0, 1).

    Returns:
        One row a group, sorted: the columns of `by`, `n` predictions, `correct` ones, `accuracy`, `ci_low`,
        `ci_high` (0 … 1) and `n_images`, the different source images among them.

    Raises:
        XrayError: see `checked_predictions`; or a confidence that is not inside (0, 1).

    >>> rows = pd.DataFrame({"model": "m", "image_id": ["a", "b", "c", "d"], "correct": [True, True, True, False]})
    >>> accuracy_table(rows, by=["model"]).round(3).to_dict("records")
    [{'model': 'm', 'n': 4, 'correct': 3, 'accuracy': 0.75, 'ci_low': 0.301, 'ci_high': 0.954, 'n_images': 4}]
    """
    from statsmodels.stats.proportion import proportion_confint  # imports scipy: half a second, that few can spare

    groups = checked_predictions(predictions, [*by, "image_id"]).groupby(list(by), observed=True)
    table = groups.agg(n=("correct", "size"), correct=("correct", "sum"), n_images=("image_id", "nunique"))
    table = table.reset_index().astype({"n": "int64", "correct": "int64", "n_images": "int64"})
    table["accuracy"] = table["correct"] / table["n"]
    table["ci_low"], table["ci_high"] = proportion_confint(
        table["correct"].to_numpy(), table["n"].to_numpy(), alpha=1 - checked_confidence(confidence), method="wilson"
    )
    return table[[*by, "n", "correct", "accuracy", "ci_low", "ci_high", "n_images"]]
