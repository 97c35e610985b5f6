"""What a run tells Prometheus, through Ray: images, seconds, how busy its pools are, what is still to be done."""

from __future__ import annotations

from collections.abc import Mapping

from ray.util.metrics import Counter, Gauge

from xray.cluster.placement import PoolState
from xray.runs.counts import Progressed


class Meters:
    """Counted by the driver from what was committed, so that nothing counts twice. Ray puts `ray_` before the names.

    Args:
        run: its URI.
        verb: that is at work.
        units: of work that are to be done.
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

    def committed(self, made: Progressed) -> None:
        """A shard is there."""
        for scenario, states in made.counts.items():
            for state, count in states.items():
                status = state.partition(" ")[0]
                self._images.inc(count, {**self._tags, "scenario": _ascii(scenario), "status": status})
        for counter, value in ((self._seconds, made.seconds), (self._bytes, made.bytes)):
            if value > 0:
                counter.inc(value, self._tags)

    def done(self) -> None:
        """A unit of work is done."""
        self._units -= 1
        self._left.set(self._units, self._tags)

    def pools(self, states: Mapping[str, PoolState]) -> None:
        """How the pools do."""
        for pool, state in states.items():
            self._busy.set(state.busy_share, {**self._tags, "pool": pool})
            self._items.set(state.items, {**self._tags, "pool": pool})


def _ascii(text: str) -> str:
    r"""`röd` as `r\xf6d`: Ray refuses tags with other characters."""
    return text.encode("ascii", "backslashreplace").decode("ascii")
