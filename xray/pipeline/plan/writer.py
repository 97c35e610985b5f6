"""The parts of a plan: photographs and their images, in files of a size that memory does not feel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.parquet import to_parquet
from xray.pipeline.plan.donors import Draw
from xray.pipeline.plan.replan import Carrying
from xray.pipeline.plan.rows import plan_rows
from xray.runs.recipe import Recipe, ScenarioEntry
from xray.runs.run import Run

_SHARD_PIXELS = 24_000_000
_PART = 16_384
"""Photographs in a part of the plan, at most."""
_DRAWN_BY = ["image_id", "category", "place"]
"""What of a photograph decides its rows of the plan."""
_REPEATED = ["shard", "image_id", "scenario", "variant", "prompt", "place", "settings", "carried_from"]
_LOOKED_FOR = ["scenario", "prompt"]
"""Columns of the plan whose values recur in a shard, and those that readers choose rows by."""

Tick = Callable[[int], None]
"""Called with the number of photographs that were just planned."""


def untold(planned: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Writing:
    """Writes parts of a plan, which count once the plan is committed with them.

    Args:
        run: that they are of.
        draw: decides what is left to chance.
        tick: called with the number of photographs that were just planned.
        carrying: decides what is carried over, where all is planned anew.
    """

    run: Run
    draw: Draw
    tick: Tick = untold
    carrying: Carrying | None = None

    def photographs(self, parts: Sequence[str], source: pa.Table, recipe: Recipe) -> list[str]:
        """Plan all scenarios of new photographs.

        Args:
            parts: that there are.
            source: the photographs (SOURCE).
            recipe: what is wanted of them.

        Returns:
            The parts that were written.
        """
        known = [*parts, *self.run.parts("plan"), *self.run.replaced()]
        number = 1 + max((int(part.partition("-")[2]) for part in known), default=-1)
        first, kinds = _next_part(known), _kinds(recipe.scenarios)

        def write(index: int) -> list[str]:
            new, some = f"{number + index:02d}", source.slice(index * _PART, _PART)
            sizes = list(_groups(some, recipe.shard_size))
            self.run.write_part("source", new, to_parquet(some, sizes))
            units = [some.slice(end - size, size) for size, end in zip(sizes, accumulate(sizes), strict=True)]
            names = [f"{first + index * len(kinds) + place:02d}-{new}" for place in range(len(kinds))]
            return [self._write(name, units, kind) for name, kind in zip(names, kinds, strict=True)]

        written: list[str] = []
        # Reading and writing Parquet leaves the interpreter to the other; what is carried over is decided in order.
        with ThreadPoolExecutor(1 if self.carrying else 2) as pool:
            for index, names in enumerate(pool.map(write, range(-(-len(source) // _PART)))):
                written += names
                self.tick(min(_PART, len(source) - index * _PART))
        pa.default_memory_pool().release_unused()  # else the file of the bank comes on top
        return written

    def scenarios(self, parts: Sequence[str], source_part: str, scenarios: Mapping[str, ScenarioEntry]) -> list[str]:
        """Plan some scenarios more of photographs that are planned.

        Args:
            parts: of the plan that there are.
            source_part: the part that the photographs are in.
            scenarios: that they are planned in.

        Returns:
            The parts that were written.
        """
        first, kinds = _next_part([*parts, *self.run.replaced()]), _kinds(scenarios)
        with self.run.open_part("source", source_part) as source:
            units = [source.read_row_group(group, columns=_DRAWN_BY) for group in range(source.num_row_groups)]
        names = [f"{first + place:02d}-{source_part}" for place in range(len(kinds))]
        written = [self._write(name, units, kind) for name, kind in zip(names, kinds, strict=True)]
        self.tick(sum(map(len, units)))
        return written

    def _write(self, part: str, units: Iterable[pa.Table], scenarios: Mapping[str, ScenarioEntry]) -> str:
        """One row group for each unit of photographs, planned as they come: memory hardly grows with them."""
        sink = BytesIO()
        with pq.ParquetWriter(
            sink, schema.PLAN, compression="zstd", use_dictionary=_REPEATED, write_statistics=_LOOKED_FOR
        ) as out:
            for group, photographs in enumerate(units):
                planned = plan_rows(photographs, scenarios, self.draw, f"{part}-{group:05d}")
                if self.carrying:
                    rows = planned.to_pylist()
                    self.carrying.images(rows, photographs.to_pylist())
                    planned = pa.Table.from_pylist(rows, schema=schema.PLAN)
                out.write_table(planned, row_group_size=len(planned))
        self.run.write_part("plan", part, sink.getvalue())
        return part


def _next_part(known: Sequence[str]) -> int:
    return 1 + max((int(part.partition("-")[0]) for part in known), default=-1)


def _kinds(scenarios: Mapping[str, ScenarioEntry]) -> list[dict[str, ScenarioEntry]]:
    """What is rendered and what is painted, if any: the latter has shards of its own, on GPUs."""
    rendered = {name: entry for name, entry in scenarios.items() if not entry.scenario.paints}
    painted = {name: entry for name, entry in scenarios.items() if entry.scenario.paints}
    return [kind for kind in (rendered, painted) if kind]


def _groups(source: pa.Table, most: int) -> Iterator[int]:
    """How many photographs go in each shard: at most so many, and not more pixels than a worker should hold."""
    count, pixels = 0, 0
    for width, height in zip(source.column("width").to_pylist(), source.column("height").to_pylist(), strict=True):
        if count and (count == most or pixels + width * height > _SHARD_PIXELS):
            yield count
            count, pixels = 0, 0
        count, pixels = count + 1, pixels + width * height
    yield count
