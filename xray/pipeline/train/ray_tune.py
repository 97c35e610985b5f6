"""Running Ray Tune under the progress line and the signal handlers of xray."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from typing import Any

from ray import tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

from xray.core.progress import Progress

_NO_SIGINT = "TUNE_DISABLE_SIGINT_HANDLER"


def run_tuner(tuner: tune.Tuner) -> list[tune.Result]:
    """Run all trials of a tuner and return their results; those that Ray Tune drops are missing.

    Meanwhile Ray Tune prints nothing, does not end as if complete on Ctrl-C, and does not pass the driver's AWS keys to
    its workers, where dashboard and logs would show them: they get credentials from their node, as all others do.
    """
    logger = logging.getLogger("ray.tune")
    level, handled = logger.level, os.environ.get(_NO_SIGINT, "0")
    keys = {name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    logger.setLevel(logging.ERROR)
    os.environ[_NO_SIGINT] = "1"
    ENV_VARS_TO_PROPAGATE.difference_update(keys)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            results = tuner.fit()
    finally:
        logger.setLevel(level)
        os.environ[_NO_SIGINT] = handled
        ENV_VARS_TO_PROPAGATE.update(keys)
    return [results[index] for index in range(len(results))]


class ProgressCallback(tune.Callback):
    """A callback that counts finished epochs and trials; each trial has at most `epochs`."""

    def __init__(self, progress: Progress, trials: int, epochs: int) -> None:
        self._progress, self._trials, self._epochs = progress, trials, epochs
        self._ended = 0
        self._counted: dict[str, int] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Count an epoch."""
        self._count(trial.trial_id, int(result["epoch"]) + 1)
        score = f"{result['metric']} {result['validation_score']:.0%}"
        self._progress.detail(f"{self._ended} of {self._trials} trials", f"{trial.config['trial']}: {score}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a trial that has finished, perhaps early, or failed."""
        self._ended += 1
        self._count(trial.trial_id, self._epochs)

    on_trial_error = on_trial_complete

    def _count(self, trial: str, epochs: int) -> None:
        before = self._counted.get(trial, 0)
        self._counted[trial] = max(before, epochs)
        self._progress.advance(self._counted[trial] - before)
