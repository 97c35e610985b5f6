"""Notice that Ray's control store or raylet has died: Ray waits for a minute, and may then exit without a word."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import ray

from xray.core.errors import ResourceError

_NEEDED = {"gcs_server": "control store", "raylet": "raylet"}
_POLL_SECONDS, _REACTION_SECONDS = 1.0, 5.0
_EXIT_CODE = 2
_SIGNAL = signal.SIGUSR1


class _Died(BaseException):
    """Ends the block in the main thread; not an `Exception`, so that no handler mistakes it for a failed task."""


@contextlib.contextmanager
def ending_with_ray() -> Iterator[None]:
    """End the block if a process that a local session cannot do without dies; nothing is watched off the main thread.

    Raises:
        XrayError: the control store or the raylet died.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    dead: list[str] = []
    over = threading.Event()
    before = signal.signal(_SIGNAL, _raise)
    watcher = threading.Thread(target=_watch, args=(dead, over), name="xray-ray-watch", daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:  # Ray may have replaced the exception
        if not dead and not _dead():
            raise
        raise ResourceError(_message(dead or _dead())) from None
    finally:
        over.set()
        watcher.join()
        signal.signal(_SIGNAL, before)
        if dead or _dead():
            _node().kill_all_processes(check_alive=False, allow_graceful=False)


def check_ray() -> None:
    """Raise a ResourceError if a process that a local session cannot do without has died.

    Libraries of Ray may take the end of `ending_with_ray` for a failure of what they run.
    """
    if dead := _dead():
        raise ResourceError(_message(dead))


def _watch(dead: list[str], over: threading.Event) -> None:
    while not over.wait(_POLL_SECONDS):
        dead += _dead()
        if dead:
            break
    else:
        return
    signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
    if not over.wait(_REACTION_SECONDS):  # a call waits in C++: Ray would exit, without a word
        os.write(2, f"xray: {_message(dead)}\n".encode())
        os._exit(_EXIT_CODE)


def _message(dead: Sequence[str]) -> str:
    return (
        f"Ray's {dead[0]} on this machine died (a lack of memory is the usual reason; its logs are in "
        f"{_node().get_logs_dir_path()}). Committed data is safe; rerun the command to resume"
    )


def _raise(number: int, frame: FrameType | None) -> None:
    raise _Died


def _node() -> Any:
    return ray._private.worker._global_node


def _dead() -> list[str]:
    """Return names of the processes of the session that have ended, of those that it needs."""
    node = _node()
    ended = {kind for kind, _ in node.dead_processes()} if node is not None else set()
    return [name for kind, name in _NEEDED.items() if kind in ended]
