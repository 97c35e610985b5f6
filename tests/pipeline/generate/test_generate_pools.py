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
from xray.core.errors import ResourceError, XrayError
from xray.pipeline.generate.generate import generate
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

pytestmark = pytest.mark.usefixtures("ray_session")
PHOTOGRAPHS, INPAINTED = 8, 16


def on_gpus(refine: int, paint: int, **more: object) -> dict[str, Any]:
    """Return pools of this many actors, which run on CPUs, but take their share of a GPU."""
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
    """Hashes of all files of a run that was made in one process, one shard after the other."""
    run = planned(folder, pooled_values(folder, pools=pools_on_cpus()), "golden")
    made_here(run)
    return made_files(run)


@pytest.fixture
def desk(folder: Path, golden: dict[str, str]) -> Path:
    """Return the desk, emptied."""
    for path in (folder / "desk").iterdir():
        path.unlink()
    return folder / "desk"


def starts(folder: Path, pool: str) -> Counter[int]:
    """Count the starts of each image by its seed."""
    return Counter(seed for _, seed in logged(folder, pool))


def assert_complete(run: RunFolder) -> None:
    assert len(run.store.table("masks")) == PHOTOGRAPHS
    images = run.store.table("images", ["sample_id", "status"]).to_pydict()
    assert len(set(images["sample_id"])) == len(images["sample_id"]) == PHOTOGRAPHS + INPAINTED
    assert set(images["status"]) == {"ok"}
    assert run.store.done(GENERATE) == set(run.plan.shards())


def test_pools_of_one_actor_and_their_states(folder: Path, desk: Path, golden: dict[str, str]) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "one")
    states: dict[str, PoolState] = {}
    finished = generate(run, watch=states.update)
    assert made_files(run) == golden
    assert_complete(run)
    assert finished.counts == {"original": {"ok": PHOTOGRAPHS}, "generated_background": {"ok": INPAINTED}}
    assert {name: (state.items, state.actors, state.gpus) for name, state in states.items()} == {
        "refine": (PHOTOGRAPHS, 1, 0.1),
        "paint": (INPAINTED, 1, 0.8),
    }
    assert all(0 < state.busy <= state.ready for state in states.values())
    for pool in ("refine", "paint"):
        assert set(starts(folder, pool).values()) == {1}
        assert len({process for process, _ in logged(folder, pool)}) == 1


@pytest.mark.slow
def test_killed_actors_lose_at_most_one_shard_and_change_no_byte(
    folder: Path, desk: Path, golden: dict[str, str]
) -> None:
    """One of two actors of each pool dies in the middle of a shard, and images finish in another order."""
    run = planned(folder, pooled_values(folder, pools=on_gpus(2, 2)), "killed")
    (desk / "late").write_text("150")
    for pool in ("refine", "paint"):
        (desk / f"die-{pool}").touch()
    generate(run)
    assert made_files(run) == golden
    assert_complete(run)
    shard_of = {row["seed"]: row["shard"] for row in run.store.table("plan", ["seed", "shard"]).to_pylist()}
    for pool, images in (("refine", PHOTOGRAPHS), ("paint", INPAINTED)):
        assert not (desk / f"die-{pool}").exists(), f"no actor was killed in the {pool} pool"
        times = starts(folder, pool)
        assert len(times) == images
        twice = [seed for seed, n in times.items() if n > 1]
        assert len(twice) == 2  # the one that was finished, and the one in progress
        assert max(times.values()) == 2
        if pool == "paint":
            assert len({shard_of[seed] for seed in twice}) == 1


@pytest.mark.slow
def test_a_stalled_pool_ends_the_run_and_frees_the_cluster(
    folder: Path, desk: Path, golden: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray.cluster.executor.Monitor", PatientAtFirst)
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 4, stall_seconds=8)), "stalls")
    (desk / "hang").touch()
    states: dict[str, PoolState] = {}
    with pytest.raises(ResourceError, match=r"paint: [1-4] actors, 0 images.*stall_seconds"):
        generate(run, watch=states.update)
    assert states["paint"].items == 0
    assert run.store.masked()  # committed data stays
    (desk / "hang").unlink()
    (desk / "late").write_text("170")
    # This takes all four GPUs again, and all inpainters at once.
    generate(planned(folder, pooled_values(folder, pools=on_gpus(1, 4)), "stalls"))
    assert made_files(run) == golden
    assert_complete(run)


@pytest.mark.slow
def test_work_that_kills_every_actor_is_given_up(folder: Path, desk: Path) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "deadly")
    (desk / "deadly-paint").touch()
    with pytest.raises(ResourceError, match=r"paint stage died 5 times.*\(00-00-"):
        generate(run)
    assert max(starts(folder, "paint").values()) <= 5
    assert not run.store.done(GENERATE) & {shard for shard in run.plan.shards() if shard.startswith("01-")}


@pytest.mark.slow
def test_changed_weights_are_a_one_line_error_and_the_run_can_resume(
    folder: Path, desk: Path, golden: dict[str, str]
) -> None:
    run = planned(folder, pooled_values(folder, pools=on_gpus(1, 1)), "unloaded")
    weights = folder / "noise.txt"
    before = weights.read_text()
    try:
        weights.write_text("8")
        with pytest.raises(XrayError, match=r"^.*noise\.txt.*$") as error:
            generate(run)
    finally:
        weights.write_text(before)
    assert "\n" not in str(error.value)
    assert starts(folder, "paint") == {}
    generate(run)
    assert made_files(run) == golden
    assert set(starts(folder, "paint").values()) == {1}


def test_a_plug_in_that_workers_cannot_import_is_a_one_line_error(
    folder: Path, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("from support.tiny_pools import Shrink\n\nclass Mine(Shrink):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    values = pooled_values(folder, pools=on_gpus(1, 1))
    values["masks"]["refine"]["kind"] = "only_here:Mine"
    run = planned(folder, values, "only here")
    with pytest.raises(XrayError, match=r"masks\.refine.*only_here") as refused:
        generate(run)
    assert "Traceback" not in str(refused.value)


@pytest.mark.slow
def test_real_models_in_pools_give_the_bytes_of_one_process(tmp_path: Path, tiny_weights: Path) -> None:
    write_folder(tmp_path, per_category=4)
    golden = planned(tmp_path, tiny_values(tmp_path, tiny_weights), "golden")
    made_here(golden)
    run = planned(tmp_path, tiny_values(tmp_path, tiny_weights, pools=on_gpus(1, 2)))
    generate(run)
    assert_complete(run)
    assert made_files(run) == made_files(golden)
