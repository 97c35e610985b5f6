"""Progress of long work: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich import filesize, progress
from rich.console import Console

_LOG_EVERY = 15.0
_ENOUGH = 0.05
"""Share of the work after which the time that is left is estimated."""


class Progress:
    """Counts finished work, and estimates how long the rest takes.

    Args:
        label: the verb that is running.
        total: amount of work; None: unknown.
        unit: name of the counted things, such as `images`.
        before: amount that was finished earlier.
    """

    def __init__(self, label: str, total: int | None, unit: str, before: int = 0) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._before = before
        self._start = self._last = time.monotonic()
        self._details: tuple[str, ...] = ()
        self._bar: progress.Progress | None = None
        if sys.stderr.isatty():
            self._bar = _bar(transient=False)
            self._task = self._bar.add_task(self._line(), total=total, completed=before)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        else:
            print(self._line(), file=sys.stderr, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._show()
            self._bar.stop()

    def advance(self, amount: int = 1) -> None:
        """Count more work as finished."""
        self.reach(self.done + amount)

    def reach(self, done: int) -> None:
        """Set the amount of finished work."""
        self.done = done
        self._show()

    def detail(self, *details: str) -> None:
        """Set further parts of the line; may be called by another thread."""
        self._details = details
        self._show()

    def _show(self) -> None:
        if self._bar:
            self._bar.update(self._task, completed=self.done, description=self._line())
        elif time.monotonic() - self._last >= _LOG_EVERY:
            self._last = time.monotonic()
            print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        of = f" of {self.total:,}" if self.total is not None else ""
        parts = [self.label, f"{self.done:,}{of} {self.unit}"]
        finished, seconds = self.done - self._before, time.monotonic() - self._start
        if finished and seconds:
            rate = finished / seconds
            parts.append(f"{rate:,.0f}/s" if rate >= 1 else f"{rate:.2g}/s")
            if self.total and finished >= _ENOUGH * (self.total - self._before):
                parts.append(f"{readable_time((self.total - self.done) / rate)} left")
        return " · ".join([*parts, *self._details])


def _bar(*, transient: bool) -> progress.Progress:
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(24), progress.TimeElapsedColumn())
    return progress.Progress(*columns, console=Console(stderr=True), transient=transient)


@contextlib.contextmanager
def step(label: str) -> Iterator[None]:
    """Show that one long step is at work: on a terminal until its end, in a log once if it takes long.

    Args:
        label: of the step, such as `writing the report`.
    """
    if sys.stderr.isatty():
        with _bar(transient=True) as bar:
            bar.add_task(label, total=None)
            yield
        return
    line = threading.Timer(_LOG_EVERY, print, (f"{label} …",), {"file": sys.stderr, "flush": True})
    line.daemon = True
    line.start()
    try:
        yield
    finally:
        line.cancel()


def readable_time(seconds: float) -> str:
    """Format a duration for people.

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
    """Format a size for people.

    >>> readable_bytes(2_500_000)
    '2.5 MB'
    """
    return filesize.decimal(round(count))
