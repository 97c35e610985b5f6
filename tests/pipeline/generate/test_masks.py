from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.drawn_photos import write, write_folder
from support.tiny_pools import planned, tiny_values
from support.tiny_sam import tiny_sam_folder

from xray.core import schema
from xray.core.errors import ConfigError, XrayError
from xray.core.images import decode
from xray.masks import Hint, RefinerInput, decode_mask
from xray.models.weights import fingerprint
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.retry import masks_to_remake
from xray.pipeline.generate.workers import refine_shards
from xray.runs.folder import RunFolder
from xray.runs.receipts import MASK

Batches = list[tuple[int, float]]


def worker_of(run: RunFolder, batches: Batches | None = None, batch: int = 1) -> MaskWorker:
    """Return a worker that logs its batches."""
    log = [] if batches is None else batches
    return MaskWorker(run.uri, "cpu", batch, lambda images, seconds: log.append((images, seconds)))


def rows(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Return the rows of MASKS by file name of the photograph."""
    names = {row["image_id"]: Path(row["uri"]).name for row in run.store.table("source").to_pylist()}
    return {names[row["image_id"]]: row for row in run.store.table("masks").to_pylist()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photographs: three good ones, one without a mask, one that is no image."""
    folder = tmp_path_factory.mktemp("mask")
    write_folder(folder)
    for path in (folder / "photos/cup").iterdir():
        path.unlink()
    photo = (folder / "photos/ball/1.jpg").read_bytes()
    write(folder / "photos/cup/unmasked.jpg", photo + b"\0")
    write(folder / "photos/cup/broken.jpg", b"no photograph")
    return folder


@pytest.fixture(scope="module")
def batches() -> Batches:
    return []


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path, batches: Batches) -> RunFolder:
    """A run whose masks are made, in one photo batch."""
    run = planned(folder, tiny_values(folder, tiny_weights, shard_size=8))
    assert worker_of(run, batches, batch=2)("00-00000")["masks"] == {
        "ok": 3,
        "rejected missing_hint": 1,
        "rejected unknown_format": 1,
    }
    return run


def test_masks_has_one_row_per_photograph_in_their_order(run: RunFolder) -> None:
    masks = run.store.table("masks")
    assert masks.schema.equals(schema.MASKS)
    assert masks.column("image_id").to_pylist() == run.store.table("source").column("image_id").to_pylist()
    assert run.store.masked() == {"00-00000"} == set(run.plan.batches())
    made = run.store.masks("00-00000")
    assert made is not None
    assert made.equals(masks)


def test_masks_are_made_by_the_refiner_from_photograph_and_hint(run: RunFolder, folder: Path) -> None:
    sam = run.recipe.masks.refine.load("cpu")
    for name in ("0", "1", "2"):
        row = rows(run)[f"{name}.jpg"]
        decoded = decode((folder / f"photos/ball/{name}.jpg").read_bytes())
        hint = Hint(decode_mask((folder / f"masks/ball/{name}.png").read_bytes()))
        item = RefinerInput(decoded, hint, seed=0)
        refined = sam.finish(item, sam.run([sam.prepare(item)])[0])
        mask = decode_mask(row["mask"]["bytes"])
        assert mask.shape == decoded.image.shape[:2]
        assert np.array_equal(mask, refined.mask)
        assert (row["origin"], row["status"], row["reason"]) == ("sam", "ok", "")
        for measure in ("predicted_iou", "stability", "agreement"):
            assert row[measure] == pytest.approx(getattr(refined, measure), rel=1e-4)  # other batch size
        assert row["area"] == pytest.approx(mask.mean())
        assert row["parts"] >= 1
        assert row["holes"] >= 0


def test_rejected_photographs_have_a_reason_and_no_mask(run: RunFolder) -> None:
    for name, reason in (("unmasked.jpg", "missing_hint"), ("broken.jpg", "unknown_format")):
        row = rows(run)[name]
        assert (row["status"], row["reason"], row["mask"], row["origin"]) == ("rejected", reason, None, "")
        assert row["predicted_iou"] is row["area"] is None


