"""Where each photograph of a run is, by its id."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xray.core.hash_index import HashIndex
from xray.runs.plan_files import PlanFiles


class Photographs:
    """Finds the photo batch of a photograph; the ids of the plan are read once, when the first one is looked up.

    Args:
        plan: of the run.
    """

    def __init__(self, plan: PlanFiles) -> None:
        self.plan = plan

    def find(self, image_id: str) -> tuple[str, int] | None:
        """Return the photo batch of a photograph and its position there; None if the plan does not have it."""
        position = self._index.find(image_id)
        if position is None:
            return None
        batches, starts = self._batches
        number = int(np.searchsorted(starts, position, side="right")) - 1
        return batches[number], position - int(starts[number])

    @functools.cached_property
    def _index(self) -> HashIndex:
        return HashIndex(self._ids())

    @functools.cached_property
    def _batches(self) -> tuple[list[str], NDArray[np.int64]]:
        """The names of all photo batches, and the number of photographs before each."""
        rows = self.plan.rows_by_batch()
        return list(rows), np.cumsum([0, *rows.values()])[:-1]

    def _ids(self) -> Iterator[str]:
        for part in self.plan.parts("source"):
            with self.plan.open_part("source", part) as file:
                yield from file.read(columns=["image_id"]).column("image_id").to_pylist()
