"""Spread the work of one task over further tasks, for clusters with fewer items than CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import ray

from xray.core.device import configure_worker
from xray.core.errors import ResourceError

Item = TypeVar("Item")
Output = TypeVar("Output")


def spread(function: Callable[[Item], Output], items: Sequence[Item]) -> list[Output]:
    """Call a function with each item in a task of one CPU, and return the results in order; the caller's CPU is free.

    Raises:
        Exception: the one that the function raised.
        ResourceError: workers died every time, or ran out of memory.
    """
    task: Any = ray.remote(num_cpus=1)(_configured)
    try:
        results: list[Output] = ray.get([task.remote(function, item) for item in items])
    except ray.exceptions.RayTaskError as error:  # its text is a traceback
        raise error.cause from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise ResourceError(
            "a worker died several times over the same photograph. Committed data is safe. The usual reason is too "
            "little memory: use fewer workers at a time"
        ) from error
    return results


def _configured(function: Callable[[Item], Output], item: Item) -> Output:
    configure_worker()
    return function(item)
