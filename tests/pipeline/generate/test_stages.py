from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.tiny_pools import logged, made_files, made_here, planned, pooled_folder, pooled_values

from xray.core.errors import XrayError
from xray.pipeline.generate.stages import Flow, PaintStage, RefineStage, make_shard, refine_unit, render_unit
from xray.runs.counts import Progressed
from xray.runs.receipts import GENERATE, MASK
from xray.runs.run import Run

CPUS = [{"CPU": 8.0}]
GPUS = [{"CPU": 8.0, "GPU": 4.0}]
UNITS = ["00-00000", "00-00001", "00-00002"]
RENDERED = [f"00-{unit}" for unit in UNITS]
PAINTED = [f"01-{unit}" for unit in UNITS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs, three units."""
    return pooled_folder(tmp_path)


def names(run: Run) -> list[str]:
    return [stage.name for stage in Flow.of(run).stages(CPUS)]


def given(folder: Path, **changes: object) -> dict[str, Any]:
    """Masks as they are given."""
    return pooled_values(folder, masks={"annotations": {"kind": "png", "root": str(folder / "masks")}}, **changes)


def with_painting(folder: Path) -> list[Any]:
    scenarios: list[Any] = pooled_values(folder)["scenarios"]
    return scenarios


def refine(run: Run, unit: str) -> None:
    RefineStage(run.uri, "cpu", 1, lambda items, seconds: None)(unit)


def paint(run: Run, unit: str) -> dict[str, Any]:
    return PaintStage(run.uri, "cpu", 1, frozenset(run.painted()), lambda items, seconds: None)(unit)


def test_without_models_each_shard_is_rendered_by_itself(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=["original", "segmented"]))
    flow = Flow.of(run)
    assert (flow.refines, flow.paints, flow.pools()) == (False, False, {})
    assert flow.units == RENDERED
    (stage,) = flow.stages(CPUS, at_once=3)
    assert (stage.name, stage.work, stage.pool, stage.at_once) == ("render", render_unit, None, 3)


def test_masks_of_a_model_are_made_in_a_pool_before_anything_is_rendered(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, scenarios=["original"], pools={}))
    refine, render = Flow.of(run).stages(GPUS)
    assert (refine.name, refine.work, render.name) == ("refine", RefineStage, "render")
    assert refine.pool is not None
    assert (refine.pool.device, refine.pool.gpus, refine.pool.most) == ("cuda", 1, 4)
    assert refine.overlap > 1
    with pytest.raises(XrayError, match="the refine pool wants GPUs, and the cluster has 8 CPUs and 0 GPUs"):
        Flow.of(run).stages(CPUS)


def test_painters_are_given_masks_that_no_model_makes(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=with_painting(folder)))
    flow = Flow.of(run)
    assert set(flow.pools()) == {"paint"}
    assert flow.units == [f"{rendered} {painted}" for rendered, painted in zip(RENDERED, PAINTED, strict=True)]
    refine, paint, render = flow.stages(CPUS)
    assert (refine.work, refine.pool) == (refine_unit, None)
    assert paint.work is PaintStage
    assert paint.pool is not None
    assert render.work is render_unit


def test_where_all_is_painted_nothing_is_rendered(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=with_painting(folder)[1:]))
    assert names(run) == ["refine", "paint"]


def test_both_pools_work_at_the_same_time(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, pools={}))
    stages = Flow.of(run).stages(GPUS)
    assert [stage.name for stage in stages] == ["refine", "paint", "render"]
    assert [(stage.pool.gpus, stage.pool.most) for stage in stages if stage.pool] == [(0.2, 1), (0.8, 4)]


def test_each_stage_does_its_own_part_of_a_unit(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    unit = Flow.of(run).units[0]
    refine(run, unit)
    assert run.done(MASK) == {"00-00000"}
    assert run.done(GENERATE) == set()
    (painted,) = paint(run, unit)["made"]
    assert painted["counts"] == {"generated_background": {"ok": 4}}
    assert run.done(GENERATE) == {"01-00-00000"}
    (rendered,) = render_unit(run.uri, frozenset(run.painted()), unit)["made"]
    assert rendered["counts"] == {"original": {"ok": 2}}
    assert run.done(GENERATE) == {"00-00-00000", "01-00-00000"}
    assert rendered["bytes"] == sum(file["bytes"] for file in run.receipt(GENERATE, "00-00-00000").files.values())
    assert run.receipt(GENERATE, "00-00-00000").files.keys() == {"images"}


def test_what_is_done_is_not_asked_again(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    refine(run, " ".join([RENDERED[0], PAINTED[0]]))
    paint(run, PAINTED[0])
    assert Flow.of(run).units == [RENDERED[0], f"{RENDERED[1]} {PAINTED[1]}", f"{RENDERED[2]} {PAINTED[2]}"]
    make_shard(run.uri, RENDERED[0])
    assert Flow.of(run).units == [f"{RENDERED[1]} {PAINTED[1]}", f"{RENDERED[2]} {PAINTED[2]}"]
    for number in (1, 2):
        refine(run, RENDERED[number])
    assert names(run) == ["paint", "render"]
    for number in (1, 2):
        paint(run, PAINTED[number])
    assert names(run) == ["render"]
    assert Flow.of(run).units == RENDERED[1:]
    made_here(run)
    assert Flow.of(run).units == []
    assert Progressed.of(run.receipts(GENERATE)).ok == run.planned_rows() == 18


def test_a_scenario_that_is_added_later_uses_the_masks_that_are_there(folder: Path) -> None:
    run = planned(folder, given(folder, scenarios=["original"]))
    made_here(run)
    before = made_files(run)
    assert len(before) == 6  # images and masks, by the way
    run = planned(folder, given(folder, scenarios=with_painting(folder)))
    assert names(run) == ["paint"]
    assert Flow.of(run).units == PAINTED
    made_here(run)
    assert before.items() <= made_files(run).items()
    assert run.done(MASK) == set()
    assert len(run.table("masks")) == 6
    assert Progressed.of(run.receipts(GENERATE)).counts == {"original": {"ok": 6}, "generated_background": {"ok": 12}}


def test_masks_that_a_model_made_are_used_by_all_that_comes_later(folder: Path) -> None:
    run = planned(folder, pooled_values(folder, scenarios=["original"]))
    made_here(run)
    refined = logged(folder, "refine")
    run = planned(folder, pooled_values(folder, scenarios=["original", "segmented", with_painting(folder)[1]]))
    assert names(run) == ["paint", "render"]
    made_here(run)
    assert logged(folder, "refine") == refined
    assert len(refined) == len(run.table("masks")) == 6
    assert Progressed.of(run.receipts(GENERATE)).ok == 24


def test_photographs_that_are_added_later_get_masks_of_their_own(folder: Path) -> None:
    run = planned(folder, pooled_values(folder))
    made_here(run)
    photo, mask = (folder / f"{kind}/cup/2.{end}" for kind, end in (("photos", "jpg"), ("masks", "png")))
    (folder / "photos/cup/9.jpg").write_bytes(photo.read_bytes() + b"\0")
    (folder / "masks/cup/9.png").write_bytes(mask.read_bytes())
    run = planned(folder, pooled_values(folder))
    assert names(run) == ["refine", "paint", "render"]
    assert Flow.of(run).units == ["02-01-00000 03-01-00000"]
    made_here(run)
    assert len(logged(folder, "refine")) == len(run.table("masks")) == 7
    assert Progressed.of(run.receipts(GENERATE)).ok == 21


def test_what_could_not_be_read_is_made_again_when_it_can(folder: Path) -> None:
    """Only what failed: a picture that was painted is not painted again."""
    golden = planned(folder, pooled_values(folder), "golden")
    made_here(golden)
    run = planned(folder, pooled_values(folder))
    photo = folder / "photos/ball/1.jpg"
    photo.rename(folder / "away.jpg")
    made_here(run)
    assert Progressed.of(run.receipts(GENERATE)).by_reason() == {"failed missing_file": 3}
    assert Flow.of(run).units == []  # it still cannot
    (folder / "away.jpg").rename(photo)
    flow = Flow.of(run)
    assert flow.again == {RENDERED[0], PAINTED[0]}
    assert flow.units == [f"{RENDERED[0]} {PAINTED[0]}"]
    assert names(run) == ["refine", "paint", "render"]
    (folder / "desk/log").unlink()
    made_here(run)
    assert made_files(run) == made_files(golden)
    assert len(logged(folder, "paint")) == 2
    assert Flow.of(run).units == []
