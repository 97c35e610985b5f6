from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import ray

from xray.cluster import executor as cluster
from xray.core.errors import XrayError

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


@pytest.mark.usefixtures("ray_session")
def test_work_that_fails_says_so_in_the_log_of_its_worker(caplog: pytest.LogCaptureFixture) -> None:
    def fail(unit: str) -> dict[str, Any]:
        raise ValueError(f"no {unit} today")

    pulse = cluster._pulses()
    with caplog.at_level("INFO"), pytest.raises(ValueError, match="no 00-00000 today"):
        cluster._counted("file:///runs/mine", "render", pulse, fail, "00-00000")
    begun, failed = (vars(record) for record in caplog.records if record.name == cluster._LOG.name)
    assert (begun["message"], failed["message"]) == ("begun", "failed: no 00-00000 today")
    for told in (begun, failed):
        assert (told["run"], told["stage"], told["unit"]) == ("file:///runs/mine", "render", "00-00000")
    assert ray.get(pulse.at_hand.remote()) == ["00-00000"]  # nobody took it for done
    ray.kill(pulse)
