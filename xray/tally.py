"""Counting what has become of planned rows, and stopping a run that goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xray import schema
from xray.errors import XrayError
from xray.run import Run
from xray.store import GENERATE, MASK, Receipt


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

    def spend(self, made: Progressed) -> None:
        """Count what was made.

        Raises:
            XrayError: too much of it is bad; says which reasons dominate.
        """
        self.bad.update({key: n for key, n in made.by_reason().items() if key.partition(" ")[2] not in schema.FILTERED})
        if (total := self.bad.total()) > self.most:
            reasons = ", ".join(f"{n:,} {key.partition(' ')[2]}" for key, n in self.bad.most_common(3))
            raise XrayError(
                f"{total:,} of {self.planned:,} rows are bad, more than the budget of {self.most:,.0f}: {reasons}. "
                "What is done is kept. Allow more by `--bad-rows` (a share, such as 0.1), or plan a new run of mended "
                "files"
            )


def forget_failed(run: Run) -> None:
    """Take back the shards and masks that were made although some file could not be read: it may be there now."""
    for receipt in failed(run):
        run.forget(receipt.shard)
    forget_failed_masks(run)


def forget_failed_masks(run: Run) -> None:
    """Take back the masks that were made although some photograph could not be read."""
    for receipt in _failed(run, MASK):
        run.forget_masks(receipt.shard)


def failed(run: Run) -> list[Receipt]:
    """The shards that were made although some file could not be read."""
    return _failed(run, GENERATE)


def _failed(run: Run, stage: tuple[str, ...]) -> list[Receipt]:
    marks = f"{schema.FAILED} "
    return [
        receipt
        for receipt in run.receipts(stage)
        if any(key.startswith(marks) for counts in receipt.counts.values() for key in counts)
    ]
