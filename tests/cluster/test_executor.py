from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import ray

from xray.cluster import executor
from xray.core.errors import ConfigError, DamagedError, ResourceError, StorageError, UnreachableError, XrayError


class Failing:
    """A dataset that fails after a row."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        yield {"item": "00-00000"}
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
def test_lost_workers_and_nodes_are_a_one_line_error(error: Exception) -> None:
    rows = executor._rows(Failing(error))  # type: ignore[arg-type]
    assert next(rows) == {"item": "00-00000"}
    with pytest.raises(ResourceError) as refused:
        next(rows)
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is error


def test_errors_raised_by_the_work_keep_their_traceback() -> None:
    error = ray.exceptions.RayTaskError("work", "Traceback …", ValueError("a mistake"))  # type: ignore[no-untyped-call]
    with pytest.raises(ray.exceptions.RayTaskError):
        list(executor._rows(Failing(error)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ConfigError, StorageError, UnreachableError, DamagedError, ResourceError])
def test_errors_keep_their_kind_on_the_way_from_a_worker(kind: type[XrayError]) -> None:
    def refuse(item: str) -> dict[str, Any]:
        raise kind(f"no {item}")

    (row,) = executor._run_row(refuse, executor._block(["00-00000"])).to_pylist()
    assert (executor._KINDS[row["kind"]], row["error"]) == (kind, "no 00-00000")


@pytest.mark.usefixtures("ray_session")
def test_failed_work_is_logged_by_its_worker(caplog: pytest.LogCaptureFixture) -> None:
    def fail(item: str) -> dict[str, Any]:
        raise ValueError(f"no {item} today")

    heartbeat = executor._start_heartbeat()
    with caplog.at_level("INFO"), pytest.raises(ValueError, match="no 00-00000 today"):
        executor._run_item("file:///runs/mine", "render", heartbeat, fail, "00-00000")
    started, failed = (vars(record) for record in caplog.records if record.name == executor._LOG.name)
    assert (started["message"], failed["message"]) == ("started", "failed: no 00-00000 today")
    for line in (started, failed):
        assert (line["run"], line["stage"], line["unit"]) == ("file:///runs/mine", "render", "00-00000")
    assert ray.get(heartbeat.in_progress.remote()) == ["00-00000"]  # not counted as finished
    ray.kill(heartbeat)
