"""Running Ray Tune without its own output and signal handler. All process-wide changes for it are made here."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator

from ray import tune


def run_tuner(tuner: tune.Tuner) -> list[tune.Result]:
    """Run all trials of a tuner and return their results; those that Ray Tune drops are missing."""
    with _own_sigint(), _quietly():
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


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence Ray Tune, whose output repeats the progress line and the results."""
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), _without_aws_keys():
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _without_aws_keys() -> Iterator[None]:
    """Keep Ray Tune from passing the driver's AWS keys to its workers, since they would show in dashboard and logs.

    Its workers get credentials from their node, as all others do.
    """
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    keys = {name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    ENV_VARS_TO_PROPAGATE.difference_update(keys)
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.update(keys)
