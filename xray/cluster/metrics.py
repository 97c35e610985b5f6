"""Metrics of a run for Prometheus, exported by Ray: images, seconds, busy pools, work left."""

from __future__ import annotations

from collections.abc import Mapping

from ray.util.metrics import Counter, Gauge

from xray.cluster.placement import PoolState
from xray.runs.counts import RowCounts, outcomes


class Metrics:
    """Metrics of one command, counted by the driver from commits, so that nothing counts twice.

    Ray adds the prefix `ray_` to the names.

    Args:
        run: its URI.
        verb: the command.
        units: number of items to process.
    """

    def __init__(self, run: str, verb: str, units: int) -> None:
        self._tags = {"run": _ascii(run), "verb": verb}
        keys = tuple(self._tags)
        self._images = Counter("xray_images_total", "Images that were committed.", (*keys, "scenario", "status"))
        self._seconds = Counter("xray_shard_seconds_total", "Seconds that their shards took.", keys)
        self._bytes = Counter("xray_bytes_total", "Bytes of their files.", keys)
        self._left = Gauge("xray_units_left", "Units of work that are not done yet.", keys)
        self._busy = Gauge("xray_pool_busy_share", "Share of a pool's time in which it worked, 0-1.", (*keys, "pool"))
        self._items = Gauge("xray_pool_items", "Images that went through a pool.", (*keys, "pool"))
        self._units = units
        self._left.set(units, self._tags)

    def committed(self, counts: RowCounts) -> None:
        """Count a committed shard."""
        for scenario, by_outcome in counts.counts.items():
            for outcome, count in outcomes(by_outcome):
                tags = {**self._tags, "scenario": _ascii(scenario), "status": outcome.status}
                self._images.inc(count, tags)
        for counter, value in ((self._seconds, counts.seconds), (self._bytes, counts.bytes)):
            if value > 0:
                counter.inc(value, self._tags)

    def done(self) -> None:
        """Count a finished item."""
        self._units -= 1
        self._left.set(self._units, self._tags)

    def pools(self, states: Mapping[str, PoolState]) -> None:
        """Set the states of the pools."""
        for pool, state in states.items():
            self._busy.set(state.busy_share, {**self._tags, "pool": pool})
            self._items.set(state.items, {**self._tags, "pool": pool})


def _ascii(text: str) -> str:
    r"""Escape non-ASCII characters, which Ray refuses in tags: `röd` becomes `r\xf6d`."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
