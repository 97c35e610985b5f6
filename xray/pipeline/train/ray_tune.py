"""Running Ray Tune without its own output and signal handler. All process-wide changes for it are made here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ray import tune

from xray.cluster.session import quietly


def run_tuner(tuner: tune.Tuner) -> list[tune.Result]:
    """Run all trials of a tuner and return their results; those that Ray Tune drops are missing."""
    with _own_sigint(), quietly():
        results = tuner.fit()
    return [results[index] for index in range(len(results))]


@contextlib.contextmanager
def _own_sigint() -> Iterator[None]:
    """Keep Ray Tune from handling Ctrl-C: it would end the tuner as if it were complete."""
    name = "TUNE_DISABLE_SIGINT_HANDLER"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
