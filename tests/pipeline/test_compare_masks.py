from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.drawn_photos import drawn, recipe_values, write_folder
from support.tiny_pools import made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.pipeline.compare_masks import by_category, compare_masks
from xray.runs.folder import RunFolder
from xray.runs.receipts import evaluation


def made(folder: Path, name: str, root: str = "masks", **masks: Any) -> RunFolder:
    annotations = {"kind": "png", "root": str(folder / root)}
    scenarios = ["original", "segmented"]
    run = planned(folder, recipe_values(folder, masks={"annotations": annotations, **masks}, scenarios=scenarios), name)
    made_here(run)
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs with masks, and other masks of them, moved by 2 pixels; one of these is empty."""
    write_folder(tmp_path)
    for index, category in enumerate(("ball", "cup")):
        for number in range(3):
            mask = np.roll(drawn(100 * index + number)[1], 2, axis=1)
            path = tmp_path / f"moved/{category}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(mask * (path.stem != "2" or category != "cup"), "png"))
    return tmp_path


def test_masks_are_compared_with_those_of_another_run(folder: Path) -> None:
    run, other = made(folder, "run", "moved"), made(folder, "other")
    compared = compare_masks(run, other.uri)
    assert compared.total == len(compared.photographs) == 6
    row = compared.photographs.set_index("photograph").loc["ball/0.jpg"]
    true = drawn(0)[1] > 0
    moved = np.roll(true, 2, axis=1)
    assert row["iou"] == pytest.approx((true & moved).sum() / (true | moved).sum())
    assert row["area"] == row["given_area"] == pytest.approx(true.mean())
    lost = compared.photographs[compared.photographs["iou"].isna()]
    assert lost[["photograph", "reason"]].to_numpy().tolist() == [["cup/2.jpg", "mask_empty"]]
    table = compared.categories.set_index("category")
    assert table.loc["cup", ["photographs", "made"]].tolist() == [3, 2]
    assert table.loc["all", "iou"] == pytest.approx(compared.photographs["iou"].mean())
    assert compared.worst["iou"].is_monotonic_increasing
    assert compared.accuracies.empty
    written = pd.read_csv(folder / "run/mask_comparison.csv")
    assert written["iou"].tolist() == pytest.approx(compared.photographs["iou"].tolist(), nan_ok=True)


def test_masks_of_a_refiner_are_compared_with_the_annotations_it_began_from(folder: Path) -> None:
    run = made(folder, "run", refine="grabcut")
    compared = compare_masks(run, "given")
    kept = compared.photographs["reason"].str.contains("given_kept")
    assert compared.photographs.loc[kept, "iou"].isna().all()  # a given mask agrees with itself
    assert compared.photographs.loc[~kept, "iou"].between(0, 1).all()


def test_accuracies_on_both_are_paired_by_photograph(folder: Path) -> None:
    run, other = made(folder, "run", "moved"), made(folder, "other")
    for one, wrong in ((run, 3), (other, 0)):
        predict(one, wrong)
    table = compare_masks(run, other.uri).accuracies.set_index("scenario")
    assert table.loc["original", ["accuracy", "given_accuracy", "difference"]].tolist() == pytest.approx([0.4, 1, -0.6])
    assert table.loc["original", "n_images"] == 5
    assert table.loc["original", "ci_low"] < -0.6 < table.loc["original", "ci_high"] < 0.2  # three of five, P 0.25


def predict(run: RunFolder, wrong: int) -> None:
    """Commit predictions of five photographs on the originals, the first ones wrong."""
    images = run.store.table("images", ["sample_id", "image_id", "category", "scenario", "variant"]).to_pylist()
    rows = [row for row in images if row["scenario"] == "original"][:5]
    answers = [
        row | {"model": "m", "weights": "ab", "trained_on": "pretrained", "fold": -1, "top1": 0, "top5": [0],
               "p_true": 0.5, "correct": k >= wrong}
        for k, row in enumerate(rows)
    ]  # fmt: skip
    table = pa.Table.from_pylist(answers, schema=schema.PREDICTIONS)
    run.store.commit(evaluation("m"), run.plan.shards()[0], {"predictions": (table, None)}, {}, 0.0)


def test_what_cannot_be_compared_is_refused(folder: Path) -> None:
    run = made(folder, "run")
    with pytest.raises(ConfigError, match="are the given ones"):
        compare_masks(run, "given")
    other_folder = folder / "elsewhere"
    write_folder(other_folder, 1)
    for path in other_folder.glob("photos/*/*.jpg"):
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match="no mask of a photograph"):
        compare_masks(run, made(other_folder, "other").uri)
    with pytest.raises(ConfigError, match="no run at"):
        compare_masks(run, str(folder / "nowhere"))


def test_the_command_prints_what_was_measured(folder: Path) -> None:
    run, other = made(folder, "run", "moved"), made(folder, "other")
    said = CliRunner().invoke(app, ["mask", run.uri, "--against", other.uri], catch_exceptions=False).output
    words = " ".join(said.split())
    assert "worst: " in words
    assert "1 mask_empty" in words
    assert "5 of 6 masks compared" in words


def test_means_of_a_single_mask_have_no_interval() -> None:
    rows = pd.DataFrame({"category": ["a", "b", "b"], "iou": [0.5, 0.2, 0.4], "boundary_f": [0.1, 0.2, np.nan]})
    table = by_category(rows).set_index("category")
    assert table.loc["a", ["iou", "photographs", "made"]].tolist() == [0.5, 1, 1]
    assert np.isnan(table.loc["a", "iou_low"])
    assert table.loc["b", "made"] == 1
    assert table.loc["all", "photographs"] == 3
