from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_pools
from support.drawn_photos import write, write_folder
from support.tiny_models import tiny_sdxl
from support.tiny_pools import made_here, planned, pooled_folder, pooled_values, tiny_values

from xray.backgrounds.inpainting.base import InpaintRequest
from xray.core import schema
from xray.core.errors import ConfigError, XrayError
from xray.core.images import decode
from xray.masks import decode_mask
from xray.models.weights import fingerprint
from xray.pipeline.budget import Budget
from xray.pipeline.generate.inpaint import InpaintWorker
from xray.pipeline.generate.workers import RefineStage
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.tables import RunTables
from xray.scenarios import Photo

Batches = list[tuple[int, float]]


def worker_of(run: RunFolder, batches: Batches | None = None, batch: int = 1) -> InpaintWorker:
    """Return a worker that logs its batches."""
    log = [] if batches is None else batches
    return InpaintWorker(run.uri, "cpu", batch, lambda images, seconds: log.append((images, seconds)))


def inpainted_rows(run: RunFolder) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run.store.table("images").to_pylist()
    return [row for row in rows if row["scenario"] != "original"]


def inpainted_shards(run: RunFolder) -> list[str]:
    return [shard for shard in run.plan.shards() if shard.rpartition("-")[0] in run.plan.inpainted()]


