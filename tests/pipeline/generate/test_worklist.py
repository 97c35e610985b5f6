from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.tiny_pools import logged, made_files, made_here, planned, pooled_folder, pooled_values

from xray.cluster.executor import Stage
from xray.cluster.placement import Node
from xray.core.errors import ConfigError, ResourceError
from xray.pipeline.generate.workers import InpaintStage, RefineStage, refine_shards, render_shard, render_shards
from xray.pipeline.generate.worklist import Worklist
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK

CPUS = [{"CPU": 8.0}]
GPUS = [{"CPU": 8.0, "GPU": 4.0}]
BATCHES = ["00-00000", "00-00001", "00-00002"]
RENDERED = [f"00-{batch}" for batch in BATCHES]
INPAINTED = [f"01-{batch}" for batch in BATCHES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs in three photo batches."""
    return pooled_folder(tmp_path)


def names(run: RunFolder) -> list[str]:
    return [stage.name for stage in stages(run)]


def stages(run: RunFolder, nodes: Sequence[Node] = CPUS, max_tasks: int | None = None) -> list[Stage]:
    return [stage for one in Worklist.of(run).passes(nodes, max_tasks) for stage in one.stages]


def given(folder: Path, **changes: object) -> dict[str, Any]:
    """Return a recipe without a mask refiner."""
    return pooled_values(folder, masks={"annotations": {"kind": "png", "root": str(folder / "masks")}}, **changes)


def with_inpainting(folder: Path) -> list[Any]:
    scenarios: list[Any] = pooled_values(folder)["scenarios"]
    return scenarios


def refine(run: RunFolder, shards: str) -> None:
    RefineStage(run.uri, "cpu", 1, lambda images, seconds: None)(shards)


def inpaint(run: RunFolder, shards: str) -> dict[str, Any]:
    return InpaintStage(run.uri, "cpu", 1, lambda images, seconds: None)(shards)


def test_without_models_each_shard_is_an_item_of_its_own(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=["original", "segmented"]))
    work = Worklist.of(run)
    assert (work.refines, work.inpaints, work.pools()) == (False, False, {})
    assert work.units == RENDERED
    (stage,) = stages(run, max_tasks=3)
    assert (stage.name, stage.work, stage.pool, stage.max_tasks) == ("render", render_shards, None, 3)


def test_a_mask_model_runs_in_a_pool_before_rendering(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, scenarios=["segmented"], pools={}))
    refine, render = stages(run, GPUS)
    assert (refine.name, refine.work, render.name) == ("refine", RefineStage, "render")
    assert refine.pool is not None
    assert (refine.pool.device, refine.pool.gpus, refine.pool.max_actors) == ("cuda", 1, 4)
    assert refine.overlap > 1
    with pytest.raises(ResourceError, match=r"refine.*8 CPUs and 0 GPUs"):
        stages(run)


def test_inpainting_makes_masks_in_a_stage_even_without_a_mask_model(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=with_inpainting(folder)))
    work = Worklist.of(run)
    assert set(work.pools()) == {"paint"}
    assert work.units == [f"{rendered} {inpainted}" for rendered, inpainted in zip(RENDERED, INPAINTED, strict=True)]
    refine, inpaint, render = stages(run)
    assert (refine.work, refine.pool) == (refine_shards, None)
    assert inpaint.work is InpaintStage
    assert inpaint.pool is not None
    assert render.work is render_shards
    run = planned(folder, given(folder, scenarios=with_inpainting(folder)[1:]), "nothing rendered")
    assert names(run) == ["refine", "paint"]


def test_both_pools_share_the_gpus(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, pools={}))
    granted = stages(run, GPUS)
    assert [stage.name for stage in granted] == ["refine", "paint", "render"]
    assert [(stage.pool.gpus, stage.pool.max_actors) for stage in granted if stage.pool] == [(0.2, 1), (0.8, 4)]


def test_each_stage_commits_its_own_part_of_an_item(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    item = Worklist.of(run).units[0]
    refine(run, item)
    assert run.store.done(MASK) == {"00-00000"}
    assert run.store.done(GENERATE) == set()
    (inpainted,) = inpaint(run, item)["made"]
    assert inpainted["counts"] == {"generated_background": {"ok": 4}}
    assert run.store.done(GENERATE) == {"01-00-00000"}
    (rendered,) = render_shards(run.uri, frozenset(run.plan.inpainted()), item)["made"]
    assert rendered["counts"] == {"original": {"ok": 2}}
    assert run.store.done(GENERATE) == {"00-00-00000", "01-00-00000"}
    assert rendered["bytes"] == sum(file["bytes"] for file in run.store.receipt(GENERATE, "00-00-00000").files.values())
    assert run.store.receipt(GENERATE, "00-00-00000").files.keys() == {"images"}


def test_finished_work_is_left_out(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    refine(run, " ".join([RENDERED[0], INPAINTED[0]]))
    inpaint(run, INPAINTED[0])
    assert Worklist.of(run).units == [RENDERED[0], f"{RENDERED[1]} {INPAINTED[1]}", f"{RENDERED[2]} {INPAINTED[2]}"]
    render_shard(run.uri, RENDERED[0])
    assert Worklist.of(run).units == [f"{RENDERED[1]} {INPAINTED[1]}", f"{RENDERED[2]} {INPAINTED[2]}"]
    for number in (1, 2):
        refine(run, RENDERED[number])
    assert names(run) == ["paint", "render"]
    for number in (1, 2):
        inpaint(run, INPAINTED[number])
    assert names(run) == ["render"]
    assert Worklist.of(run).units == RENDERED[1:]
    made_here(run)
    assert Worklist.of(run).units == []
    assert RowCounts.of(run.store.receipts(GENERATE)).ok == run.plan.planned_rows() == 18


def test_an_added_scenario_reuses_given_masks(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=["segmented"]))
    made_here(run)
    before = made_files(run)
    assert len(before) == 6  # three of images, three of masks
    run = planned(folder, given(folder, scenarios=["segmented", with_inpainting(folder)[1]]))
    assert names(run) == ["paint"]
    assert Worklist.of(run).units == INPAINTED
    made_here(run)
    assert before.items() <= made_files(run).items()
    assert run.store.done(MASK) == set()
    assert len(run.store.table("masks")) == 6
    assert RowCounts.of(run.store.receipts(GENERATE)).by_outcome() == {"ok": 18}


def test_added_scenarios_reuse_the_masks_of_a_model(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, scenarios=["segmented"]))
    made_here(run)
    refined = logged(folder, "refine")
    run = planned(folder, pooled_values(folder, scenarios=["original", "segmented", with_inpainting(folder)[1]]))
    assert names(run) == ["paint", "render"]
    made_here(run)
    assert logged(folder, "refine") == refined
    assert len(refined) == len(run.store.table("masks")) == 6
    assert RowCounts.of(run.store.receipts(GENERATE)).ok == 24


def test_no_masks_are_made_where_no_scenario_needs_them(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, scenarios=["original", "image_grey"]))
    assert names(run) == ["render"]
    made_here(run)
    assert len(run.store.table("masks")) == 0
    assert run.store.table("source")["mask_uri"].null_count == 6
    assert RowCounts.of(run.store.receipts(GENERATE)).by_outcome() == {"ok": 12}
    with pytest.raises(ConfigError, match="--replan"):
        planned(folder, pooled_values(folder, scenarios=["original", "segmented"]))


def test_added_photographs_get_masks(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    made_here(run)
    photo, mask = (folder / f"{kind}/cup/2.{end}" for kind, end in (("photos", "jpg"), ("masks", "png")))
    (folder / "photos/cup/9.jpg").write_bytes(photo.read_bytes() + b"\0")
    (folder / "masks/cup/9.png").write_bytes(mask.read_bytes())
    run = planned(folder, pooled_values(folder))
    assert names(run) == ["refine", "paint", "render"]
    assert Worklist.of(run).units == ["02-01-00000 03-01-00000"]
    made_here(run)
    assert len(logged(folder, "refine")) == len(run.store.table("masks")) == 7
    assert RowCounts.of(run.store.receipts(GENERATE)).ok == 21


def test_failed_images_are_remade_once_their_file_can_be_read(folder: Path) -> None:
    """Only those that failed: others of their shards are kept."""
    golden = planned(folder, pooled_values(folder), "golden")
    made_here(golden)
    run = planned(folder, pooled_values(folder))
    photo = folder / "photos/ball/1.jpg"
    photo.rename(folder / "away.jpg")
    made_here(run)
    assert RowCounts.of(run.store.receipts(GENERATE)).refused() == {"failed missing_file": 3}
    assert Worklist.of(run).units == []  # still missing
    (folder / "away.jpg").rename(photo)
    work = Worklist.of(run)
    assert work.retried == {RENDERED[0], INPAINTED[0]}
    assert work.units == [f"{RENDERED[0]} {INPAINTED[0]}"]
    assert names(run) == ["refine", "paint", "render"]
    (folder / "desk/log").unlink()
    made_here(run)
    assert made_files(run) == made_files(golden)
    assert len(logged(folder, "paint")) == 2
    assert Worklist.of(run).units == []
