"""Doubts about masks that only predictions raise: accuracies without the object, and of the object alone."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping

import pandas as pd

from xray.core.text import counted
from xray.statistics.robustness.bootstrap import SERIES
from xray.statistics.robustness.chance import at_chance
from xray.statistics.robustness.drops import drops

_MIN_PHOTOGRAPHS = 8
_FEW = 0.02
"""Largest share of photographs that are lost where the object is said to make no difference."""


def mask_doubts(
    predictions: pd.DataFrame,
    reference: str,
    without_object: Collection[str],
    object_alone: Collection[str] = (),
) -> list[str]:
    """Return a sentence for each model whose accuracies suggest that masks do not mark the objects.

    - Without the object it is right as often as on the reference: at most 2 % of the photographs are lost.
    - It is right more often without the object than on the object alone: the interval of the difference is above 0.

    Both are paired by photograph (`xray.statistics.drops`). Models that are not shown to be above chance,
    and comparisons of fewer than 8 photographs, are left out.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        reference: the scenario with the unchanged photograph.
        without_object: scenarios that hide the object.
        object_alone: scenarios that show nothing else.

    >>> rows = [(name, k, name != "segmented") for k in range(8) for name in ("original", "no_object", "segmented")]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> predictions = predictions.assign(model="m", trained_on="pretrained", category=predictions["image_id"] % 4)
    >>> len(mask_doubts(predictions, "original", ["no_object"], ["segmented"]))
    2
    """
    tested = set(predictions["scenario"].unique())
    hidden = [name for name in without_object if name in tested]
    alone = [name for name in object_alone if name in tested]
    rows = predictions[predictions["scenario"].isin([reference, *hidden, *alone])]
    doubts = []
    for _, own in _above_chance(rows, reference).groupby(list(SERIES)):
        doubts += [*_nothing_lost(own, reference, hidden), *_better_without(own, hidden, alone)]
    return doubts


def _above_chance(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Select the models that are shown to be above chance on the reference."""
    tested, chance = rows.loc[rows["scenario"] == reference, list(SERIES)], at_chance(rows, reference)
    series = pd.MultiIndex.from_frame(rows[list(SERIES)])
    above = ~series.isin(pd.MultiIndex.from_frame(chance[list(SERIES)]))
    return rows[above & series.isin(pd.MultiIndex.from_frame(tested.drop_duplicates()))]


def _nothing_lost(own: pd.DataFrame, reference: str, hidden: Collection[str]) -> Iterator[str]:
    rows = own[own["scenario"].isin([reference, *hidden])]
    for row in drops(rows, reference).to_dict("records"):
        if row["n_images"] >= _MIN_PHOTOGRAPHS and row["lost"] <= _FEW * row["n_images"]:
            yield (
                f"masks may be wrong because {row['model']} is right as often in {row['scenario']} "
                f"({row['accuracy']:.0%}) as in {reference} ({row['reference_accuracy']:.0%}); "
                f"{_interval(row)}. If the masks are right, it does not need the object"
            )


def _better_without(own: pd.DataFrame, hidden: Collection[str], alone: Collection[str]) -> Iterator[str]:
    tested = set(own["scenario"].unique())
    for name in (name for name in hidden if name in tested):
        rows = own[own["scenario"].isin([name, *alone])]
        for row in drops(rows, name).to_dict("records"):
            if row["n_images"] >= _MIN_PHOTOGRAPHS and row["ci_low"] > 0:
                yield (
                    f"masks may be wrong because {row['model']} is right more often in {name} "
                    f"({row['reference_accuracy']:.0%}) than in {row['scenario']} ({row['accuracy']:.0%}); "
                    f"{_interval(row)}. If the masks are right, it goes by the background"
                )


def _interval(row: Mapping[Hashable, float]) -> str:
    low, high = 100 * row["ci_low"], 100 * row["ci_high"]
    return f"points lost {100 * row['drop']:.1f} [{low:.1f}, {high:.1f}], {counted(int(row['n_images']), 'photograph')}"
