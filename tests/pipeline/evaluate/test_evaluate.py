from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.saved_models import saved_model

from xray.core.errors import XrayError
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import survey, write_plan, write_plan_anew
from xray.pipeline.verify.verify import verify
from xray.runs.receipts import evaluation
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

pytestmark = pytest.mark.usefixtures("ray_session")
MODELS = ("test_resnet", "test_vit", "test_efficientnet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    write_folder(folder)
    return folder


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, str]:
    return {name: saved_model(folder / "models", name) for name in MODELS}


def planned(folder: Path, name: str) -> Run:
    recipe = recipe_from(recipe_values(folder, shard_size=4))
    run = Run(str(folder / name))
    write_plan(run, recipe, survey(recipe))
    return run


@pytest.fixture(scope="module")
def run(folder: Path, models: dict[str, str], ray_session: None) -> Run:
    run = planned(folder, "run")
    generate(run)
    evaluate(run, models, actors=2)
    return run


def test_one_prediction_an_image_and_model(run: Run) -> None:
    predictions = run.predictions()
    assert len(predictions) == 30 * 3
    assert not predictions.duplicated(["sample_id", "model"]).any()
    assert set(predictions.scenario) == set(run.recipe["scenarios"])
    assert predictions.weights.str.len().eq(64).all()
    assert predictions.groupby("model").weights.nunique().eq(1).all()
    assert predictions.p_true.between(0, 1).all()
    assert (predictions.top1 == predictions.top5.str[0]).all()
    accepted = {"ball": {430}, "cup": {968, 504}}
    right = [row.top1 in accepted[row.category] for row in predictions.itertuples()]
    assert predictions.correct.tolist() == right
    assert set(predictions.trained_on) == {"pretrained"}


def test_several_models_cost_one_decode_an_image(run: Run) -> None:
    for model in MODELS:
        receipts = run.receipts(evaluation(model))
        assert sum(receipt.facts["decoded"] for receipt in receipts) == 30


def test_straight_from_the_plan_gives_equal_predictions(run: Run, folder: Path, models: dict[str, str]) -> None:
    direct = planned(folder, "direct")
    with pytest.raises(XrayError, match="has no images yet"):
        evaluate(direct, models)
    evaluate(direct, models, from_plan=True, actors=1)
    assert len(direct.table("images")) == 0
    keys = ["model", "sample_id"]
    stored = run.predictions().sort_values(keys, ignore_index=True)
    assert direct.predictions().sort_values(keys, ignore_index=True).equals(stored)


def test_a_new_model_leaves_the_others_alone(run: Run, folder: Path, models: dict[str, str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run/predictions").rglob("*.parquet")}
    more = {**models, "another": saved_model(folder / "models", "test_resnet", seed=1)}
    told = evaluate(run, more, actors=1)
    assert {name: finished.rows for name, finished in told.items()} == dict.fromkeys(more, 30)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert run.models()["another"]["spec"] == more["another"]


def test_other_weights_in_the_same_file_are_refused(folder: Path, ray_session: None) -> None:
    run = planned(folder, "other")
    generate(run)
    spec = saved_model(folder / "changing", "test_resnet")
    evaluate(run, {"net": spec}, actors=1)
    (folder / f"other/receipts/evaluate/net/{run.shards()[0]}.json").unlink()
    other = Path(saved_model(folder / "changing", "test_resnet", seed=2).partition("@")[2])
    other.replace(spec.partition("@")[2])
    with pytest.raises(XrayError, match="model 'net' has other weights"):
        evaluate(run, {"net": spec}, actors=1)


def test_another_model_under_the_same_name_is_refused(run: Run, models: dict[str, str]) -> None:
    with pytest.raises(XrayError, match=r"model 'test_vit' was evaluated as .*; give it another name"):
        evaluate(run, {"test_vit": models["test_resnet"]})


def test_what_cannot_be_loaded_is_named(run: Run) -> None:
    with pytest.raises(XrayError, match="no model is named"):
        evaluate(run, {})
    with pytest.raises(XrayError, match="did you mean 'timm'"):
        evaluate(run, {"x": "tim:resnet50"})
    with pytest.raises(XrayError, match="nowhere"):
        evaluate(run, {"x": "timm:test_resnet@/nowhere/weights.safetensors"})


def test_what_models_said_of_images_that_stay_is_carried_over(
    run: Run, folder: Path, models: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    replanned = Run(str(tmp_path / "run"))
    recipe = recipe_from(recipe_values(folder, shard_size=4, scenarios=["original", "image_r", "segmented"]))
    write_plan_anew(replanned, recipe, survey(recipe))
    assert replanned.evaluated() == []
    generate(replanned)
    evaluate(replanned, models, actors=1)
    for model in MODELS:
        receipts = replanned.receipts(evaluation(model))
        assert sum(receipt.facts["decoded"] for receipt in receipts) == 6  # of the new scenario
    table = replanned.predictions().sort_values(["model", "sample_id"], ignore_index=True)
    before = run.predictions().query("scenario in ('original', 'image_r')")
    kept = table[table.scenario != "segmented"].reset_index(drop=True)
    assert kept.equals(before.query("model in @MODELS").sort_values(["model", "sample_id"], ignore_index=True))
    assert table.groupby("model").size().tolist() == [18] * 3
    assert verify(replanned).problems == []
