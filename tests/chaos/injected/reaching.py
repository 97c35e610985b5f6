"""Kills a process at a named point of its work, from outside of it: xray knows nothing of this.

Python announces each opening and renaming of a file (PEP 578). Of those, each point of a commit can be recognized:

    open       a file of images is opened, nothing is written yet
    torn       some bytes of it are written: the kernel ends the process within `write`, at a limit of the file's size
    whole      all is written and flushed, but not yet renamed
    between    it is renamed, and its receipt not yet begun
    receipt    the receipt is written, but not yet renamed
    committed  it is renamed: all is done, and no other process knows it

Plug-ins announce `load` and `picture` themselves. `$CHAOS_DESK/order` names the point, how often it must be reached in
one process first, and whom to kill: the process itself, or another (the driver). Whoever takes the order away obeys it,
once. What was read and made is written down in `$CHAOS_DESK/log`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from typing import Any

_reached: dict[str, int] = {}


def watch() -> None:
    """Look at every file that this process opens or renames from now on."""
    if "CHAOS_DESK" in os.environ:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # here, since later it may not be the main thread
        sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(args[0], str):
        name = args[0]
        if "/photos/" in name and sys.argv[0].endswith("default_worker.py"):  # Ray's; the plan reads them, too
            note("photo", name.rpartition("/")[2])
        elif name.endswith(".partial") and "/images/" in name:
            reach("open")
            reach("torn")
        elif name.endswith(".partial") and "/receipts/" in name:
            reach("between")
    elif event == "os.rename":
        target = os.fspath(args[1])
        if "/images/" in target:
            reach("whole")
        elif "/receipts/" in target:
            reach("receipt")
    elif event == "os.remove" and "/receipts/" in os.fspath(args[0]):
        reach("committed")  # the temporary name is looked after


def note(what: str, of: object) -> None:
    """Write down what was read or made; a line is written at once, or not at all."""
    log = os.open(f"{os.environ['CHAOS_DESK']}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{what} {os.uname().nodename}/{os.getpid()} {of}\n".encode())
    os.close(log)


def reach(point: str) -> None:
    """A point is reached: if it is ordered, somebody is killed here."""
    path = f"{os.environ['CHAOS_DESK']}/order"
    if not os.path.exists(path):  # noqa: PTH110 - cheap: it is asked for all the time
        return
    try:
        with open(path) as file:  # noqa: PTH123
            order = json.load(file)
    except (FileNotFoundError, ValueError):
        return
    if order["point"] != point:
        return
    _reached[point] = _reached.get(point, 0) + 1
    if _reached[point] < order["nth"]:
        return
    try:
        os.rename(path, f"{path}-taken")  # noqa: PTH104
    except FileNotFoundError:
        return
    with open(f"{path}-taken", "w") as file:  # noqa: PTH123
        file.write(str(time.time()))
    if point == "torn":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["bytes"], resource.RLIM_INFINITY))
    else:
        os.kill(order["whom"] or os.getpid(), signal.SIGKILL)
