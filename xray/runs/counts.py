"""Counting what has become of planned rows, and stopping a run that goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xray.core import schema
from xray.runs.receipts import Receipt


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


def _reason(key: str) -> str:
    """The reason of a "status reason"."""
    return key.partition(" ")[2]


def has_failed(receipt: Receipt) -> bool:
    """Whether some file could not be read when this was made."""
    marks = f"{schema.FAILED} "
    return any(key.startswith(marks) for counts in receipt.counts.values() for key in counts)
