from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import write_folder
from support.patience import PatientAtFirst
from support.tiny_pools import (
    logged,
    made_files,
    made_here,
    planned,
    pooled_folder,
    pooled_values,
    pools_on_cpus,
    tiny_values,
)

from xray.cluster.placement import PoolState
from xray.core.errors import XrayError
from xray.pipeline.generate.generate import generate
from xray.runs.receipts import GENERATE
from xray.runs.run import Run

pytestmark = pytest.mark.usefixtures("ray_with_gpus")
PHOTOGRAPHS, PICTURES, SHARD = 8, 16, 4


def on_gpus(refine: int, paint: int, **more: object) -> dict[str, Any]:
    """Pools of so many actors on CPUs, each of which takes its share of a GPU all the same."""
    return {
        "refine": {"device": "cpu", "gpus": 0.1, "actors": refine},
        "paint": {"device": "cpu", "gpus": 0.8, "actors": paint},
        **more,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pooled_folder(tmp_path_factory.mktemp("pools"), PHOTOGRAPHS // 2)


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, str]:
    """All files of a run that was made in one process, one shard after the other."""
    run = planned(folder, pooled_values(folder, pools=pools_on_cpus()), "golden")
    made_here(run)
    return made_files(run)


@pytest.fixture
def desk(folder: Path, golden: dict[str, str]) -> Path:
    """The desk, empty."""
    for path in (folder / "desk").iterdir():
        path.unlink()
    return folder / "desk"


def begun(folder: Path, pool: str) -> Counter[int]:
    """How often each picture was begun, by its seed."""
    return Counter(seed for _, seed in logged(folder, pool))


def assert_all_is_there_once(run: Run) -> None:
    assert len(run.table("masks")) == PHOTOGRAPHS
    images = run.table("images", ["sample_id", "status"]).to_pydict()
    assert len(set(images["sample_id"])) == len(images["sample_id"]) == PHOTOGRAPHS + PICTURES
    assert set(images["status"]) == {"ok"}
    assert run.done(GENERATE) == set(run.shards())


def test_one_actor_each_and_what_is_told_of_them(folder: Path, desk: Path, golden: dict[str, str]) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "one")
    states: dict[str, PoolState] = {}
    told = generate(run, watch=states.update)
    assert made_files(run) == golden
    assert_all_is_there_once(run)
    assert told.counts == {"original": {"ok": PHOTOGRAPHS}, "generated_background": {"ok": PICTURES}}
    assert {name: (state.items, state.actors, state.gpus) for name, state in states.items()} == {
        "refine": (PHOTOGRAPHS, 1, 0.1),
        "paint": (PICTURES, 1, 0.8),
    }
    assert all(0 < state.busy <= state.ready for state in states.values())
    for pool in ("refine", "paint"):
        assert set(begun(folder, pool).values()) == {1}
        assert len({process for process, _ in logged(folder, pool)}) == 1


def test_killed_actors_cost_a_shard_at_most_and_change_nothing(
    folder: Path, desk: Path, golden: dict[str, str]
) -> None:
    """One of two actors of each pool dies in the middle of a shard, and all come late in another order."""
    run = planned(folder, pooled_values(folder, pools=on_gpus(2, 2)), "killed")
    (desk / "late").write_text("150")
    for pool in ("refine", "paint"):
        (desk / f"die-{pool}").touch()
    generate(run)
    assert made_files(run) == golden
    assert_all_is_there_once(run)
    shard_of = {row["seed"]: row["shard"] for row in run.table("plan", ["seed", "shard"]).to_pylist()}
    for pool, pictures in (("refine", PHOTOGRAPHS), ("paint", PICTURES)):
        assert not (desk / f"die-{pool}").exists(), f"no actor was killed in the {pool} pool"
        times = begun(folder, pool)
        assert len(times) == pictures
        twice = [seed for seed, n in times.items() if n > 1]
        assert len(twice) == 2  # what it had made, and what it died in
        assert max(times.values()) == 2
        if pool == "paint":
            assert len({shard_of[seed] for seed in twice}) == 1


def test_a_pool_that_stands_still_ends_the_run_and_leaves_the_cluster_to_the_next(
    folder: Path, desk: Path, golden: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.cluster.executor.Watch", PatientAtFirst)
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 4, stall_seconds=8)), "stands")
    (desk / "stand").touch()
    states: dict[str, PoolState] = {}
    with pytest.raises(
        XrayError, match=r"^(the paint pool is at work|nothing got further).*paint: [1-4] actors, 0 ima"
    ):
        generate(run, watch=states.update)
    assert states["paint"].items == 0
    assert run.masked()  # what is committed stays
    (desk / "stand").unlink()
    (desk / "late").write_text("170")
    # All four GPUs are wanted again, and all painters at once.
    generate(planned(folder, pooled_values(folder, pools=on_gpus(1, 4)), "stands"))
    assert made_files(run) == golden
    assert_all_is_there_once(run)


def test_work_that_kills_its_actor_each_time_is_given_up(folder: Path, desk: Path) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "deadly")
    (desk / "deadly-paint").touch()
    with pytest.raises(
        XrayError, match=r"^a worker of the paint stage died 5 times over the same photographs \(00-00-"
    ):
        generate(run)
    assert max(begun(folder, "paint").values()) <= 5
    assert not run.done(GENERATE) & {shard for shard in run.shards() if shard.startswith("01-")}


def test_what_an_actor_cannot_load_is_one_line_and_the_same_command_goes_on(
    folder: Path, desk: Path, golden: dict[str, str]
) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "unloaded")
    weights = folder / "noise.txt"
    before = weights.read_text()
    try:
        weights.write_text("8")
        with pytest.raises(XrayError, match=r"^the weights '.*noise\.txt' have changed since the plan: .*$") as error:
            generate(run)
    finally:
        weights.write_text(before)
    assert "\n" not in str(error.value)
    assert begun(folder, "paint") == {}
    generate(run)
    assert made_files(run) == golden
    assert set(begun(folder, "paint").values()) == {1}


def test_a_plug_in_that_workers_cannot_import_is_one_line(
    folder: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("from pooled import Shrink\n\nclass Mine(Shrink):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    values = pooled_values(folder, pools=on_gpus(1, 1))
    values["masks"]["refine"]["kind"] = "only_here:Mine"
    run = planned(folder, values, "only here")
    with pytest.raises(XrayError, match=r"cannot be used on .*masks\.refine: cannot import .*only_here") as refused:
        generate(run)
    assert "Traceback" not in str(refused.value)


def test_real_models_in_pools_give_the_bytes_of_one_process(tmp_path: Path, tiny_weights: Path) -> None:
    write_folder(tmp_path, per_category=4)
    golden = planned(tmp_path, tiny_values(tmp_path, tiny_weights), "golden")
    made_here(golden)
    run = planned(tmp_path, tiny_values(tmp_path, tiny_weights, pools=on_gpus(1, 2)))
    generate(run)
    assert_all_is_there_once(run)
    assert made_files(run) == made_files(golden)
