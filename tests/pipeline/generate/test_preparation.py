"""Progress of the stages before images: of what is committed, and of what workers report in between."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.drawn_photos import write
from support.tiny_pools import made_here, planned, pooled_folder
from support.tiny_remover import removing_values

from xray.cluster.placement import PoolState
from xray.core.progress import Progress
from xray.pipeline.generate.preparation import Finished, mask, remove
from xray.pipeline.generate.removal import RemoveWorker
from xray.runs.folder import RunFolder


def state(items: int) -> PoolState:
    return PoolState(items=items, busy=1.0, ready=1.0, actors=1, gpus=0.0, quiet=0.0)


def test_photographs_are_counted_before_their_batch_is_committed_and_only_once() -> None:
    finished = Finished(RemoveWorker, total=10, before=2)
    finished.report({"refine": state(6)})
    assert finished.done == 2
    finished.report({"remove": state(3)})
    assert finished.done == 5
    finished.commit([{"made": [], "masks": 4}, {"made": [], "removed": 4}])
    assert finished.done == 6
    finished.report({"remove": state(9)})  # a worker died, and its photographs were made twice
    assert finished.done == 10


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of photographs that the progress line has shown, in their order."""
    numbers: list[int] = []
    reach = Progress.reach

    def log(self: Progress, done: int) -> None:
        numbers.append(done)
        reach(self, done)

    monkeypatch.setattr(Progress, "reach", log)
    return numbers


@pytest.mark.usefixtures("ray_session")
def test_one_batch_of_slow_photographs_shows_movement(tmp_path: Path, shown: list[int]) -> None:
    folder = pooled_folder(tmp_path)
    (folder / "desk/late").write_text("4000")
    run = planned(folder, removing_values(folder, shard_size=3))
    watched: dict[str, PoolState] = {}
    assert remove(run, watch=watched.update)[0] == {"ok": 6}
    assert shown == sorted(shown)
    assert len({*shown} - {0, 3, 6}) >= 1
    assert shown[-1] == 6
    assert watched == {}  # tasks are no pool whose devices could idle


@pytest.mark.usefixtures("ray_session")
def test_photographs_that_are_made_again_are_not_counted_twice(tmp_path: Path, shown: list[int]) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, removing_values(folder))
    away = folder / "photos/ball/0.jpg"
    data = away.read_bytes()
    away.unlink()
    made_here(run)
    write(away, data)
    assert mask(run) == {"ok": 6}
    assert remove(run)[0] == {"ok": 6}
    assert max(shown) == 6


def test_all_made_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, removing_values(folder))
    made_here(run)
    monkeypatch.setitem(sys.modules, "xray.cluster.session", None)
    assert mask(RunFolder(run.uri)) == {"ok": 6}
    assert remove(RunFolder(run.uri)) == ({"ok": 6}, {})
