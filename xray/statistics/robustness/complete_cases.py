"""Accuracies over complete cases: only the photographs that have a prediction in every one of some scenarios."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xray.statistics.robustness.bootstrap import SERIES, Codes, Values, columns_of, groups_of, image_accuracies


class CompleteCases(NamedTuple):
    """The photographs of one series that have every scenario of a group.

    Args:
        series: model and trained_on.
        number: index of the group of scenarios.
        images: ids of the photographs, sorted; shape (N,).
        accuracy_NS: accuracy of each photograph in each scenario, in the group's order; shape (N, S), without NaN.
        group_N: the number of each photograph's own group, 0 … G − 1; None: each photograph is its own.
        tested: ids of all photographs that the series was tested on, in whatever scenario.
    """

    series: tuple[str, str]
    number: int
    images: NDArray[Any]
    accuracy_NS: Values
    group_N: Codes | None
    tested: NDArray[Any]

    @property
    def left_out(self) -> int:
        """Number of tested photographs that lack a scenario, or all."""
        return len(self.tested) - len(self.images)


def complete_cases(predictions: pd.DataFrame, groups: Sequence[Iterable[str]]) -> Iterator[CompleteCases]:
    """Yield, for each series and each group of scenarios that it was tested on, the photographs that have them all.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        groups: names of scenarios.

    >>> table = pd.DataFrame({"scenario": ["a", "a", "b"], "image_id": [1, 2, 1], "correct": [True, True, False]})
    >>> (cases,) = complete_cases(table.assign(model="m", trained_on="pretrained"), [("a", "b"), ("a", "c")])
    >>> cases.number, cases.images.tolist(), cases.accuracy_NS.tolist(), cases.left_out
    (0, [1], [[1.0, 0.0]], 1)
    """
    shown = predictions[predictions["scenario"].isin({*itertools.chain(*groups)})]
    if shown.empty:
        return
    tested = predictions.groupby(list(SERIES), observed=True)["image_id"].unique()
    wide = image_accuracies(shown)
    for model, trained_on in dict.fromkeys((column[0], column[1]) for column in columns_of(wide)):
        series = (model, trained_on)
        for number, scenarios in enumerate(groups):
            columns = [(*series, scenario) for scenario in scenarios]
            if all(column in wide.columns for column in columns):
                complete = wide[columns].dropna()
                images, group_N = np.asarray(complete.index), groups_of(predictions, complete.index)
                yield CompleteCases(series, number, images, complete.to_numpy(), group_N, tested[series])
