"""Counting what has become of planned rows, and stopping a run that goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from xray import schema
from xray.errors import Rejected, XrayError
from xray.files import read_bytes
from xray.run import Run
from xray.stages import GENERATE, MASK, Receipt

_FIRST = 100
"""Painted pictures of a scenario before its keep rate counts."""


@dataclass(frozen=True)
class Progressed:
    """What has become of the planned rows.

    Args:
        counts: rows by scenario, then by "status reason".
        bytes: of the files.
        seconds: of worker time.
        shards: committed.
    """

    counts: Mapping[str, Mapping[str, int]]
    bytes: int
    seconds: float
    shards: int

    @classmethod
    def of(cls, receipts: Iterable[Receipt]) -> Progressed:
        """What the receipts tell together."""
        counts: dict[str, Counter[str]] = {}
        size, seconds, shards = 0, 0.0, 0
        for receipt in receipts:
            add_counts(counts, receipt.counts)
            size += sum(file["bytes"] for file in receipt.files.values())
            seconds += receipt.seconds
            shards += 1
        return cls(counts, size, seconds, shards)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(sum(counter.values()) for counter in self.counts.values())

    @property
    def ok(self) -> int:
        """Those with an image, or a prediction."""
        return self.rows - self.by_reason().total()

    def by_reason(self) -> Counter[str]:
        """Rows that are not ok, by "status reason"."""
        bad: Counter[str] = Counter()
        for counter in self.counts.values():
            bad.update({key: n for key, n in counter.items() if not key.startswith(schema.OK)})
        return bad


def add_counts(total: dict[str, Counter[str]], counts: Mapping[str, Mapping[str, int]]) -> None:
    """Add one receipt's counts to a total."""
    for scenario, counter in counts.items():
        total.setdefault(scenario, Counter()).update(counter)


class Budget:
    """How many rows may be bad; what the filter of painted pictures refuses is no bad row.

    Args:
        run: what they are rows of.
        share: of the planned rows, 0–1.
    """

    def __init__(self, run: Run, share: float) -> None:
        self.planned = run.planned_rows()
        self.most = share * self.planned
        self.bad: Counter[str] = Counter()
        self.min_keep_rate = run.recipe_object.filter.min_keep_rate
        self.painted: dict[str, Counter[str]] = {}

    def spend(self, made: Progressed) -> None:
        """Count what was made.

        Raises:
            XrayError: too much of it is bad, or the filter refuses nearly all; says which reasons dominate.
        """
        self._look_at_painted(made)
        self.bad.update({key: n for key, n in made.by_reason().items() if _reason(key) not in schema.FILTERED})
        if (total := self.bad.total()) > self.most:
            reasons = ", ".join(f"{n:,} {_reason(key)}" for key, n in self.bad.most_common(3))
            raise XrayError(
                f"{total:,} of {self.planned:,} rows are bad, more than the budget of {self.most:,.0f}: {reasons}. "
                "What is done is kept. Allow more by `--bad-rows` (a share, such as 0.1), or plan a new run of mended "
                "files"
            )

    def _look_at_painted(self, made: Progressed) -> None:
        for scenario, counts in made.counts.items():
            judged = self.painted.setdefault(scenario, Counter())
            for key, n in counts.items():
                judged["ok" if key.startswith(schema.OK) else _reason(key)] += n
            refused = Counter({reason: n for reason, n in judged.items() if reason in schema.FILTERED})
            pictures = refused.total() + judged["ok"]
            if pictures >= _FIRST and refused and judged["ok"] < self.min_keep_rate * pictures:
                reasons = ", ".join(f"{n:,} {reason}" for reason, n in refused.most_common(3))
                raise XrayError(
                    f"scenario {scenario!r}: the filter kept {judged['ok']:,} of {pictures:,} painted pictures "
                    f"({reasons}), less than `filter: {{min_keep_rate: {self.min_keep_rate:g}}}`. What is done is "
                    "kept; look at some by `xray report`, and plan a new run with another painter or filter"
                )


def _reason(key: str) -> str:
    """The reason of a "status reason"."""
    return key.partition(" ")[2]


def has_failed(receipt: Receipt) -> bool:
    """Whether some file could not be read when this was made."""
    marks = f"{schema.FAILED} "
    return any(key.startswith(marks) for counts in receipt.counts.values() for key in counts)


def images_to_remake(run: Run) -> list[str]:
    """The shards with rows whose files could not be read, and can be now; what was made stays until it is replaced."""
    return [
        receipt.shard
        for receipt in run.receipts(GENERATE)
        if has_failed(receipt) and any(_all_read(files) for files in _files_of_failed(run, receipt.shard))
    ]


def masks_to_remake(run: Run) -> list[str]:
    """The units with photographs that could not be read, and can be now."""
    units = []
    for receipt in run.receipts(MASK):
        if has_failed(receipt):
            failed = _failed(run.made(MASK, "masks", receipt.shard, ["image_id", "status"]), "image_id")
            source = [row for row in run.unit(receipt.shard).to_pylist() if row["image_id"] in failed]
            if any(_all_read([row["uri"], row["mask_uri"]]) for row in source):
                units.append(receipt.shard)
    return units


def _files_of_failed(run: Run, name: str) -> Iterator[list[str | None]]:
    shard = run.shard(name)
    failed = _failed(run.made(GENERATE, "images", name, ["sample_id", "status"]), "sample_id")
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    for row in shard.plan.to_pylist():
        if row["sample_id"] in failed:
            photograph = source[row["image_id"]]
            yield [photograph["uri"], photograph["mask_uri"], row["donor_uri"]]


def _failed(made: pa.Table, key: str) -> set[str]:
    return {row[key] for row in made.to_pylist() if row["status"] == schema.FAILED}


def _all_read(uris: Iterable[str | None]) -> bool:
    try:
        for uri in uris:
            if uri is not None:
                read_bytes(uri)
    except Rejected:
        return False
    return True
