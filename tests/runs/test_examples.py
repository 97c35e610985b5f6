from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.tiny_pools import made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.pipeline.budget import Budget
from xray.runs.counts import RowCounts
from xray.runs.examples import Example, examples, most_frequent
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

SIZES = "mask 50×30, image 96×72"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of six photographs: two with masks of another size, one without a mask."""
    write_folder(tmp_path)
    for number in (1, 2):
        write(tmp_path / f"masks/ball/{number}.png", encode(drawn(1, 30, 50)[1], "png"))
    (tmp_path / "masks/cup/0.png").unlink()
    run = planned(tmp_path, recipe_values(tmp_path, scenarios=["original", "segmented"]))
    made_here(run)
    return run


def test_each_reason_has_one_photograph_and_what_was_seen(run: RunFolder) -> None:
    found = examples(run, GENERATE, run.store.receipts(GENERATE))
    assert found["rejected mask_wrong_size"] == Example("ball/1.jpg", SIZES)
    assert found["rejected missing_mask"].photograph == "cup/0.jpg"
    assert "masks" in found["rejected missing_mask"].detail
    assert len(found) == 2


def test_details_are_stored_with_masks_and_images(run: RunFolder) -> None:
    for name in ("masks", "images"):
        rows = run.store.table(name, ["reason", "detail"]).to_pylist()
        assert {row["detail"] for row in rows if row["reason"] == "mask_wrong_size"} == {SIZES}
        assert {row["detail"] for row in rows if not row["reason"]} == {None}


def test_details_of_photographs_are_stored_in_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write(tmp_path / "photos/cup/2.jpg", b"no photograph")
    source = planned(tmp_path, recipe_values(tmp_path)).store.table("source").to_pylist()
    assert [row["status"] for row in source if row["detail"]] == ["rejected"]


def test_a_run_out_of_budget_names_examples(run: RunFolder) -> None:
    with pytest.raises(ConfigError, match=rf"2 mask_wrong_size, for example ball/1\.jpg: {SIZES}; 1 missing_mask"):
        Budget(run, 0.0).spend(RowCounts.of(run.store.receipts(GENERATE)))


def test_status_names_examples(run: RunFolder) -> None:
    said = " ".join(CliRunner().invoke(app, ["status", run.uri], catch_exceptions=False).output.split())
    assert "ball/1.jpg" in said


def test_only_the_most_frequent_are_listed() -> None:
    outcomes = {f"rejected reason{n}": n for n in range(1, 6)}
    assert most_frequent(outcomes, {}, limit=2) == "5 reason5; 4 reason4"
