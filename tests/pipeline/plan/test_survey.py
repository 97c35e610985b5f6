from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import recipe_values, write_folder

from xray.core import schema
from xray.core.errors import ConfigError
from xray.pipeline.plan import scan
from xray.pipeline.plan.scan import source_table
from xray.pipeline.plan.survey import survey
from xray.runs.recipe import recipe_from


def row(name: str) -> dict[str, Any]:
    return {
        "image_id": name, "category": "cup", "uri": f"file:///{name}.png", "sha256": "", "width": 3, "height": 2,
        "mask_uri": None, "mask_sha256": None, "boxes": [[0, 0, 1, 1]], "points": [], "place": None, "split": "val",
        "licence": "CC0", "status": "ok", "reason": "", "mask_from": None, "removed_from": None, "detail": None,
        "group": None, "perceptual_hash": None, "credit": None,
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_few_rows_at_a_time_make_the_table_of_all(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(scan, "_CHUNK_ROWS", 2)
    ticks: list[int] = []
    rows = [row(f"p{number}") for number in range(count)]
    table = source_table(iter(rows), ticks.append)
    assert table.schema == schema.SOURCE
    assert table.to_pylist() == rows
    assert ticks == list(range(1, count + 1))


def test_every_further_row_of_an_id_has_one_of_its_own() -> None:
    table = scan._with_unique_ids(source_table(map(row, ["a", "b", "a", "a", "c"])))
    assert table.column("image_id").to_pylist() == ["a", "b", "a-again1", "a-again2", "c"]
    assert table.column("uri").to_pylist()[2] == "file:///a.png"
    assert table.schema == schema.SOURCE


def test_a_bank_that_is_the_folder_of_the_source_is_not_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path)
    reads: list[str] = []
    read = scan.read_bytes
    monkeypatch.setattr(scan, "read_bytes", lambda uri, limit: reads.append(uri) or read(uri, limit))
    bank = {"kind": "photos", "root": str(tmp_path / "photos")}
    recipe = recipe_from(recipe_values(tmp_path, scenarios=["original", "random_background"], backgrounds=bank))
    found = survey(recipe)
    photographs = [uri for uri in reads if "/photos/" in uri]
    assert len(photographs) == len(set(photographs)) == len(found.source)
    assert sorted(found.backgrounds.column("uri").to_pylist()) == sorted(photographs)


@pytest.mark.parametrize("model", ["lama", "nowhere.onnx"])
def test_a_remover_without_weights_is_refused_before_photographs_are_read(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(scan, "read_bytes", lambda uri, limit: pytest.fail(f"{uri} was read"))
    values = recipe_values(tmp_path, scenarios=["original", "edit"], remover={"kind": "lama", "model": model})
    with pytest.raises(ConfigError, match=rf"remover: lama.*{model}.*patchmatch or telea"):
        survey(recipe_from(values))


def test_backgrounds_that_are_photographs_of_the_run_are_never_behind_their_own_category(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "places").mkdir()
    shutil.copy(tmp_path / "photos/ball/0.jpg", tmp_path / "places/room.jpg")
    shutil.copy(tmp_path / "photos/cup/0.jpg", tmp_path / "places/hall.jpg")
    bank = {"kind": "photos", "root": str(tmp_path / "places")}
    values = recipe_values(tmp_path, scenarios=["original", "random_background"], backgrounds=bank)
    found = survey(recipe_from(values))
    assert found.backgrounds["category"].to_pylist() == ["cup", "ball"]
    assert sum("2 of 2 backgrounds" in note and "room.jpg" in note for note in found.notes) == 1