def photo_of(run: RunFolder, image: str) -> Photo:
    """Return the photograph with its committed mask."""
    (source,) = (row for row in run.store.table("source").to_pylist() if row["image_id"] == image)
    (mask,) = (row for row in run.store.table("masks").to_pylist() if row["image_id"] == image)
    pixels = decode(Path(source["uri"].removeprefix("file://")).read_bytes()).image
    return Photo(pixels, decode_mask(mask["mask"]["bytes"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, and one without a mask."""
    folder = tmp_path_factory.mktemp("paint")
    write_folder(folder, per_category=1)
    photo = (folder / "photos/cup/0.jpg").read_bytes()
    write(folder / "photos/cup/unmasked.jpg", photo + b"\0")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path) -> RunFolder:
    """A finished run with all photographs in one shard and lossless images."""
    values = tiny_values(folder, tiny_weights, shard_size=8, filter={"refine": True, "max_growth": 1000})
    run = planned(folder, values)
    made_here(run)
    return run


def test_images_has_one_row_per_planned_image_in_the_order_of_the_plan(run: RunFolder) -> None:
    images = run.store.shard_table(GENERATE, "images", inpainted_shards(run)[0])
    plan = run.plan.shard(inpainted_shards(run)[0]).plan
    assert images.schema.equals(schema.IMAGES)
    for name in ("sample_id", "image_id", "scenario", "variant"):
        assert images.column(name).to_pylist() == plan.column(name).to_pylist()
    assert RowCounts.of(run.store.receipts(GENERATE)).counts == {
        "original": {"ok": 3},  # it needs no mask
        "generated_background": {"ok": 4, "rejected missing_hint": 2},
    }


def test_backgrounds_depend_on_the_planned_prompt_and_seed_alone_and_objects_are_kept(run: RunFolder) -> None:
    inpainter = run.recipe.scenarios["generated_background"].scenario.painter.load("cpu")
    plan = {row["sample_id"]: row for row in run.store.table("plan").to_pylist()}
    good = [row for row in inpainted_rows(run) if row["status"] == "ok"]
    for row in good:
        photo = photo_of(run, row["image_id"])
        request = InpaintRequest(photo, plan[row["sample_id"]]["prompt"], plan[row["sample_id"]]["seed"])
        inpainted = inpainter.finish(request, inpainter.run([inpainter.prepare(request)])[0]).image
        expected = np.where(photo.mask[..., None], photo.image, inpainted)
        assert np.array_equal(decode(row["image"]["bytes"]).image, expected)
        assert np.array_equal(decode_mask(row["mask"]["bytes"]), photo.mask)
    assert len({row["sha256"] for row in good}) == 4
    for row in (row for row in inpainted_rows(run) if row["status"] != "ok"):
        assert (row["image"], row["mask"], row["sha256"], row["provenance"]) == (None, None, None, "{}")


def test_provenance_records_how_an_image_was_made(run: RunFolder, tiny_weights: Path) -> None:
    plan = {row["sample_id"]: row for row in run.store.table("plan").to_pylist()}
    model = str(tiny_weights / "sdxl")
    for row in (row for row in inpainted_rows(run) if row["status"] == "ok"):
        provenance = json.loads(row["provenance"])
        planned = plan[row["sample_id"]]
        assert {name: provenance[name] for name in ("prompt", "place", "seed")} == {
            name: planned[name] for name in ("prompt", "place", "seed")
        }
        assert provenance["settings"] == json.loads(planned["settings"])
        assert provenance["painter"]["pipeline"] == "StableDiffusionXLInpaintPipeline"
        assert (provenance["painter"]["steps"], provenance["painter"]["device"]) == (2, "cpu")
        assert provenance["weights"] == {model: fingerprint(tiny_weights / "sdxl")}
        assert provenance["mask_origin"] == "sam"
        assert provenance["painted"]["canvas"] == [80, 48]
        assert provenance["measures"].keys() == {"contrast", "growth"}


def test_the_receipt_records_models_and_settings(run: RunFolder, tiny_weights: Path) -> None:
    receipt = run.store.receipt(GENERATE, inpainted_shards(run)[0])
    facts = receipt.facts
    assert facts["painter"]["generated_background"]["weights"] == {"model": str(tiny_weights / "sdxl")}
    assert facts["painter"]["filter"]["refiner"]["model"] == str(tiny_weights / "sam")
    assert (facts["batch"], facts["out_of_memory"]) == (1, 0)
    assert 0 < facts["device_seconds"] <= receipt.seconds
    assert facts["environment"]["libraries"]["diffusers"]
    assert receipt.counts == {"generated_background": {"ok": 4, "rejected missing_hint": 2}}
    assert receipt.files.keys() == {"images"}


def test_finished_shards_are_not_made_again(run: RunFolder, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")}
    batches: Batches = []
    shard = inpainted_shards(run)[0]
    receipt = run.store.receipt(GENERATE, shard)
    facts = {"counts": receipt.counts, "bytes": receipt.bytes, "seconds": receipt.seconds}
    assert worker_of(run, batches)(shard) == facts
    assert batches == []
    made_here(run)
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")} == before


def test_the_same_plan_gives_the_same_bytes(run: RunFolder, folder: Path, tiny_weights: Path) -> None:
    again = planned(folder, run.recipe_values, "again")
    made_here(again)
    assert tiny_pools.made_files(again) == tiny_pools.made_files(run)


# with an inpainter of noise, which takes no time


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return pooled_folder(tmp_path, per_category=1)


def test_images_that_the_filter_rejects_are_kept_with_a_reason(desk: Path) -> None:
    run = planned(desk, pooled_values(desk, filter={"min_contrast": 128}, images={"format": "png"}))
    made_here(run)
    rows = inpainted_rows(run)
    assert len(rows) == 4
    for row in rows:
        assert (row["status"], row["reason"].split()[-1]) == ("rejected", "blank_picture")
        assert decode(row["image"]["bytes"]).image.shape == photo_of(run, row["image_id"]).image.shape
        assert 0 < json.loads(row["provenance"])["measures"]["contrast"] < 128
        assert row["mask"] is not None
        assert row["sha256"]
    made = RowCounts.of(run.store.receipts(GENERATE))
    assert made.refused() == {"rejected blank_picture": 4}
    Budget(run, 0).spend(made)  # verdicts of the filter are no bad rows


def test_images_that_pass_the_filter_are_ok(desk: Path) -> None:
    run = planned(desk, pooled_values(desk, filter={"min_contrast": 4}))
    made_here(run)
    assert {row["status"] for row in inpainted_rows(run)} == {"ok"}


def test_photographs_that_changed_or_vanished_after_masking_are_refused(desk: Path) -> None:
    run = planned(desk, {**pooled_values(desk), "shard_size": 1})
    make_masks(run)
    (desk / "photos/ball/0.jpg").unlink()
    changed = desk / "photos/cup/0.jpg"
    changed.write_bytes(changed.read_bytes() + b"\0")
    inpaint = worker_of(run)
    counts = [inpaint(shard)["counts"]["generated_background"] for shard in inpainted_shards(run)]
    assert counts == [{"failed missing_file": 2}, {"rejected source_changed": 2}]


def make_masks(run: RunFolder) -> None:
    """Make only the masks."""
    for batch in run.plan.batches():
        RefineStage(run.uri, "cpu", 1, lambda images, seconds: None)(f"00-{batch}")


def test_scenarios_with_equal_inpainters_load_one(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = pooled_values(desk)
    one = values["scenarios"][1]
    other = {**one, "name": "other", "variants": 1}
    more = {**one, "name": "more", "painter": {**one["painter"], "model": str(desk / "rim.txt")}, "variants": 1}
    run = planned(desk, {**values, "scenarios": [one, other, more]})
    loaded: list[str] = []
    load = tiny_pools.Noise.load

    def log_load(self: tiny_pools.Noise, device: str) -> tiny_pools.Noising:
        loaded.append(self.model)
        return load(self, device)

    monkeypatch.setattr(tiny_pools.Noise, "load", log_load)
    made_here(run)
    assert loaded == [str(desk / "noise.txt"), str(desk / "rim.txt")]
    assert RowCounts.of(run.store.receipts(GENERATE)).by_outcome() == {"ok": 8}
    facts = {row["scenario"]: json.loads(row["provenance"])["painter"] for row in inpainted_rows(run)}
    assert (facts["more"], facts["other"]) == ({"low": 1}, {"low": 7})


def test_batches_combine_scenarios_but_not_shards(desk: Path) -> None:
    values = pooled_values(desk)
    more = {**values["scenarios"][1], "name": "more", "variants": 1}
    values = {**values, "scenarios": [values["scenarios"][1], more], "shard_size": 1}
    made, sizes = [], []
    for batch in (1, 4):
        run = planned(desk, values, f"run{batch}")
        make_masks(run)
        batches: Batches = []
        inpaint = worker_of(run, batches, batch)
        for shard in inpainted_shards(run):
            inpaint(shard)
        sizes.append([images for images, _ in batches])
        made.append(tiny_pools.made_files(run))
    assert sizes == [[0, 1] * 6, [0, 3] * 2]  # 0 when a batch starts
    assert made[0] == made[1]


def test_changed_weights_are_refused_by_name(desk: Path) -> None:
    run = planned(desk, pooled_values(desk))
    make_masks(run)
    (desk / "noise.txt").write_text("8")
    with pytest.raises(ConfigError, match=r"noise\.txt"):
        worker_of(run)(inpainted_shards(run)[0])
    assert run.store.done(GENERATE) == set()


def test_the_plan_refuses_pickled_weights(tmp_path: Path, folder: Path, tiny_weights: Path) -> None:
    model = tmp_path / "weights/sdxl"
    shutil.copytree(tiny_weights / "sdxl", model)
    (model / "unet/diffusion_pytorch_model.safetensors").rename(model / "unet/diffusion_pytorch_model.bin")
    values = tiny_values(folder, tiny_weights)
    scenario = {**values["scenarios"][1], "painter": {"kind": "sdxl", "model": str(model), "steps": 2}}
    with pytest.raises(XrayError) as error:
        planned(folder, {**values, "scenarios": [scenario]}, tmp_path.name)
    assert str(model / "unet") in str(error.value)
    assert not (folder / tmp_path.name / "run.json").exists()


def test_the_plan_refuses_prompts_that_are_too_long(tmp_path: Path, folder: Path, tiny_weights: Path) -> None:
    short = tiny_sdxl(tmp_path / "short", length=20)

    def values(**settings: object) -> Mapping[str, Any]:
        values = tiny_values(folder, tiny_weights)
        painter = {"kind": "sdxl", "model": str(short), "steps": 2, **settings}
        return {**values, "scenarios": [{**values["scenarios"][1], "painter": painter}]}

    with pytest.raises(XrayError, match=r"short'.*\b20\b"):
        planned(folder, values(), tmp_path.name)
    assert not (folder / tmp_path.name / "run.json").exists()
    run = planned(folder, values(truncate_prompts=True), tmp_path.name)
    assert any("too long" in note for note in RunTables(run).notes())
