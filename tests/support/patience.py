"""A monitor that gives workers ten minutes to start."""

from __future__ import annotations

from typing import Self

from xray.cluster.heartbeat import Monitor


class PatientAtFirst(Monitor):
    """A monitor whose clock starts ten minutes late, so that a stalled pool counts, but not its slow start."""

    def __enter__(self) -> Self:
        self._last += 600
        return super().__enter__()
