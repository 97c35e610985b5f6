from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import ray

from xray import cluster
from xray.errors import XrayError

CUT_OFF = r"a worker or a node died, could not start, or was cut off; what is committed stays\. Ray says: "


class Failing:
    """A dataset that fails after a row."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        yield {"unit": "00-00000"}
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ray.exceptions.ActorDiedError(),
        ray.exceptions.LocalRayletDiedError(),
        ray.exceptions.NodeDiedError("gone"),  # type: ignore[no-untyped-call]
        ray.exceptions.WorkerCrashedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_ray_loses_is_told_in_a_line(error: Exception) -> None:
    rows = cluster._rows(Failing(error))  # type: ignore[arg-type]
    assert next(rows) == {"unit": "00-00000"}
    with pytest.raises(XrayError, match=CUT_OFF) as told:
        next(rows)
    assert "\n" not in str(told.value)


def test_mistakes_in_the_work_keep_their_traceback() -> None:
    error = ray.exceptions.RayTaskError("work", "Traceback …", ValueError("a mistake"))  # type: ignore[no-untyped-call]
    with pytest.raises(ray.exceptions.RayTaskError):
        list(cluster._rows(Failing(error)))  # type: ignore[arg-type]
