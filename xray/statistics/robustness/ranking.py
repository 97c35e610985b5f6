"""Models in order of accuracy, with the ranks that they may have in truth."""

from __future__ import annotations

import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table
from xray.statistics.robustness.bootstrap import SERIES
from xray.statistics.robustness.cells import PRETRAINED
from xray.statistics.robustness.paired_tests import compare

_SIGNIFICANT = 0.05


def ranking(predictions: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Rank models by their accuracy on all images together, and say which ranks cannot be told apart.

    One model is shown to be better than another if the difference, paired by photograph, has P < 0.05 after Holm's
    correction for all pairs (see `compare`). A model's best possible rank is 1 + the number of models that are shown to
    be better, its worst the number of models − that of those that are shown to be worse. Models with overlapping ranks
    are tied: their order may be chance. Only models with the same training are compared.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, of the images that count.
        confidence: of the intervals of accuracies, inside (0, 1).

    Returns:
        One row per (model, trained_on), pretrained ones first, from the best: `accuracy`, `ci_low`, `ci_high` (0 … 1),
        `n_images`, `best_rank` and `worst_rank` (from 1), and `n_models`, the number of models compared.

    >>> rows = [(m, k, k < n) for m, n in (("a", 39), ("b", 38), ("c", 12)) for k in range(40)]
    >>> predictions = pd.DataFrame(rows, columns=["model", "image_id", "correct"])
    >>> table = ranking(predictions.assign(trained_on="pretrained", scenario="grey"))
    >>> table[["model", "best_rank", "worst_rank"]].values.tolist()
    [['a', 1, 2], ['b', 1, 2], ['c', 3, 3]]
    """
    table = accuracy_table(predictions, SERIES, confidence)
    table = table.assign(trained=table["trained_on"] != PRETRAINED).sort_values(
        ["trained", "trained_on", "accuracy", "model"], ascending=[True, True, False, True], ignore_index=True
    )
    table["n_models"] = table.groupby("trained_on", observed=True)["model"].transform("size")
    table["best_rank"], table["worst_rank"] = 1, table["n_models"]
    if (table["n_models"] > 1).any():
        pairs = compare(predictions.assign(scenario=""), confidence=confidence)
        shown = pairs[pairs["p_holm"] < _SIGNIFICANT]
        better = shown["first"].where(shown["difference"] > 0, shown["second"])
        worse = shown["second"].where(shown["difference"] > 0, shown["first"])
        keys = pd.MultiIndex.from_frame(table[list(SERIES)])
        table["best_rank"] += _counts(worse, shown["trained_on"], keys)
        table["worst_rank"] -= _counts(better, shown["trained_on"], keys)
    return table[[*SERIES, "accuracy", "ci_low", "ci_high", "n_images", "best_rank", "worst_rank", "n_models"]]


def _counts(model: pd.Series, trained_on: pd.Series, keys: pd.MultiIndex) -> list[int]:
    """Count how often each (model, trained_on) occurs."""
    counts = pd.MultiIndex.from_arrays([model, trained_on], names=keys.names).value_counts()
    return [int(counts.get(key, 0)) for key in keys]
