"""Ctrl-C and SIGTERM: end soon, keep what is committed, and say how to go on."""

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
"""Seconds that cleaning up may take."""


class Interrupted(BaseException):
    """A signal asks to end; no `Exception`, so that nothing on the way takes it for a failure.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Interrupted` in the main thread, and end the process with 130 or 143.

    It ends after `GRACE` seconds, whatever still hangs, and at once with a second signal.
    """
    asked: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if asked:
            os._exit(128 + number)
        asked.append(number)
        command = shlex.join(["xray", *sys.argv[1:]])
        told = f"\nxray: {signal.Signals(number).name}: ending; what is committed stays. To go on: {command}\n"
        os.write(2, told.encode())  # `print` may be at work in this very thread
        last = threading.Timer(GRACE, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        raise Interrupted(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if asked:  # whatever it has become on its way through Ray
            sys.exit(128 + asked[0])
        raise
    finally:
        for number, handler in before.items() if not asked else ():
            signal.signal(number, handler)
