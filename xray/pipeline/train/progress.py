"""The progress line of a sweep, from Ray Tune's callbacks."""

from __future__ import annotations

from typing import Any

from ray import tune

from xray.core.progress import Progress


class ProgressCallback(tune.Callback):
    """A callback that counts finished epochs and trials.

    Args:
        progress: counts epochs.
        trials: number of trials.
        epochs: maximum number of epochs of each.
    """

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
        """Count a finished trial, which may have stopped early."""
        self._ended += 1
        self._count(trial.trial_id, self._epochs)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a failed trial."""
        self.on_trial_complete(iteration, trials, trial)

    def _count(self, trial: str, epochs: int) -> None:
        before = self._counted.get(trial, 0)
        self._counted[trial] = max(before, epochs)
        self._progress.advance(self._counted[trial] - before)
