from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.drawn_photos import WHOLE_DONORS, recipe_values, write_folder
from support.earlier_runs import record_files_as_they_are
from support.planned_runs import planned
from support.saved_models import saved_model

from xray.core.errors import ConfigError, XrayError
from xray.pipeline.evaluate.encoding import LosslessSample, compare, encoding_lines
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.preparation import remove
from xray.pipeline.plan.plan import replan
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.recipe import recipe_from
from xray.runs.tables import RunTables

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


@pytest.fixture(scope="module")
def run(folder: Path, models: dict[str, str], ray_session: None) -> RunFolder:
    run = planned(folder, shard_size=4)
    generate(run)
    evaluate(run, models, actors=2, gpus=0)
    return run


def test_there_is_one_prediction_per_image_and_model(run: RunFolder) -> None:
    predictions = RunTables(run).predictions()
    assert len(predictions) == 30 * 3
    assert not predictions.duplicated(["sample_id", "model"]).any()
    assert set(predictions.scenario) == set(run.recipe_values["scenarios"])
    assert predictions.weights.str.len().eq(64).all()
    assert predictions.groupby("model").weights.nunique().eq(1).all()
    assert predictions.p_true.between(0, 1).all()
    assert (predictions.top1 == predictions.top5.str[0]).all()
    accepted = {"ball": {430}, "cup": {968, 504}}
    correct = [row.top1 in accepted[row.category] for row in predictions.itertuples()]
    assert predictions.correct.tolist() == correct
    assert set(predictions.trained_on) == {"pretrained"}
    for model in MODELS:  # an image is decoded once for all of them
        assert sum(receipt.facts["decoded"] for receipt in run.store.receipts(evaluation(model))) == 30


def test_predictions_name_the_category_of_the_donor(run: RunFolder) -> None:
    predictions, plan = (run.store.table(name).to_pylist() for name in ("predictions", "plan"))
    pool = {row["donor_id"]: row["category"] for row in run.store.table("backgrounds").to_pylist()}
    expected = {row["sample_id"]: pool.get(row["donor_id"]) for row in plan}
    assert {row["sample_id"]: row["donor_category"] for row in predictions} == expected
    assert {"ball", "cup"} <= set(expected.values())


def test_images_of_an_earlier_version_name_no_donor(folder: Path, models: dict[str, str], ray_session: None) -> None:
    """Their tables lack the column; they are read, predicted and verified all the same."""
    run = planned(folder, "earlier", scenarios=["original", WHOLE_DONORS], shard_size=4)
    generate(run)
    for shard in run.plan.shards():
        receipt = run.store.receipt(GENERATE, shard)
        path = folder / "earlier" / Path(*receipt.files["images"]["path"])
        pq.write_table(pq.read_table(path).drop_columns("donor_category"), path)
    record_files_as_they_are(folder / "earlier")
    evaluate(run, models, actors=1, gpus=0)
    predictions = RunTables(run).predictions()
    assert len(predictions) == 12 * 3
    assert predictions.donor_category.isna().all()
    assert verify(run).sound


def test_images_rendered_from_the_plan_give_equal_predictions(
    run: RunFolder, folder: Path, models: dict[str, str]
) -> None:
    direct = planned(folder, "direct", shard_size=4)
    with pytest.raises(ConfigError, match="--from-plan"):
        evaluate(direct, models)
    evaluate(direct, models, from_plan=True, actors=1, gpus=0)
    assert len(direct.store.table("images")) == 0
    keys = ["model", "sample_id"]
    stored = RunTables(run).predictions().sort_values(keys, ignore_index=True)
    assert RunTables(direct).predictions().sort_values(keys, ignore_index=True).equals(stored)


def test_images_without_objects_are_rendered_from_the_plan_once_those_are_removed(
    folder: Path, models: dict[str, str]
) -> None:
    scenarios = ["original", {"kind": "edit"}, "random_background"]
    made, direct = (planned(folder, name, scenarios=scenarios, remover="telea") for name in ("removed", "unmade"))
    generate(made)
    evaluate(made, models, actors=1, gpus=0)
    with pytest.raises(ConfigError, match="xray remove"):
        evaluate(direct, models, from_plan=True)
    assert remove(direct) == ({"ok": 6}, {})
    evaluate(direct, models, from_plan=True, actors=1, gpus=0)
    keys = ["model", "sample_id"]
    one, other = (RunTables(run).predictions().sort_values(keys, ignore_index=True) for run in (made, direct))
    assert one.equals(other)
    assert set(one.donor_category.dropna()) == {"ball", "cup"}


def test_a_model_of_own_classes_is_asked_by_its_labels(folder: Path, tmp_path: Path) -> None:
    import timm
    import torch
    from timm.models import save_for_hf

    torch.manual_seed(0)
    labels = ["widget", "Cup", "hat"]
    network = timm.create_model("test_vit", num_classes=3)
    save_for_hf(network, tmp_path / "net", {"label_names": labels}, safe_serialization=True)
    run = planned(folder, "own", categories={"ball": {"wnids": ["widget"]}, "cup": {}}, scenarios=["original"])
    with pytest.raises(ConfigError, match=r"'lite0'.*'ball', 'cup'"):
        evaluate(run, {"lite0": "lite:efficientnet-lite0"}, from_plan=True)
    evaluate(run, {"own": str(tmp_path / "net")}, from_plan=True, actors=1, gpus=0)
    rows = RunTables(run).predictions()
    assert len(rows) == 6
    assert rows.top5.str.len().eq(3).all()
    outputs = {"ball": 0, "cup": 1}
    assert rows.correct.tolist() == [row.top1 == outputs[row.category] for row in rows.itertuples()]


