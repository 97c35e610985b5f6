"""Write the plan in parts small enough to keep memory constant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate

import pyarrow as pa
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.parquet import to_parquet
from xray.pipeline.plan.donors import Sampler
from xray.pipeline.plan.replan import PlanDiff
from xray.pipeline.plan.rows import plan_rows
from xray.runs.folder import RunFolder
from xray.runs.ids import PartId
from xray.runs.recipe import Recipe, ScenarioEntry

_SHARD_PIXELS = 24_000_000
_PART_ROWS = 16_384
"""Maximal number of photographs in a part of the plan."""
_NEEDED = ["image_id", "category", "place", "sha256"]
"""Columns of SOURCE that the rows of the plan depend on."""
_REPEATED = ["shard", "image_id", "scenario", "variant", "prompt", "place", "settings", "carried_from"]
_FILTERED_BY = ["scenario", "prompt"]
"""Columns of the plan whose values repeat within a shard, and those that readers filter by."""

Progress = Callable[[int], None]
"""Called with the number of photographs planned since the last call."""


@dataclass(frozen=True)
class PlanWriter:
    """Writes parts of a plan; they count once the plan is committed with them.

    `diff` finds images to reuse, in a new plan of the whole run.
    """

    run: RunFolder
    sampler: Sampler
    progress: Progress = lambda planned: None
    diff: PlanDiff | None = None

    def photographs(self, parts: Sequence[str], source: pa.Table, recipe: Recipe) -> list[str]:
        """Plan all scenarios of new photographs (SOURCE) beside existing parts; return the written parts."""
        known = [*parts, *self.run.plan.parts("plan"), *self.run.plan.replaced()]
        number = 1 + max((int(PartId(part).source) for part in known), default=-1)
        first, kinds = _next_part(known), _kinds(recipe.scenarios)

        written: list[str] = []
        for index, start in enumerate(range(0, len(source), _PART_ROWS)):
            new, photographs = f"{number + index:02d}", source.slice(start, _PART_ROWS)
            sizes = list(_batch_sizes(photographs, recipe.shard_size))
            self.run.plan.write_part("source", new, to_parquet(photographs, sizes))
            batches = [photographs.slice(end - size, size) for size, end in zip(sizes, accumulate(sizes), strict=True)]
            names = [f"{first + index * len(kinds) + kind:02d}-{new}" for kind in range(len(kinds))]
            written += [self._write(name, batches, scenarios) for name, scenarios in zip(names, kinds, strict=True)]
            self.progress(len(photographs))
        return written

    def scenarios(self, parts: Sequence[str], source_part: str, scenarios: Mapping[str, ScenarioEntry]) -> list[str]:
        """Plan further scenarios of the photographs of a part beside existing parts; return the written parts."""
        first, kinds = _next_part([*parts, *self.run.plan.replaced()]), _kinds(scenarios)
        with self.run.plan.open_part("source", source_part) as source:
            batches = [source.read_row_group(group, columns=_NEEDED) for group in range(source.num_row_groups)]
        names = [f"{first + kind:02d}-{source_part}" for kind in range(len(kinds))]
        written = [self._write(name, batches, kind) for name, kind in zip(names, kinds, strict=True)]
        self.progress(sum(map(len, batches)))
        return written

    def _write(self, part: str, batches: Iterable[pa.Table], scenarios: Mapping[str, ScenarioEntry]) -> str:
        """Write one row group per photo batch, one at a time to keep memory constant."""
        sink = BytesIO()
        with pq.ParquetWriter(
            sink, schema.PLAN, compression="zstd", use_dictionary=_REPEATED, write_statistics=_FILTERED_BY
        ) as out:
            for group, photographs in enumerate(batches):
                planned = plan_rows(photographs, scenarios, self.sampler, f"{part}-{group:05d}")
                if self.diff:
                    rows = planned.to_pylist()
                    self.diff.images(rows, photographs.to_pylist())
                    planned = pa.Table.from_pylist(rows, schema=schema.PLAN)
                out.write_table(planned, row_group_size=len(planned))
        self.run.plan.write_part("plan", part, sink.getvalue())
        return part


def _next_part(known: Sequence[str]) -> int:
    return 1 + max((int(PartId(part).plan) for part in known), default=-1)


def _kinds(scenarios: Mapping[str, ScenarioEntry]) -> list[dict[str, ScenarioEntry]]:
    """Rendered scenarios and inpainted ones: the latter have shards of their own, on GPUs."""
    kinds: tuple[dict[str, ScenarioEntry], dict[str, ScenarioEntry]] = ({}, {})
    for name, entry in scenarios.items():
        kinds[entry.scenario.inpaints][name] = entry
    return [kind for kind in kinds if kind]


def _batch_sizes(source: pa.Table, max_size: int) -> Iterator[int]:
    """Sizes of the photo batches: limited in photographs, and in pixels that a worker holds."""
    count, pixels = 0, 0
    for width, height in zip(source.column("width").to_pylist(), source.column("height").to_pylist(), strict=True):
        if count and (count == max_size or pixels + width * height > _SHARD_PIXELS):
            yield count
            count, pixels = 0, 0
        count, pixels = count + 1, pixels + width * height
    yield count
