"""Counts of rows by scenario and outcome, as receipts hold them and as verbs report them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from xray.core import schema
from xray.runs.receipts import Receipt

Counts = Mapping[str, Mapping[str, int]]
"""Rows by scenario, then by outcome as text; masks are counted under the name `masks`."""


class Outcome(NamedTuple):
    """What a row ended as; its text is the key of a receipt's counts.

    Args:
        status: ok | rejected | failed.
        reason: a code of `xray.core.schema.REASONS`, or several with spaces between them; empty if ok.

    >>> Outcome.parse("rejected empty_mask"), str(Outcome("ok"))
    (Outcome(status='rejected', reason='empty_mask'), 'ok')
    """

    status: str
    reason: str = ""

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """The outcome that a text stands for."""
        status, _, reason = text.partition(" ")
        return cls(status, reason)

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()

    @property
    def ok(self) -> bool:
        """Whether there is an image, a mask or a prediction."""
        return self.status == schema.OK


def count_outcomes(rows: Iterable[Mapping[str, str]]) -> Counter[str]:
    """Count rows with `status` and `reason` by outcome.

    >>> count_outcomes([{"status": "ok", "reason": ""}, {"status": "rejected", "reason": "empty_mask"}])
    Counter({'ok': 1, 'rejected empty_mask': 1})
    """
    return Counter(str(Outcome(row["status"], row["reason"])) for row in rows)


def outcomes(counts: Mapping[str, int]) -> Iterator[tuple[Outcome, int]]:
    """The outcomes of one scenario with their numbers of rows."""
    return ((Outcome.parse(text), count) for text, count in counts.items())


@dataclass(frozen=True)
class RowCounts:
    """Counts of finished rows by scenario, status and reason.

    Args:
        counts: rows by scenario, then by outcome.
        bytes: size of the committed files.
        seconds: worker time.
        shards: number of committed shards.
    """

    counts: Counts
    bytes: int
    seconds: float
    shards: int

    @classmethod
    def of(cls, receipts: Iterable[Receipt]) -> RowCounts:
        """Sum up receipts."""
        counts: dict[str, Counter[str]] = {}
        size, seconds, shards = 0, 0.0, 0
        for receipt in receipts:
            for scenario, counter in receipt.counts.items():
                counts.setdefault(scenario, Counter()).update(counter)
            size += receipt.bytes
            seconds += receipt.seconds
            shards += 1
        return cls(counts, size, seconds, shards)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(sum(counter.values()) for counter in self.counts.values())

    @property
    def ok(self) -> int:
        """Rows with an image or a prediction."""
        return self.rows - self.refused().total()

    def by_outcome(self) -> Counter[str]:
        """All rows by outcome."""
        total: Counter[str] = Counter()
        for counter in self.counts.values():
            total.update(counter)
        return total

    def refused(self) -> Counter[str]:
        """Rows that are not ok, by outcome."""
        return Counter({text: n for text, n in self.by_outcome().items() if not Outcome.parse(text).ok})


def has_failed(receipt: Receipt) -> bool:
    """Return whether a file could not be read when the shard was made."""
    kinds = (outcome for counts in receipt.counts.values() for outcome, _ in outcomes(counts))
    return any(outcome.status == schema.FAILED for outcome in kinds)
