"""One progress line: redrawn on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

_LOG_EVERY = 15.0
_REDRAW_EVERY = 0.2


class Progress:
    """Counts work that is done and says how long the rest takes.

    Args:
        label: what is being done.
        total: how much there is; None: not known.
        unit: of what.
        before: how much was done already.
    """

    def __init__(self, label: str, total: int | None, unit: str, before: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._before = before
        self._start = self._last = time.monotonic()
        self._redraw = sys.stderr.isatty()
        self._more: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._redraw:
            print(f"\r{self._line()}\033[K", file=sys.stderr)

    def advance(self, amount: int = 1) -> None:
        """Count some more work as done."""
        self.reach(self.done + amount)

    def say(self, *more: str) -> None:
        """What else the line is to tell; may be called by another thread."""
        self._more = more
        self._show()

    def reach(self, done: int) -> None:
        """Set how much work is done."""
        self.done = done
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._last >= (_REDRAW_EVERY if self._redraw else _LOG_EVERY):
            self._last = now
            start, end = ("\r", "\033[K") if self._redraw else ("", "\n")
            print(f"{start}{self._line()}", end=end, file=sys.stderr, flush=True)

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        rate = (self.done - self._before) / seconds if seconds else 0.0
        of = f" of {self.total:,}" if self.total is not None else ""
        parts = [self.label, f"{self.done:,}{of} {self.unit}", f"{rate:,.0f}/s"]
        if self.total and rate:
            parts.append(f"{readable_time((self.total - self.done) / rate)} left")
        return " · ".join([*parts, *self._more])


def readable_time(seconds: float) -> str:
    """A duration for people.

    >>> readable_time(42), readable_time(200), readable_time(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def readable_bytes(count: float) -> str:
    """A size for people.

    >>> readable_bytes(2_500_000)
    '2.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
