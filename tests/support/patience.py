"""A heartbeat that allows workers more time to start."""

from __future__ import annotations

from typing import Self

from xray.cluster.heartbeat import Watch


class PatientAtFirst(Watch):
    """Workers may take their time to start: what is meant here is a pool that is at work."""

    def __enter__(self) -> Self:
        self._last += 600
        return super().__enter__()
