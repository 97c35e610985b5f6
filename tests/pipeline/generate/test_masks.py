from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.drawn_photos import write, write_folder
from support.tiny_pools import planned, tiny_values
from support.tiny_sam import tiny_sam_checkpoint

from xray.core import schema
from xray.core.errors import XrayError
from xray.core.images import decode
from xray.masks import Hint, Unrefined, decode_mask
from xray.models.weights import fingerprint
from xray.pipeline.generate.masks import MaskUnit, mask_unit
from xray.pipeline.generate.retry import masks_to_remake
from xray.runs.receipts import MASK
from xray.runs.run import Run

Beats = list[tuple[int, float]]


def unit_maker(run: Run, beats: Beats | None = None, batch: int = 1) -> MaskUnit:
    return MaskUnit(
        run.uri, "cpu", batch, lambda items, seconds: None if beats is None else beats.append((items, seconds))
    )


def rows(run: Run) -> dict[str, dict[str, Any]]:
    """Rows of MASKS by the name of the photograph's file."""
    names = {row["image_id"]: Path(row["uri"]).name for row in run.table("source").to_pylist()}
    return {names[row["image_id"]]: row for row in run.table("masks").to_pylist()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photographs: three good ones, one without a mask, one that is none."""
    folder = tmp_path_factory.mktemp("mask")
    write_folder(folder)
    for path in (folder / "photos/cup").iterdir():
        path.unlink()
    photo = (folder / "photos/ball/1.jpg").read_bytes()
    write(folder / "photos/cup/unmasked.jpg", photo + b"\0")
    write(folder / "photos/cup/broken.jpg", b"no photograph")
    return folder


@pytest.fixture(scope="module")
def beats() -> Beats:
    return []


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path, beats: Beats) -> Run:
    """Its masks are made, all in one unit."""
    run = planned(folder, tiny_values(folder, tiny_weights, shard_size=8))
    told = unit_maker(run, beats, batch=2)("00-00000")
    assert told["masks"] == {"ok": 3, "rejected missing_hint": 1, "rejected unknown_format": 1}
    return run


def test_one_row_a_photograph_in_their_order(run: Run) -> None:
    masks = run.table("masks")
    assert masks.schema.equals(schema.MASKS)
    assert masks.column("image_id").to_pylist() == run.table("source").column("image_id").to_pylist()
    assert run.masked() == {"00-00000"} == set(run.units())
    made = run.masks("00-00000")
    assert made is not None
    assert made.equals(masks)


def test_a_mask_is_what_the_refiner_makes_of_the_photograph_and_its_hint(run: Run, folder: Path) -> None:
    sam = run.recipe_object.masks.refine.load("cpu")
    for name in ("0", "1", "2"):
        row = rows(run)[f"{name}.jpg"]
        decoded = decode((folder / f"photos/ball/{name}.jpg").read_bytes())
        hint = Hint(decode_mask((folder / f"masks/ball/{name}.png").read_bytes()))
        item = Unrefined(decoded, hint, seed=0)
        refined = sam.finish(item, sam.run([sam.prepare(item)])[0])
        mask = decode_mask(row["mask"]["bytes"])
        assert mask.shape == decoded.image.shape[:2]
        assert np.array_equal(mask, refined.mask)
        assert (row["origin"], row["status"], row["reason"]) == ("sam", "ok", "")
        for measure in ("predicted_iou", "stability", "agreement"):
            assert row[measure] == pytest.approx(getattr(refined, measure))
        assert row["area"] == pytest.approx(mask.mean())
        assert row["parts"] >= 1
        assert row["holes"] >= 0


def test_what_cannot_be_refined_has_a_reason_and_no_mask(run: Run) -> None:
    for name, reason in (("unmasked.jpg", "missing_hint"), ("broken.jpg", "unknown_format")):
        row = rows(run)[name]
        assert (row["status"], row["reason"], row["mask"], row["origin"]) == ("rejected", reason, None, "")
        assert row["predicted_iou"] is row["area"] is None


def test_the_receipt_tells_what_made_them(run: Run) -> None:
    receipt = run.receipt(MASK, "00-00000")
    assert receipt.counts == {"masks": {"ok": 3, "rejected missing_hint": 1, "rejected unknown_format": 1}}
    facts = receipt.facts
    assert facts["refiner"]["model"] == run.recipe["masks"]["refine"]["model"]
    assert facts["refiner"]["backend"] == "segment_anything"
    assert (facts["batch"], facts["out_of_memory"]) == (2, 0)
    assert 0 < facts["device_seconds"] <= receipt.seconds
    assert facts["environment"]["libraries"]["torch"] in torch.__version__
    assert receipt.files["masks"]["rows"] == 5


def test_beats_tell_of_each_batch_when_it_begins_and_when_it_is_through(run: Run, beats: Beats) -> None:
    assert [items for items, _ in beats] == [0, 2, 0, 2, 0, 1]
    assert all(seconds >= 0 for _, seconds in beats)


def test_going_on_makes_nothing_anew(run: Run, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")}
    again: Beats = []
    assert unit_maker(run, again)("00-00000") == {}
    assert again == []
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.*")} == before


def test_masks_that_no_gate_lets_pass_leave_the_given_ones(folder: Path, tiny_weights: Path) -> None:
    values = tiny_values(folder, tiny_weights, shard_size=8)
    values["masks"] = {**values["masks"], "gates": {"min_agreement": 1.0}}
    run = planned(folder, values, "gates")
    unit_maker(run)("00-00000")
    row = rows(run)["2.jpg"]
    assert (row["status"], row["origin"]) == ("ok", "given")
    assert row["reason"].endswith("given_kept")
    assert (decode_mask(row["mask"]["bytes"]) == decode_mask((folder / "masks/ball/2.png").read_bytes())).all()


def test_what_could_not_be_read_or_has_changed_is_told_and_only_the_former_tried_again(
    tmp_path: Path, tiny_weights: Path
) -> None:
    write_folder(tmp_path, per_category=2)
    run = planned(tmp_path, tiny_values(tmp_path, tiny_weights))
    away = tmp_path / "photos/ball/0.jpg"
    data = away.read_bytes()
    away.unlink()
    changed = tmp_path / "photos/cup/1.jpg"
    changed.write_bytes(changed.read_bytes() + b"\0")
    make = unit_maker(run)
    assert [make(unit)["masks"] for unit in run.units()] == [
        {"failed missing_file": 1, "ok": 1},
        {"ok": 1, "rejected source_changed": 1},
    ]
    assert masks_to_remake(run) == []  # it is still not there
    write(away, data)
    assert masks_to_remake(run) == [run.units()[0]]
    assert [make(unit).get("masks") for unit in run.units()] == [{"ok": 2}, None]
    assert masks_to_remake(run) == []


def test_refiners_without_weights_need_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    values = tiny_values(tmp_path, tmp_path, scenarios=["original"])
    values["masks"] = {"annotations": values["masks"]["annotations"], "refine": "given"}
    run = planned(tmp_path, values)
    monkeypatch.setattr("xray.pipeline.generate.masks.ready", None)
    assert mask_unit(run.uri, run.units()[0])["masks"] == {"ok": 2}
    assert run.receipt(MASK, run.units()[0]).facts["refiner"] == {"kind": "given"}
    assert rows(run)["0.jpg"]["origin"] == "given"


def test_weights_that_changed_since_the_plan_are_refused_by_name(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    model = tiny_sam_checkpoint(tmp_path / "weights/sam.pth")
    run = planned(tmp_path, tiny_values(tmp_path, tmp_path / "weights", scenarios=["original"]))
    before = fingerprint(model)
    assert run.record()["weights"] == {str(model): before}
    tiny_sam_checkpoint(model, seed=1)
    make = unit_maker(run)
    with pytest.raises(XrayError, match="have changed since the plan") as error:
        make(run.units()[0])
    said = str(error.value)
    assert repr(str(model)) in said
    assert before[:12] in said
    assert fingerprint(model)[:12] in said
    assert run.masked() == set()
    tiny_sam_checkpoint(model)
    assert unit_maker(run)(run.units()[0])["masks"] == {"ok": 2}


def test_weights_that_are_not_there_are_refused_before_anything_is_planned(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    with pytest.raises(XrayError, match=r"no weights at '.*nowhere/sam\.pth'"):
        planned(tmp_path, tiny_values(tmp_path, tmp_path / "nowhere", scenarios=["original"]))
    assert not (tmp_path / "run/run.json").exists()


def test_the_same_bytes_in_any_order_of_units(folder: Path, tiny_weights: Path) -> None:
    made = []
    for name, step in (("forwards", 1), ("backwards", -1)):
        run = planned(folder, tiny_values(folder, tiny_weights, shard_size=2), name)
        make = unit_maker(run)
        for unit in run.units()[::step]:
            make(unit)
        made.append([run.receipt(MASK, unit).files["masks"]["sha256"] for unit in run.units()])
    assert len(made[0]) == 3
    assert made[0] == made[1]