@pytest.mark.slow
def test_a_new_model_changes_no_earlier_prediction(run: RunFolder, folder: Path, models: dict[str, str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "run/predictions").rglob("*.parquet")}
    more = {**models, "another": saved_model(folder / "models", "test_resnet", seed=1)}
    counts = evaluate(run, more, actors=1, gpus=0)
    assert {name: finished.rows for name, finished in counts.items()} == dict.fromkeys(more, 30)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert RunTables(run).models()["another"]["spec"] == more["another"]


@pytest.mark.slow
def test_changed_weights_under_the_same_name_are_refused(folder: Path, ray_session: None) -> None:
    run = planned(folder, "other", shard_size=4)
    generate(run)
    spec = saved_model(folder / "changing", "test_resnet")
    evaluate(run, {"net": spec}, actors=1, gpus=0)
    (folder / f"other/receipts/evaluate/net/{run.plan.shards()[0]}.json").unlink()
    other = Path(saved_model(folder / "changing", "test_resnet", seed=2).partition("@")[2])
    other.replace(spec.partition("@")[2])
    with pytest.raises(XrayError, match=r"'net'.*weights"):
        evaluate(run, {"net": spec}, actors=1, gpus=0)


def test_another_model_under_the_same_name_is_refused(run: RunFolder, models: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"'test_vit'.*timm:test_vit@.*timm:test_resnet@"):
        evaluate(run, {"test_vit": models["test_resnet"]})


def test_models_that_cannot_be_loaded_are_refused_by_name(run: RunFolder) -> None:
    with pytest.raises(ConfigError, match="--model"):
        evaluate(run, {})
    with pytest.raises(ConfigError, match="'timm'"):
        evaluate(run, {"x": "tim:resnet50"})
    with pytest.raises(XrayError, match="nowhere"):
        evaluate(run, {"x": "timm:test_resnet@/nowhere/weights.safetensors"})


@pytest.mark.slow
def test_a_new_plan_keeps_the_predictions_of_unchanged_images(
    run: RunFolder, folder: Path, models: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    replanned = RunFolder(str(tmp_path / "run"))
    recipe = recipe_from(recipe_values(folder, shard_size=4, scenarios=["original", "image_r", "segmented"]))
    replan(replanned, recipe, survey(recipe))
    assert replanned.store.evaluated() == []
    generate(replanned)
    evaluate(replanned, models, actors=1, gpus=0)
    for model in MODELS:
        receipts = replanned.store.receipts(evaluation(model))
        assert sum(receipt.facts["decoded"] for receipt in receipts) == 6  # of the new scenario
    table = RunTables(replanned).predictions().sort_values(["model", "sample_id"], ignore_index=True)
    before = RunTables(run).predictions().query("scenario in ('original', 'image_r')")
    kept = table[table.scenario != "segmented"].reset_index(drop=True)
    assert kept.equals(before.query("model in @MODELS").sort_values(["model", "sample_id"], ignore_index=True))
    assert table.groupby("model").size().tolist() == [18] * 3
    assert verify(replanned).problems == []


def test_a_sample_shows_what_the_encoding_alone_changes(run: RunFolder) -> None:
    """Each sampled image is rendered again without loss; the models see both."""
    for model in MODELS:
        facts = [receipt.facts.get("encoding") for receipt in run.store.receipts(evaluation(model))]
        counts = [fact for fact in facts if fact]
        assert sum(fact["images"] for fact in counts) == sum(
            row["image"]["path"].endswith(".jpg") for row in run.store.table("images").to_pylist() if row["image"]
        )
        assert all(0 <= fact["verdicts"] <= fact["answers"] <= fact["images"] for fact in counts)
    assert [line.partition(":")[0] for line in encoding_lines(run, MODELS)] == list(MODELS)


def test_answers_on_lossless_images_are_compared_by_sample() -> None:
    rows = [("a", 1, True), ("b", 2, False), ("c", 3, True)]
    encoded = pa.table(dict(zip(("sample_id", "top1", "correct"), zip(*rows, strict=True), strict=True)))
    lossless = pa.table({"sample_id": ["c", "a"], "top1": [4, 1], "correct": [False, True]})
    counts = {"images": 2, "answers": 1, "verdicts": 1}
    assert compare(encoded, lossless, {}) == counts
    assert compare(encoded, lossless, {"unreadable": 2}) == counts | {"not_measured": {"unreadable": 2}}


def test_lossless_runs_and_runs_of_before_say_nothing(folder: Path, models: dict[str, str], ray_session: None) -> None:
    run = planned(folder, "lossless", scenarios=["original"], images={"format": "png"})
    generate(run)
    evaluate(run, {"test_vit": models["test_vit"]}, actors=1, gpus=0)
    assert encoding_lines(run, ["test_vit"]) == []
    assert LosslessSample(run).images(run.plan.shards()[0], run.store.table("images")) is None


def test_a_sample_that_cannot_be_rendered_again_says_so(
    folder: Path, models: dict[str, str], tmp_path: Path, ray_session: None
) -> None:
    """Photographs may be gone when models are evaluated."""
    shutil.copytree(folder / "photos", tmp_path / "photos")
    run = planned(tmp_path, "gone", scenarios=["original", "image_grey"])
    generate(run)
    shutil.rmtree(tmp_path / "photos")
    evaluate(run, {"test_vit": models["test_vit"]}, actors=1, gpus=0)
    assert len(run.store.table("predictions")) == 12
    facts = [receipt.facts["encoding"] for receipt in run.store.receipts(evaluation("test_vit"))]
    assert {fact["images"] for fact in facts} == {0}
    assert sum(sum(fact["not_measured"].values()) for fact in facts) == 12
    (line,) = encoding_lines(run, ["test_vit"])
    assert "not measured" in line
