from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.drawn_photos import WHOLE_DONORS, drawn, write
from support.tiny_pools import made_files, made_here, planned, pooled_folder
from support.tiny_remover import EDIT, removals, removing_values

from xray.cluster.executor import Stage
from xray.core.errors import ConfigError
from xray.core.files import read_bytes
from xray.core.images import decode, encode
from xray.core.patches import Patch, apply_patch
from xray.masks import decode_mask
from xray.pipeline.generate.estimate import forecast
from xray.pipeline.generate.workers import RemoveStage, _open, render_shard
from xray.pipeline.generate.worklist import Worklist
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt

CPUS = [{"CPU": 8.0}]
GPUS = [{"CPU": 8.0, "GPU": 4.0}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs in three photo batches."""
    _open.cache_clear()
    return pooled_folder(tmp_path)


def stages(run: RunFolder, nodes: Any = CPUS) -> list[list[str]]:
    """Names of the stages of each pass."""
    return [[stage.name for stage in one.stages] for one in Worklist.of(run).passes(nodes)]


def images(run: RunFolder, scenario: str) -> dict[str, dict[str, Any]]:
    """Rows of IMAGES of a scenario by photograph."""
    return {row["image_id"]: row for row in run.store.table("images").to_pylist() if row["scenario"] == scenario}


def removed(run: RunFolder) -> dict[str, dict[str, Any]]:
    return {row["image_id"]: row for row in run.store.table("removed").to_pylist()}


def made(folder: Path, name: str = "run", **changes: object) -> RunFolder:
    run = planned(folder, removing_values(folder, **changes), name)
    made_here(run)
    return run


def test_removed_has_one_row_group_a_photograph_which_gives_it_back(folder: Path) -> None:
    run = made(folder)
    masks = {row["image_id"]: row["mask"]["bytes"] for row in run.store.table("masks").to_pylist()}
    assert len(removed(run)) == 6
    for source in run.store.table("source").to_pylist():
        row, mask = removed(run)[source["image_id"]], decode_mask(masks[source["image_id"]])
        image = decode(read_bytes(source["uri"])).image
        result = apply_patch(image, Patch.decode(row["patch"]["bytes"], row["x"], row["y"]))
        assert np.array_equal(result, np.where(mask[:, :, None], np.uint8(128), image))
        assert (row["remover"], row["status"], row["reason"]) == ("logging", "ok", "")
        assert row["area"] == pytest.approx((result != image).any(axis=2).mean())
    for batch in run.plan.batches():
        assert pq.ParquetFile(folder / f"run/removed/{batch}.parquet").num_row_groups == 2
    assert set(removals(folder).values()) == {1}


def test_donors_are_shown_without_their_objects_and_their_category_is_recorded(folder: Path) -> None:
    run = made(folder)
    source = {row["image_id"]: row for row in run.store.table("source").to_pylist()}
    for row in images(run, "random_background").values():
        facts = json.loads(row["provenance"])
        assert row["donor_category"] == source[facts["donor"]]["category"]
        donor = source[facts["donor"]]
        assert row["status"] == "ok"
        picture, mask = decode(row["image"]["bytes"]).image, decode_mask(row["mask"]["bytes"])
        patch = removed(run)[donor["image_id"]]
        clean = apply_patch(
            decode(read_bytes(donor["uri"])).image, Patch.decode(patch["patch"]["bytes"], patch["x"], patch["y"])
        )
        assert np.array_equal(picture[~mask], clean[~mask])  # of the same size, so that nothing is cropped or scaled
    assert {row["donor_category"] for row in images(run, "original").values()} == {None}


def test_objects_are_removed_only_where_an_image_shows_it(folder: Path) -> None:
    run = planned(folder, removing_values(folder, scenarios=["original", WHOLE_DONORS]), "none")
    assert stages(run) == [["render"]]
    run = planned(folder, removing_values(folder, scenarios=["original", EDIT]), "own")
    assert stages(run) == [["refine", "remove", "render"]]
    assert Worklist.of(run).passes(CPUS)[0].items == run.plan.shards()
    run = planned(folder, removing_values(folder, scenarios=["original", "random_background"]), "donors")
    assert stages(run) == [["refine", "remove"], ["render"]]
    first, second = Worklist.of(run).passes(CPUS)
    assert (first.items, second.items) == (run.plan.batches(), run.plan.shards())
    drawn_banks = removing_values(folder, scenarios=["original", "random_background"], backgrounds="drawn")
    assert stages(planned(folder, drawn_banks, "drawn")) == [["render"]]


def test_objects_are_removed_once_whatever_scenarios_are_added(folder: Path) -> None:
    run = made(folder, scenarios=["original", EDIT])
    before = made_files(run)
    run = planned(folder, removing_values(folder, scenarios=["original", EDIT, "random_background"]))
    assert stages(run) == [["render"]]
    made_here(run)
    assert before.items() <= made_files(run).items()
    assert len(removals(folder)) == 6
    assert set(removals(folder).values()) == {1}
    assert {row["status"] for row in run.store.table("images").to_pylist()} == {"ok"}


def test_added_photographs_are_the_only_ones_removed(folder: Path) -> None:
    run = made(folder)
    write(folder / "photos/cup/9.jpg", encode(drawn(77)[0]))
    write(folder / "masks/cup/9.png", encode(drawn(77)[1], "png"))
    run = planned(folder, removing_values(folder))
    first, second = Worklist.of(run).passes(CPUS)
    assert len(first.items) == len(second.items) == 1
    made_here(run)
    assert len(removed(run)) == 7
    assert set(removals(folder).values()) == {1}


def test_a_photograph_without_a_mask_is_left_out_and_spares_serve_as_donors(folder: Path) -> None:
    write(folder / "masks/ball/0.png", encode(np.zeros((72, 96), np.uint8), "png"))
    write(folder / "photos/cup/x.jpg", b"no photograph")
    run = made(folder, scenarios=["original", EDIT, {"kind": "random_background", "variants": 6}])
    empty = next(name for name in removed(run) if name.startswith("0-") and removed(run)[name]["status"] != "ok")
    assert (removed(run)[empty]["reason"], removed(run)[empty]["patch"]) == ("mask_empty", None)
    broken = next(name for name in removed(run) if name.startswith("x-"))
    assert removed(run)[broken]["reason"] == images(run, "pasted")[broken]["reason"] == "unknown_format"
    assert images(run, "pasted")[empty]["reason"] == "mask_empty"
    assert images(run, "original")[empty]["status"] == "ok"
    plan = {row["sample_id"]: row for row in run.store.table("plan").to_pylist()}
    shown = [row for row in run.store.table("images").to_pylist() if row["scenario"] == "random_background"]
    replaced = 0
    for row in shown:
        planned_row, donor = plan[row["sample_id"]], json.loads(row["provenance"]).get("donor")
        if row["image_id"] in (empty, broken):
            continue
        assert row["status"] == "ok"
        if planned_row["donor_id"] == empty:
            assert donor == planned_row["donor_spares"][0]["donor_id"]
            replaced += 1
        else:
            assert donor == planned_row["donor_id"]
    assert replaced


def test_without_a_usable_donor_only_that_row_is_lost(folder: Path) -> None:
    for number in range(3):
        write(folder / f"masks/ball/{number}.png", encode(np.zeros((72, 96), np.uint8), "png"))
    other = {"kind": "random_background", "category": "other"}
    run = made(folder, scenarios=["original", EDIT, other])
    rows = images(run, "random_background")
    cups = [name for name in rows if rows[name]["category"] == "cup"]
    assert {(rows[name]["status"], rows[name]["reason"]) for name in cups} == {("rejected", "donor_unusable")}
    assert "mask_empty" in rows[cups[0]]["detail"]
    assert {images(run, "pasted")[name]["status"] for name in cups} == {"ok"}


def test_a_rejection_of_the_remover_is_the_reason_of_its_images(folder: Path) -> None:
    mask = np.full((72, 96), 255, np.uint8)
    mask[:2] = 0
    write(folder / "masks/ball/0.png", encode(mask, "png"))
    run = made(folder, scenarios=["original", "segmented", EDIT], remover="telea", masks=with_gates(folder, max_area=1))
    (name,) = [name for name, row in removed(run).items() if row["status"] != "ok"]
    assert removed(run)[name]["reason"] == images(run, "pasted")[name]["reason"] == "background_too_small"
    assert images(run, "segmented")[name]["status"] == "ok"


def with_gates(folder: Path, **gates: object) -> dict[str, Any]:
    return {"annotations": {"kind": "png", "root": str(folder / "masks")}, "gates": gates}


def test_a_file_that_can_be_read_again_is_the_only_one_made_again(folder: Path) -> None:
    run = planned(folder, removing_values(folder))
    away = folder / "photos/ball/0.jpg"
    data = away.read_bytes()
    away.unlink()
    made_here(run)
    bad = {row["reason"] for row in run.store.table("images").to_pylist() if row["status"] == "failed"}
    assert bad == {"missing_file"}
    assert [row["reason"] for row in removed(run).values() if row["status"] == "failed"] == ["missing_file"]
    assert Worklist.of(run).units == []
    write(away, data)
    made_here(run)
    assert {row["status"] for row in run.store.table("images").to_pylist()} == {"ok"}
    assert {row["status"] for row in removed(run).values()} == {"ok"}
    assert set(removals(folder).values()) == {1}
    fresh = made(folder, "fresh")
    assert made_files(run) == made_files(fresh)


def test_rendering_before_removal_is_refused(folder: Path) -> None:
    for scenario in (EDIT, "random_background"):
        run = planned(folder, removing_values(folder, scenarios=["original", scenario]), str(scenario)[:6])
        with pytest.raises(ConfigError, match="xray remove"):
            render_shard(run.uri, run.plan.shards()[0])


def test_a_remover_with_weights_works_in_a_pool_and_is_pinned(folder: Path) -> None:
    write(folder / "weight.txt", b"5")
    remover = {
        "kind": "support.tiny_remover:Mean",
        "model": str(folder / "weight.txt"),
        "desk": str(folder / "desk"),
    }
    run = planned(folder, removing_values(folder, remover=remover))
    work = Worklist.of(run)
    assert set(work.pools()) == {"remove"}
    (refine, remove), _ = (one.stages for one in work.passes(GPUS))
    assert isinstance(remove, Stage)
    assert (remove.name, remove.work, refine.pool) == ("remove", RemoveStage, None)
    assert remove.pool is not None
    assert (remove.pool.device, remove.pool.gpus, remove.pool.max_actors) == ("cuda", 1, 4)
    run = planned(folder, removing_values(folder, remover=remover, pools={"remove": {"device": "cpu"}}), "cpu")
    write(folder / "weight.txt", b"6")
    with pytest.raises(ConfigError, match=r"weight\.txt"):
        made_here(run)
    assert not removals(folder)
    write(folder / "weight.txt", b"5")
    made_here(run)
    facts = run.store.receipt(REMOVE, run.plan.batches()[0]).facts
    assert (facts["remover"], facts["settings"]["pool"], facts["device_images"]) == ({"weight": 5}, "remove", 2)


def test_receipts_count_photographs_and_images_name_the_remover(folder: Path) -> None:
    run = made(folder)
    receipt: Receipt = run.store.receipt(REMOVE, run.plan.batches()[0])
    assert receipt.counts == {"removed": {"ok": 2}}
    assert receipt.files["removed"]["rows"] == 2
    assert run.store.receipt(GENERATE, run.plan.shards()[0]).facts["remover"] == "logging"
    assert run.store.done(MASK) == run.store.done(REMOVE) == set(run.plan.batches())


def test_a_forecast_includes_removal(folder: Path) -> None:
    run = planned(folder, removing_values(folder))
    needs = {need.stage: need for need in forecast(run).needs}
    assert {stage: need.images for stage, need in needs.items()} == {"remove": 6, "render": 18}
    assert needs["remove"].pool is None
    assert needs["remove"].seconds > 0
    assert needs["remove"].bytes > 0
    assert not run.store.done(REMOVE)
    made_here(run)
    assert forecast(run).needs == ()
