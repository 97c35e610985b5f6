"""Accuracy with Wilson intervals, from predictions (`xray.core.schema.PREDICTIONS` as a DataFrame)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.regression.validation import validate_predictions
from xray.statistics.robustness.bootstrap import Codes, groups_of
from xray.statistics.robustness.numbering import all_differ, codes_of, numbered
from xray.statistics.robustness.proportions import effective_n, wilson

CELL = ("model", "trained_on", "scenario", "category")
"""The finest groups of predictions with one accuracy."""


def accuracy_table(predictions: pd.DataFrame, by: Sequence[str] = CELL, confidence: float = 0.95) -> pd.DataFrame:
    """Compute accuracies by group, with Wilson intervals.

    Rows of one photograph (its variants, or trainings of one model) are not independent, nor are those of photographs
    with the same name in a column `group`. The interval is therefore that of `n_effective` rows, between the number of
    photographs (or groups) and that of rows: as many independent ones as would have the same variance (see
    `xray.statistics.robustness.proportions.effective_n`). With one row a photograph it is the textbook one.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, and perhaps `group`.
        by: grouping columns.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per group, sorted: the columns of `by`, `n` predictions, `correct` ones, `accuracy`, `ci_low`,
        `ci_high` (0 … 1), `n_images`, the number of different source images, and `n_effective`.

    Raises:
        ConfigError: see `validate_predictions`; or a confidence that is not inside (0, 1).

    >>> rows = pd.DataFrame({"model": "m", "image_id": ["a", "b", "c", "d"], "correct": [True, True, True, False]})
    >>> accuracy_table(rows, by=["model"]).round(3).iloc[0].to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'model': 'm', 'n': 4, 'correct': 3, 'accuracy': 0.75, 'ci_low': 0.301, 'ci_high': 0.954,
     'n_images': 4, 'n_effective': 4.0}
    """
    cell_N, table = numbered(validate_predictions(predictions, [*by, "image_id"]), by)
    table["n"] = np.bincount(cell_N, minlength=len(table))
    correct_N = predictions["correct"].to_numpy(np.float64)
    image_N, images = codes_of(predictions["image_id"])
    pair_N, cell_P = _pairs(cell_N, image_N)
    n_images_K = np.bincount(cell_P, minlength=len(table))
    if (group_I := groups_of(predictions, images)) is not None:
        pair_N, cell_P = _pairs(cell_N, group_I[image_N])
    if pair_N is None:
        correct_P, rows_P = correct_N, np.ones(len(correct_N))
    else:
        correct_P, rows_P = np.bincount(pair_N, correct_N), np.bincount(pair_N).astype(np.float64)
    table["correct"] = np.bincount(cell_P, correct_P, len(table)).astype(np.int64)
    table["accuracy"] = table["correct"] / table["n"]
    effective_K = effective_n(correct_P, rows_P, cell_P, len(table))
    table["ci_low"], table["ci_high"] = wilson(table["accuracy"].to_numpy(), effective_K, confidence)
    return table.assign(n_images=n_images_K, n_effective=effective_K)


def _pairs(cell_N: Codes, group_N: NDArray[np.integer[Any]]) -> tuple[Codes | None, Codes]:
    """Number the pairs of a cell and a group that occur: the pair of each row, and the cell of each pair.

    The first is None if each row is a pair of its own.
    """
    size = int(group_N.max(initial=0)) + 1
    key_N = cell_N * size + group_N
    if all_differ(key_N, size * (int(cell_N.max(initial=0)) + 1)):
        return None, cell_N
    pair_N, key_P = pd.factorize(key_N)
    return pair_N, key_P // size
