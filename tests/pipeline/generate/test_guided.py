"""Guided and painted edits through a run's stages, with tiny models: objects placed, measures recorded, replans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn_photos import write_folder
from support.saved_models import saved_model
from support.tiny_pools import made_here, planned, tiny_values

from xray.core.images import decode
from xray.masks import decode_mask
from xray.pipeline.plan.plan import compare_plans
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.roles import untested_scenarios

# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def guided_values(folder: Path, weights: Path, strength: float = 0.2) -> dict[str, Any]:
    def painted(**guide: Any) -> dict[str, Any]:
        painter = {"kind": "sdxl", "model": str(weights / "sdxl"), "steps": 2, "dilate": 2}
        return {"kind": "painted", "painter": painter | ({"guide": guide} if guide else {})}

    surrogate = saved_model(folder / "surrogate", "test_resnet")
    adversarial = painted(kind="adversarial", strength=0.2, surrogate=surrogate)["painter"]
    scenarios = {
        "original": {"kind": "original"},
        "plain": {"kind": "edit", "size": 0.05, "world": painted()},
        "complex": {"kind": "edit", "size": 0.05, "world": painted(kind="complexity", strength=strength)},
        "misled": {"kind": "generated_background", "painter": adversarial},
    }
    masks = {"annotations": {"kind": "png", "root": str(folder / "masks")}}
    return tiny_values(folder, weights, scenarios=scenarios, masks=masks, remover="telea", models=[surrogate])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided")
    write_folder(folder, per_category=1)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path) -> RunFolder:
    run = planned(folder, guided_values(folder, tiny_weights))
    made_here(run)
    return run


def rows_of(run: RunFolder, scenario: str) -> list[dict[str, Any]]:
    rows = [row for row in run.store.table("images").to_pylist() if row["scenario"] == scenario]
    assert rows
    assert {row["status"] for row in rows} == {"ok"}
    return rows


def test_objects_are_painted_around_where_they_are_placed(run: RunFolder) -> None:
    sources = {row["image_id"]: row["uri"].removeprefix("file://") for row in run.store.table("source").to_pylist()}
    masks = {row["image_id"]: row["mask"]["bytes"] for row in run.store.table("masks").to_pylist()}
    for row in rows_of(run, "complex"):
        scenario = run.recipe.scenarios["complex"].scenario
        mask = decode_mask(row["mask"]["bytes"])
        assert mask.mean() == pytest.approx(0.05, abs=0.01)
        image, photo = decode(row["image"]["bytes"]).image, decode(Path(sources[row["image_id"]]).read_bytes()).image
        assert not np.array_equal(mask, decode_mask(masks[row["image_id"]]))
        assert np.abs(image[~mask].astype(int) - photo[~mask]).mean() > 5
        drawn = json.loads(row["provenance"])["drawn"]
        assert drawn["rate"] == pytest.approx(mask.mean(), abs=1e-6)
        assert scenario.inpaints


def test_guide_and_measures_are_recorded(run: RunFolder) -> None:
    plain = {row["image_id"]: json.loads(row["provenance"]) for row in rows_of(run, "plain")}
    for row in rows_of(run, "complex"):
        provenance = json.loads(row["provenance"])
        assert provenance["painter"]["guide"].items() >= {"kind": "complexity", "strength": 0.2}.items()
        assert provenance["painted"]["complexity"].keys() == {"image", "background"}
        assert "guide" not in plain[row["image_id"]]["painter"]
        assert "complexity" not in plain[row["image_id"]]["painted"]
    for row in rows_of(run, "misled"):
        provenance = json.loads(row["provenance"])
        assert len(provenance["painter"]["guide"]["surrogate_weights"]) == 64
        assert {key for key in provenance["weights"] if key.endswith(".safetensors")}
        assert 0 < provenance["painted"]["p_true"]["after"] < 1


def test_receipts_of_painted_edits_name_the_remover_whose_backgrounds_they_show(run: RunFolder) -> None:
    receipts = run.store.receipts(GENERATE)
    removers = {run.plan.inpaints(ShardId(receipt.shard).part): receipt.facts.get("remover") for receipt in receipts}
    assert removers == {False: None, True: "telea"}


def test_adversarial_images_are_not_scored_and_the_plan_names_the_white_box(run: RunFolder) -> None:
    assert untested_scenarios(run.recipe_values) == ["misled"]
    (note,) = [note for note in run.plan.record()["remarks"] if "white-box" in note]
    assert "test_resnet" in note


def test_replan_makes_only_images_of_another_strength(run: RunFolder, folder: Path, tiny_weights: Path) -> None:
    recipe = recipe_from(guided_values(folder, tiny_weights, strength=0.1))
    diff = compare_plans(run, recipe, survey(recipe))
    assert set(diff.missing) == {"complex"}
    assert set(diff.reused) == {"original", "plain", "misled"}
