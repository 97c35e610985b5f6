"""Handle Ctrl-C and SIGTERM: end soon, keep what is committed, and print how to resume."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

GRACE = 8.0
"""Maximal seconds for cleaning up."""


class Interrupted(BaseException):
    """A signal to end the process; not an `Exception`, so that no handler mistakes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise `Interrupted` in the main thread, and end the process with 130 or 143.

    It ends after `GRACE` seconds even if something hangs, and immediately at a second signal.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        command = shlex.join(["xray", *sys.argv[1:]])
        message = f"\nxray: {signal.Signals(number).name}: ending. Committed data is safe; to resume: {command}\n"
        os.write(2, message.encode())  # `print` may be running in this thread
        last = threading.Timer(GRACE, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        raise Interrupted(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if received:  # Ray may have replaced the exception
            sys.exit(128 + received[0])
        raise
    finally:
        for number, handler in before.items() if not received else ():
            signal.signal(number, handler)
