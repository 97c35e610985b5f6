"""Ctrl-C and SIGTERM: end soon, keep what is committed, and say how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
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
        self.exit_code = 128 + number


def end_on_signals() -> None:
    """Let SIGINT and SIGTERM raise `Interrupted` in the main thread; the second one ends the process at once.

    It ends after `GRACE` seconds, too, whatever still hangs.
    """
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _end_at_once)
    signal.signal(signal.SIGTERM, _end_at_once)
    command = shlex.join(["xray", *sys.argv[1:]])
    told = f"\nxray: {signal.Signals(number).name}: ending; what is committed stays. To go on: {command}\n"
    os.write(2, told.encode())  # `print` may be at work in this very thread
    last = threading.Timer(GRACE, os._exit, (128 + number,))
    last.daemon = True
    last.start()
    raise Interrupted(number)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
