"""Models that are not shown to be above chance on originals, and what answers are worth that ignore the photograph."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

import numpy as np
import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table
from xray.statistics.robustness.bootstrap import SERIES
from xray.statistics.robustness.cells import PRETRAINED
from xray.statistics.robustness.proportions import wilson

NOT_ABOVE_CHANCE = "not shown to be above chance"
"""What reports, commands and tables call the models of `at_chance`."""


def at_chance(predictions: pd.DataFrame, reference: str = "original", confidence: float = 0.95) -> pd.DataFrame:
    """Return the models that are not shown to be above chance on the reference, and so have no S_robust.

    Over K categories of equal weight, answers that ignore the photograph are right in at most 1 / K, unless an answer
    is accepted for several categories. A model is shown to be above chance if the Wilson intervals of two numbers are
    above 1 / K: of its accuracy, and of the mean of its accuracies by category, which a constant answer does not lift,
    however many photographs its category has. A model that is better than chance may fail this with few photographs,
    and a pretrained one that answers with a thousand classes if it is right in less than 1 / K.

    Chance is 0 for segmenters. So it is for a single category, since models know others; but a trained model that is
    always right may know none.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS. Without `category`, chance is not
            known and no model is returned.
        reference: the scenario with the unchanged photograph.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on), trained on the reference or `pretrained`, that is not shown to be above chance:
        `accuracy`, `ci_low`, `ci_high`, `chance` (all 0 … 1) and `reason`, which begins with `NOT_ABOVE_CHANCE`.

    >>> rows = [(m, k, k % 4, m == "good" or k % 4 == 0) for m in ("good", "constant") for k in range(40)]
    >>> predictions = pd.DataFrame(rows, columns=["model", "image_id", "category", "correct"])
    >>> table = at_chance(predictions.assign(trained_on="pretrained", scenario="original"))
    >>> table[["model", "accuracy", "chance"]].values.tolist()
    [['constant', 0.25, 0.25]]
    """
    shown = predictions[
        (predictions["scenario"] == reference) & predictions["trained_on"].isin([PRETRAINED, reference])
    ]
    if "category" not in predictions or shown.empty:
        return pd.DataFrame(columns=[*SERIES, "accuracy", "ci_low", "ci_high", "chance", "reason"])
    table = accuracy_table(shown, SERIES, confidence).set_index(list(SERIES))
    cells = accuracy_table(shown, [*SERIES, "category"], confidence).assign(worth=lambda rows: 1 / rows["n_effective"])
    by_category = cells.groupby(list(SERIES), observed=True).agg(
        mean=("accuracy", "mean"), worth=("worth", "sum"), categories=("accuracy", "size")
    )
    table = table.join(by_category)
    segments = set(shown.dropna(subset="union").groupby(list(SERIES)).groups) if "union" in shown else set()
    free = table.index.isin(segments) | ((table["categories"] == 1) & ~table.index.isin(_always_right(predictions)))
    table["chance"] = np.where(free, 0.0, 1 / table["categories"])
    table["mean_low"], table["mean_high"] = wilson(
        table["mean"].to_numpy(), table["categories"].to_numpy() ** 2 / table["worth"].to_numpy(), confidence
    )
    chosen = table[np.minimum(table["ci_low"], table["mean_low"]) <= table["chance"]].reset_index()
    chosen["reason"] = pd.Series([_reason(row, reference) for row in chosen.to_dict("records")], dtype="str")
    return chosen[[*SERIES, "accuracy", "ci_low", "ci_high", "chance", "reason"]]


def baselines(predictions: pd.DataFrame, scenarios: Collection[str]) -> pd.DataFrame:
    """Compute how often answers are right that ignore the photograph, to compare accuracies without the object with.

    - `majority`: the share of images of the most frequent category, which is answered for all of them.
    - `shuffled`: the expected accuracy of the model's own answers, dealt to the images at random: the sum over answers
      of the share of images that have the answer, times the share for whose category it is right.

    An answer (`top1`) is right for a category if it was so in any of the predictions of the model. For wide categories
    of which few answers were seen `shuffled` is therefore a little too low.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS, of all scenarios. Without `top1` no
            `shuffled` is known (NaN), and none of segmenters.
        scenarios: those to compute baselines of.

    Returns:
        One row per (model, trained_on, scenario): the columns of `accuracy_table`, `majority` and `shuffled` (0 … 1).

    >>> rows = [("original", k, k % 2, k % 2) for k in range(4)] + [("no_object", k, k % 2, 0) for k in range(4)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "category", "top1"])
    >>> predictions["correct"] = predictions["top1"] == predictions["category"]
    >>> table = baselines(predictions.assign(model="m", trained_on="pretrained"), ["no_object"])
    >>> table[["accuracy", "majority", "shuffled"]].values.tolist()
    [[0.5, 0.5, 0.5]]
    """
    by = [*SERIES, "scenario"]
    shown = predictions[predictions["scenario"].isin(list(scenarios))]
    table = accuracy_table(shown, by)
    counts = shown.groupby([*by, "category"], observed=True).size().reset_index(name="shown")
    most = counts.groupby(by, observed=True)["shown"].max().reset_index()
    table["majority"] = table[by].merge(most, how="left", on=by)["shown"] / table["n"]
    if "top1" not in predictions:
        return table.assign(shuffled=np.nan)
    answers = shown.groupby([*by, "top1"], observed=True).size().reset_index(name="answered")
    pretrained = predictions["trained_on"] == PRETRAINED
    right = predictions[["model", "top1", "category"]].assign(own=pretrained)[predictions["correct"].astype(bool)]
    right = right.drop_duplicates()
    pairs = answers.assign(own=answers["trained_on"] == PRETRAINED).merge(right, on=["model", "own", "top1"])
    pairs = pairs.merge(counts, on=[*by, "category"])
    hits = pairs.assign(hits=pairs["answered"] * pairs["shown"]).groupby(by, observed=True)["hits"].sum().reset_index()
    hits_K = table[by].merge(hits, how="left", on=by)["hits"].fillna(0)
    segments = shown[shown["union"].notna()] if "union" in shown else shown.iloc[:0]
    known = ~pd.MultiIndex.from_frame(table[by]).isin(pd.MultiIndex.from_frame(segments[by].drop_duplicates()))
    return table.assign(shuffled=(hits_K / table["n"] ** 2).where(known))


def _always_right(predictions: pd.DataFrame) -> pd.MultiIndex:
    """Return the models trained in a run, with what they were trained on, that have no wrong answer anywhere."""
    trained = predictions[predictions["trained_on"] != PRETRAINED]
    right = trained["correct"].astype(bool).groupby([trained[name] for name in SERIES], observed=True).all()
    return pd.MultiIndex.from_tuples(right.index[right], names=list(SERIES))


def _reason(row: Mapping[Hashable, float], reference: str) -> str:
    if not row["accuracy"]:
        return f"{NOT_ABOVE_CHANCE}: never right on {reference}"
    what, names = "", ("ci_low", "ci_high", "accuracy")
    if row["ci_low"] > row["chance"]:
        what, names = "mean of accuracies by category ", ("mean_low", "mean_high", "mean")
    low, high, share = (100 * row[name] for name in names)
    interval = f"{what}{share:.1f} % [{low:.1f}, {high:.1f}]"
    return f"{NOT_ABOVE_CHANCE}: {interval} on {reference}, chance {100 * row['chance']:.1f} %"
