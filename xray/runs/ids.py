"""Identifiers of what a run is made of; each is the text that names it in paths, tables and receipts."""

from __future__ import annotations


class PartId(str):
    """A part of the plan, `PP-SS`: the scenarios of plan part PP for the photographs of source part SS.

    >>> PartId("01-00").plan, PartId("01-00").source
    ('01', '00')
    """

    __slots__ = ()

    @property
    def plan(self) -> str:
        """The number of the plan part."""
        return self.partition("-")[0]

    @property
    def source(self) -> str:
        """The source part, which other parts of the plan share."""
        return self.partition("-")[2]


class BatchId(str):
    """A photo batch, `SS-NNNNN`: row group N of source part SS. Its masks are made once, whatever is planned of it.

    >>> BatchId("00-00007").source, BatchId("00-00007").group
    ('00', 7)
    """

    __slots__ = ()

    @property
    def source(self) -> str:
        """The source part."""
        return self.partition("-")[0]

    @property
    def group(self) -> int:
        """The row group in the source part."""
        return int(self.partition("-")[2])


def batch_of(unit: str) -> BatchId:
    """Return the photo batch of a unit of work: of a shard, or the batch itself.

    >>> batch_of("01-00-00007"), batch_of("00-00007")
    ('00-00007', '00-00007')
    """
    return BatchId(unit) if is_batch(unit) else ShardId(unit).batch


def is_batch(unit: str) -> bool:
    """Return whether a unit of work is a photo batch; others are shards."""
    return unit.count("-") == 1


class ShardId(str):
    """A shard, `PP-SS-NNNNN`: row group N of part PP-SS of the plan, about photo batch SS-NNNNN.

    >>> shard = ShardId("01-00-00007")
    >>> shard.part, shard.batch, shard.group
    ('01-00', '00-00007', 7)
    """

    __slots__ = ()

    @classmethod
    def of(cls, part: str, group: int) -> ShardId:
        """The shard of one row group of a part.

        >>> ShardId.of("01-00", 7)
        '01-00-00007'
        """
        return cls(f"{part}-{group:05d}")

    @property
    def part(self) -> PartId:
        """The part of the plan that has its rows."""
        return PartId(self.rpartition("-")[0])

    @property
    def batch(self) -> BatchId:
        """The photo batch that it shares with the shards of other parts."""
        return BatchId(self.partition("-")[2])

    @property
    def group(self) -> int:
        """The row group in its part, and in its source part."""
        return int(self.rpartition("-")[2])