def test_the_receipt_records_model_and_settings(run: RunFolder, batches: Batches) -> None:
    receipt = run.store.receipt(MASK, "00-00000")
    assert receipt.counts == {"masks": {"ok": 3, "rejected missing_hint": 1, "rejected unknown_format": 1}}
    facts = receipt.facts
    assert facts["refiner"]["model"] == run.recipe_values["masks"]["refine"]["model"]
    assert facts["refiner"]["backend"] == "transformers"
    assert (facts["batch"], facts["out_of_memory"]) == (2, 0)
    assert 0 < facts["device_seconds"] <= receipt.seconds
    assert facts["environment"]["libraries"]["torch"] in torch.__version__
    assert receipt.files["masks"]["rows"] == 5
    assert [images for images, _ in batches] == [0, 2, 0, 2, 0, 1]  # 0 when a batch starts


def test_finished_photo_batches_are_not_made_again(run: RunFolder, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")}
    again: Batches = []
    assert worker_of(run, again)("00-00000") == {}
    assert again == []
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")} == before


def test_given_masks_replace_those_that_fail_the_gates(folder: Path, tiny_weights: Path) -> None:
    values = tiny_values(folder, tiny_weights, shard_size=8)
    values["masks"] = {**values["masks"], "gates": {"min_agreement": 1.0}}
    run = planned(folder, values, "gates")
    worker_of(run)("00-00000")
    row = rows(run)["2.jpg"]
    assert (row["status"], row["origin"]) == ("ok", "given")
    assert row["reason"].endswith("given_kept")
    assert (decode_mask(row["mask"]["bytes"]) == decode_mask((folder / "masks/ball/2.png").read_bytes())).all()


def test_unreadable_photographs_are_retried_and_changed_ones_are_not(tmp_path: Path, tiny_weights: Path) -> None:
    write_folder(tmp_path, per_category=2)
    run = planned(tmp_path, tiny_values(tmp_path, tiny_weights))
    away = tmp_path / "photos/ball/0.jpg"
    data = away.read_bytes()
    away.unlink()
    changed = tmp_path / "photos/cup/1.jpg"
    changed.write_bytes(changed.read_bytes() + b"\0")
    make = worker_of(run)
    assert [make(batch)["masks"] for batch in run.plan.batches()] == [
        {"failed missing_file": 1, "ok": 1},
        {"ok": 1, "rejected source_changed": 1},
    ]
    assert masks_to_remake(run) == []  # still missing
    write(away, data)
    assert masks_to_remake(run) == [run.plan.batches()[0]]
    assert [make(batch).get("masks") for batch in run.plan.batches()] == [{"ok": 2}, None]
    assert masks_to_remake(run) == []


def test_refiners_without_weights_need_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    values = tiny_values(tmp_path, tmp_path, scenarios=["segmented"])
    values["masks"] = {"annotations": values["masks"]["annotations"], "refine": "given"}
    run = planned(tmp_path, values)
    monkeypatch.setattr("xray.pipeline.generate.masks.load_on", None)
    assert refine_shards(run.uri, run.plan.batches()[0])["masks"] == 2
    assert run.store.receipt(MASK, run.plan.batches()[0]).facts["refiner"] == {"kind": "given"}
    assert rows(run)["0.jpg"]["origin"] == "given"


def test_changed_weights_are_refused_by_name(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    model = tiny_sam_folder(tmp_path / "weights/sam")
    run = planned(tmp_path, tiny_values(tmp_path, tmp_path / "weights", scenarios=["segmented"]))
    before = fingerprint(model)
    assert run.plan.record()["weights"] == {str(model): before}
    tiny_sam_folder(model, seed=1)
    make = worker_of(run)
    with pytest.raises(ConfigError) as error:
        make(run.plan.batches()[0])
    assert all(text in str(error.value) for text in (repr(str(model)), before[:12], fingerprint(model)[:12]))
    assert run.store.masked() == set()
    tiny_sam_folder(model)
    assert worker_of(run)(run.plan.batches()[0])["masks"] == {"ok": 2}


def test_missing_weights_are_refused_before_anything_is_planned(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    with pytest.raises(XrayError, match="nowhere/sam"):
        planned(tmp_path, tiny_values(tmp_path, tmp_path / "nowhere", scenarios=["segmented"]))
    assert not (tmp_path / "run/run.json").exists()
