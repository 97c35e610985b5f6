from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_pools as pooled
from support.drawn_photos import write, write_folder
from support.tiny_models import tiny_sdxl
from support.tiny_pools import made_here, planned, pooled_folder, pooled_values, tiny_values

from xray.backgrounds.inpainting.base import Scene
from xray.core import schema
from xray.core.errors import XrayError
from xray.core.images import decode
from xray.masks import decode_mask
from xray.models.weights import fingerprint
from xray.pipeline.budget import Budget
from xray.pipeline.generate.inpaint import PaintShard
from xray.runs.counts import Progressed
from xray.runs.receipts import GENERATE
from xray.runs.run import Run
from xray.scenarios import Photo

Beats = list[tuple[int, float]]


def painter_of(run: Run, beats: Beats | None = None, batch: int = 1) -> PaintShard:
    return PaintShard(
        run.uri, "cpu", batch, lambda items, seconds: None if beats is None else beats.append((items, seconds))
    )


def painted_rows(run: Run) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run.table("images").to_pylist()
    return [row for row in rows if row["scenario"] != "original"]


def painted_shards(run: Run) -> list[str]:
    return [shard for shard in run.shards() if shard.rpartition("-")[0] in run.painted()]


def photo_of(run: Run, image: str) -> Photo:
    """The photograph and the mask that was made."""
    (source,) = (row for row in run.table("source").to_pylist() if row["image_id"] == image)
    (mask,) = (row for row in run.table("masks").to_pylist() if row["image_id"] == image)
    pixels = decode(Path(source["uri"].removeprefix("file://")).read_bytes()).image
    return Photo(pixels, decode_mask(mask["mask"]["bytes"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, and one that has no mask."""
    folder = tmp_path_factory.mktemp("paint")
    write_folder(folder, per_category=1)
    photo = (folder / "photos/cup/0.jpg").read_bytes()
    write(folder / "photos/cup/unmasked.jpg", photo + b"\0")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path) -> Run:
    """All is made, all photographs in one shard; painted images are stored without loss."""
    values = tiny_values(folder, tiny_weights, shard_size=8, filter={"refine": True, "max_growth": 1000})
    run = planned(folder, values)
    made_here(run)
    return run


def test_one_row_a_planned_picture_in_the_order_of_the_plan(run: Run) -> None:
    images = run.made(GENERATE, "images", painted_shards(run)[0])
    plan = run.shard(painted_shards(run)[0]).plan
    assert images.schema.equals(schema.IMAGES)
    for name in ("sample_id", "image_id", "scenario", "variant"):
        assert images.column(name).to_pylist() == plan.column(name).to_pylist()
    assert Progressed.of(run.receipts(GENERATE)).counts == {
        "original": {"ok": 2, "rejected missing_hint": 1},
        "generated_background": {"ok": 4, "rejected missing_hint": 2},
    }


def test_the_object_is_the_photograph_s_own_in_another_world(run: Run) -> None:
    good = [row for row in painted_rows(run) if row["status"] == "ok"]
    for row in good:
        photo = photo_of(run, row["image_id"])
        picture = decode(row["image"]["bytes"]).image
        assert picture.shape == photo.image.shape
        assert (picture[photo.mask] == photo.image[photo.mask]).all()
        assert (picture[~photo.mask] != photo.image[~photo.mask]).any(axis=1).mean() > 0.9
        assert (decode_mask(row["mask"]["bytes"]) == photo.mask).all()
    assert len({row["sha256"] for row in good}) == 4


def test_a_world_is_what_the_painter_makes_of_the_planned_prompt_and_seed(run: Run) -> None:
    painter = run.recipe_object.scenarios["generated_background"].scenario.painter.load("cpu")
    plan = {row["sample_id"]: row for row in run.table("plan").to_pylist()}
    row = next(row for row in painted_rows(run) if row["status"] == "ok" and row["variant"] == 1)
    photo = photo_of(run, row["image_id"])
    scene = Scene(photo, plan[row["sample_id"]]["prompt"], plan[row["sample_id"]]["seed"])
    world = painter.finish(scene, painter.run([painter.prepare(scene)])[0]).image
    assert np.array_equal(decode(row["image"]["bytes"]).image[~photo.mask], world[~photo.mask])


def test_provenance_tells_how_a_picture_came_about(run: Run, tiny_weights: Path) -> None:
    plan = {row["sample_id"]: row for row in run.table("plan").to_pylist()}
    model = str(tiny_weights / "sdxl")
    for row in (row for row in painted_rows(run) if row["status"] == "ok"):
        told = json.loads(row["provenance"])
        planned = plan[row["sample_id"]]
        assert {name: told[name] for name in ("prompt", "place", "seed")} == {
            name: planned[name] for name in ("prompt", "place", "seed")
        }
        assert told["settings"] == json.loads(planned["settings"])
        assert told["painter"]["pipeline"] == "StableDiffusionXLInpaintPipeline"
        assert (told["painter"]["steps"], told["painter"]["device"]) == (2, "cpu")
        assert told["weights"] == {model: fingerprint(tiny_weights / "sdxl")}
        assert told["mask_origin"] == "sam"
        assert told["painted"]["canvas"] == [80, 48]
        assert told["measures"].keys() == {"contrast", "growth"}


def test_without_a_mask_there_is_nothing_to_paint_around(run: Run) -> None:
    refused = [row for row in painted_rows(run) if row["status"] != "ok"]
    assert len(refused) == 2
    for row in refused:
        assert (row["status"], row["reason"]) == ("rejected", "missing_hint")
        assert (row["image"], row["mask"], row["sha256"], row["provenance"]) == (None, None, None, "{}")


def test_the_receipt_tells_what_made_them(run: Run, tiny_weights: Path) -> None:
    receipt = run.receipt(GENERATE, painted_shards(run)[0])
    facts = receipt.facts
    assert facts["painter"]["generated_background"]["weights"] == {"model": str(tiny_weights / "sdxl")}
    assert facts["painter"]["filter"]["refiner"]["model"] == str(tiny_weights / "sam.pth")
    assert (facts["batch"], facts["out_of_memory"]) == (1, 0)
    assert 0 < facts["device_seconds"] <= receipt.seconds
    assert facts["environment"]["libraries"]["diffusers"]
    assert receipt.counts == {"generated_background": {"ok": 4, "rejected missing_hint": 2}}
    assert receipt.files.keys() == {"images"}


def test_going_on_makes_nothing_anew(run: Run, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")}
    beats: Beats = []
    shard = painted_shards(run)[0]
    assert painter_of(run, beats)(shard) == run.receipt(GENERATE, shard)
    assert beats == []
    made_here(run)
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")} == before


def test_the_same_plan_gives_the_same_bytes(run: Run, folder: Path, tiny_weights: Path) -> None:
    again = planned(folder, run.recipe, "again")
    made_here(again)
    assert pooled.made_files(again) == pooled.made_files(run)


# with a painter of noise, which takes no time


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    return pooled_folder(tmp_path, per_category=1)


def with_filter(folder: Path, **settings: object) -> dict[str, Any]:
    return pooled_values(folder, filter=settings, images={"format": "png"})


def test_what_the_filter_refuses_keeps_its_image_and_says_why(desk: Path) -> None:
    run = planned(desk, with_filter(desk, min_contrast=128))
    made_here(run)
    rows = painted_rows(run)
    assert len(rows) == 4
    for row in rows:
        assert (row["status"], row["reason"].split()[-1]) == ("rejected", "blank_picture")
        assert decode(row["image"]["bytes"]).image.shape == photo_of(run, row["image_id"]).image.shape
        assert 0 < json.loads(row["provenance"])["measures"]["contrast"] < 128
        assert row["mask"] is not None
        assert row["sha256"]
    made = Progressed.of(run.receipts(GENERATE))
    assert made.by_reason() == {"rejected blank_picture": 4}
    Budget(run, 0).spend(made)  # they are expected, and no bad rows


def test_pictures_of_the_filter_s_liking_are_ok(desk: Path) -> None:
    run = planned(desk, with_filter(desk, min_contrast=4))
    made_here(run)
    assert {row["status"] for row in painted_rows(run)} == {"ok"}


def test_a_photograph_that_changed_or_went_after_its_mask_was_made(desk: Path) -> None:
    run = planned(desk, {**pooled_values(desk), "shard_size": 1})
    made_here_but_painting(run)
    (desk / "photos/ball/0.jpg").unlink()
    changed = desk / "photos/cup/0.jpg"
    changed.write_bytes(changed.read_bytes() + b"\0")
    paint = painter_of(run)
    counts = [paint(shard).counts["generated_background"] for shard in painted_shards(run)]
    assert counts == [{"failed missing_file": 2}, {"rejected source_changed": 2}]


def made_here_but_painting(run: Run) -> None:
    """All that comes before: the masks."""
    from xray.pipeline.generate.stages import RefineStage

    for unit in run.units():
        RefineStage(run.uri, "cpu", 1, lambda items, seconds: None)(f"00-{unit}")


def test_scenarios_with_the_same_painter_share_it(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = pooled_values(desk)
    one = values["scenarios"][1]
    other = {**one, "name": "other", "variants": 1}
    more = {**one, "name": "more", "painter": {**one["painter"], "model": str(desk / "rim.txt")}, "variants": 1}
    run = planned(desk, {**values, "scenarios": [one, other, more]})
    loaded: list[str] = []
    load = pooled.Noise.load
    monkeypatch.setattr(pooled.Noise, "load", lambda self, device: loaded.append(self.model) or load(self, device))
    made_here(run)
    assert loaded == [str(desk / "noise.txt"), str(desk / "rim.txt")]
    assert Progressed.of(run.receipts(GENERATE)).counts == {
        "generated_background": {"ok": 4},
        "other": {"ok": 2},
        "more": {"ok": 2},
    }
    told = {row["scenario"]: json.loads(row["provenance"]) for row in painted_rows(run)}
    assert told["more"]["painter"] == {"low": 1}
    assert told["other"]["painter"] == {"low": 7}


def test_batches_cross_scenarios_and_no_shards(desk: Path) -> None:
    values = pooled_values(desk)
    more = {**values["scenarios"][1], "name": "more", "variants": 1}
    values = {**values, "scenarios": [values["scenarios"][1], more], "shard_size": 1}
    made, told = [], []
    for batch in (1, 4):
        run = planned(desk, values, f"run{batch}")
        made_here_but_painting(run)
        beats: Beats = []
        paint = painter_of(run, beats, batch)
        for shard in painted_shards(run):
            paint(shard)
        told.append([items for items, _ in beats])
        made.append(pooled.made_files(run))
    assert told == [[0, 1] * 6, [0, 3] * 2]  # begun, finished
    assert made[0] == made[1]


def test_weights_that_changed_since_the_plan_are_refused_by_name(desk: Path) -> None:
    run = planned(desk, pooled_values(desk))
    made_here_but_painting(run)
    (desk / "noise.txt").write_text("8")
    paint = painter_of(run)
    with pytest.raises(XrayError, match=r"the weights '.*noise\.txt' have changed since the plan"):
        paint(painted_shards(run)[0])
    assert run.done(GENERATE) == set()


def test_a_changed_file_of_a_folder_of_weights_is_noticed(tmp_path: Path, folder: Path, tiny_weights: Path) -> None:
    model = tmp_path / "weights/sdxl"
    _copy(tiny_weights / "sdxl", model)
    values = tiny_values(folder, tiny_weights)
    scenario = {**values["scenarios"][1], "painter": {"kind": "sdxl", "model": str(model), "steps": 2}}
    run = planned(folder, {**values, "scenarios": [scenario]}, tmp_path.name)
    assert run.record()["weights"][str(model)] == fingerprint(model)
    config = model / "scheduler/scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    with pytest.raises(XrayError, match="have changed since the plan") as error:
        painter_of(run).model()
    assert repr(str(model)) in str(error.value)


def test_pickled_weights_are_refused_in_the_plan_and_never_opened(
    tmp_path: Path, folder: Path, tiny_weights: Path
) -> None:
    model, proof = tmp_path / "weights/sdxl", tmp_path / "opened"
    _copy(tiny_weights / "sdxl", model)
    (model / "unet/diffusion_pytorch_model.safetensors").unlink()
    (model / "unet/diffusion_pytorch_model.bin").write_bytes(_pickle_that_makes(proof))
    values = tiny_values(folder, tiny_weights)
    scenario = {**values["scenarios"][1], "painter": {"kind": "sdxl", "model": str(model), "steps": 2}}
    with pytest.raises(XrayError) as error:
        planned(folder, {**values, "scenarios": [scenario]}, tmp_path.name)
    assert str(model / "unet") in str(error.value)
    assert not proof.exists()
    assert not (folder / tmp_path.name / "run.json").exists()


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target)


def _pickle_that_makes(path: Path) -> bytes:
    import pickle

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(path),))

    return pickle.dumps(Payload())


def test_a_prompt_that_is_too_long_is_refused_in_the_plan(tmp_path: Path, folder: Path, tiny_weights: Path) -> None:
    short = tiny_sdxl(tmp_path / "short", length=20)

    def values(**settings: object) -> Mapping[str, Any]:
        values = tiny_values(folder, tiny_weights)
        painter = {"kind": "sdxl", "model": str(short), "steps": 2, **settings}
        return {**values, "scenarios": [{**values["scenarios"][1], "painter": painter}]}

    with pytest.raises(XrayError, match=r"tokens, and '.*short' takes 20"):
        planned(folder, values(), tmp_path.name)
    assert not (folder / tmp_path.name / "run.json").exists()
    run = planned(folder, values(truncate_prompts=True), tmp_path.name)
    assert any("is too long" in note for note in run.notes())
