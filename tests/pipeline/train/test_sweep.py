from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.drawn_photos import write, write_folder
from support.planned_runs import planned
from support.training_runs import QUICK, copied, made, plan

import xray
from xray.core.errors import XrayError
from xray.pipeline.plan.plan import replan, write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.score import score
from xray.pipeline.train.sweep import estimate_seconds, select_trials, sweep
from xray.pipeline.verify.verify import verify
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import training
from xray.runs.recipe import recipe_from

pytestmark = pytest.mark.usefixtures("ray_session")
FAILING = "support.failing_models"


def predictions(run: RunFolder) -> pd.DataFrame:
    return read(run, "predictions").sort_values(["model", "trained_on", "fold", "sample_id"]).reset_index(drop=True)


def read(run: RunFolder, table: str) -> pd.DataFrame:
    return run.store.table(table).to_pandas()


def folder_of(run: RunFolder) -> Path:
    return Path(run.uri.removeprefix("file://"))


def receipts(run: RunFolder) -> dict[str, float]:
    folder = folder_of(run) / "receipts" / "train"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.json")}


def tables_of(run: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train on the original; return predictions and the history without times."""
    assert not sweep(run, within=["original"]).failed
    return predictions(run), read(run, "history").drop(columns="seconds")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> RunFolder:
    """A run with images of two scenarios and no training."""
    return made(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> RunFolder:
    """A run with two models trained on two of four scenarios, in three folds."""
    run = made(
        tmp_path_factory.mktemp("swept"),
        scenarios=["original", "blur_background", "segmented", "no_object"],
        training={"models": ["reduced:vit", "reduced:resnet"], "scenarios": ["original", "segmented"]},
    )
    result = sweep(run)
    assert (len(result.trials), result.failed) == (12, {})
    return run


def test_both_halves_are_tested_on_unseen_photographs(swept: RunFolder) -> None:
    table = predictions(swept)
    cells = {(row.trained_on, row.scenario) for row in table.itertuples()}
    assert cells == {
        ("original", "original"), ("original", "blur_background"), ("original", "segmented"),
        ("original", "no_object"), ("segmented", "segmented"),
    }  # fmt: skip
    assert len(table) == 2 * 5 * 12
    assert not table.duplicated(["model", "trained_on", "sample_id"]).any()
    folds = read(swept, "folds")
    fold = folds.set_index("image_id")["fold"]
    assert (table["fold"] == table["image_id"].map(fold)).all()
    assert fold.value_counts().tolist() == [4, 4, 4]
    assert folds.groupby(["category", "fold"]).size().tolist() == [2] * 6


def test_damaged_weights_are_found_and_revoked(swept: RunFolder, tmp_path: Path) -> None:
    assert verify(swept).problems == []
    damaged = RunFolder(str(shutil.copytree(folder_of(swept), tmp_path / "run")))
    name = "trials/vit/original/2/model.safetensors"
    data = bytearray((folder_of(damaged) / name).read_bytes())
    data[-5] ^= 1
    (folder_of(damaged) / name).write_bytes(data)
    report = verify(damaged, repair=True)
    assert [(problem.kind, problem.path) for problem in report.problems] == [("changed", name)]
    assert report.revoked == {training("vit", "original"): 1}
    assert damaged.store.trained()["vit", "original"] == [(0, 0), (1, 0)]


def test_replanning_revokes_trainings_that_saw_a_changed_image_unless_refused(swept: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(str(shutil.copytree(folder_of(swept), tmp_path / "run")))
    scenarios, settings = run.recipe_values["scenarios"], run.recipe_values["training"]
    changed = {**scenarios, "blur_background": {**scenarios["blur_background"], "sigma": 2.5}}
    values = {**run.recipe_values, "scenarios": changed}
    refused, recipe = recipe_from({**values, "training": {**settings, "folds": 2}}), recipe_from(values)
    with pytest.raises(XrayError, match="folds: 3"):
        replan(run, refused, survey(refused))
    assert run.store.trained() == swept.store.trained()
    assert run.plan.record() == swept.plan.record()
    replan(run, recipe, survey(recipe))
    in_each_fold = [(0, 0), (1, 0), (2, 0)]
    assert run.store.trained() == {("resnet", "segmented"): in_each_fold, ("vit", "segmented"): in_each_fold}


def test_recorded_facts(swept: RunFolder) -> None:
    receipt = swept.store.receipt(training("vit", "segmented"), "1")
    facts = receipt.facts
    assert facts["photographs"] == {"train": 6, "validation": 2, "test": 4}
    assert facts["spec"] == "reduced:vit"
    assert facts["settings"]["epochs"] == facts["epochs"] == QUICK["epochs"]
    assert "32×32, stretched" in facts["preprocessing"]
    weights, metadata = Checkpoints(swept.store.trial_folder("vit", "segmented", 1)).finished()
    assert metadata["trial"] == ["vit", "segmented", 1]
    assert metadata["categories"] == ["ball", "cup"]
    assert weights
    predicted = predictions(swept).query("model == 'vit' and trained_on == 'segmented' and fold == 1")
    assert predicted["weights"].tolist() == [facts["weights"]] * 4
    assert receipt.counts == {"segmented": {"ok": 4}}


def test_history_and_logs_of_ray_tune(swept: RunFolder) -> None:
    history = read(swept, "history")
    assert len(history) == 12 * QUICK["epochs"]
    assert set(history["metric"]) == {"top1"}
    assert np.isfinite(history[["train_loss", "validation_loss"]]).all().all()
    assert history["validation_dice"].isna().all()
    trials = [folder for folder in (folder_of(swept) / "tune" / "000").iterdir() if folder.is_dir()]
    assert len(trials) == 12
    for folder in trials:
        assert len(pd.read_csv(folder / "progress.csv")) == QUICK["epochs"]
        assert list(folder.glob("events.out.tfevents.*"))


def test_finished_trials_are_not_trained_again(swept: RunFolder) -> None:
    before = receipts(swept)
    assert len(before) == 12
    result = sweep(swept)
    assert (len(result.trials), result.failed) == (12, {})
    assert receipts(swept) == before
    trials, missing = select_trials(swept)
    assert missing == []
    done = [receipt.seconds for key in swept.store.trained() for receipt in swept.store.receipts(training(*key))]
    assert estimate_seconds(swept, trials) == pytest.approx(sum(done))
    assert estimate_seconds(RunFolder(swept.uri + "-other"), trials) is None


def test_changed_settings_are_refused(swept: RunFolder, tmp_path: Path) -> None:
    settings = swept.recipe_values["training"]
    with pytest.raises(XrayError, match=r"vit trained on original, fold 0.*epochs: 2 then"):
        sweep(copied(swept, tmp_path, **{**settings, "epochs": 3}))
    with pytest.raises(XrayError, match="folds: 3"):
        copied(swept, tmp_path, "folds", **{**settings, "folds": 4})


@pytest.mark.slow
def test_repeats_add_trainings_and_leave_the_first(images: RunFolder, tmp_path: Path) -> None:
    run = copied(images, tmp_path, folds=None, holdout=0.4)
    assert not sweep(run).failed
    first, history, receipts_before = predictions(run), read(run, "history"), receipts(run)
    twice = {**run.recipe_values["training"], "repeats": 2}
    write_plan(run, recipe := recipe_from({**run.recipe_values, "training": twice}), survey(recipe, run))
    trials, missing = select_trials(run)
    assert (len(trials), [trial.repeat for trial in missing]) == (4, [1, 1])
    assert xray.open(run.uri).trials()["status"].tolist() == ["done", "planned"] * 2
    assert not sweep(run).failed
    assert {name: receipts(run)[name] for name in receipts_before} == receipts_before
    assert verify(run).problems == []
    assert run.store.trained() == {("net", name): [(0, 0), (0, 1)] for name in ("blur_background", "original")}
    assert sorted(path.name for path in (folder_of(run) / "trials/net/original").iterdir()) == ["0", "0-1"]
    both = predictions(run)
    pd.testing.assert_frame_equal(both[both["repeat"] == 0].reset_index(drop=True), first)
    again = both[both["repeat"] == 1].reset_index(drop=True)
    assert again["sample_id"].tolist() == first["sample_id"].tolist()
    assert (again["weights"] != first["weights"]).all()
    assert len(read(run, "history")) == 2 * len(history)
    assert set(xray.open(run.uri).trials()["repeat"]) == {0, 1}
    scores = score(run)
    assert set(scores.cross["over"]) == {"photographs and trainings"}
    assert (scores.accuracy["n_effective"] <= scores.accuracy["n"]).all()
    assert (scores.accuracy["n"] == 2 * scores.accuracy["n_images"]).all()


@pytest.mark.slow
def test_streamed_and_cached_images_give_the_same_predictions(images: RunFolder, tmp_path: Path) -> None:
    held, streamed = (
        tables_of(copied(images, tmp_path, feed, feed=feed, folds=None, holdout=0.3, augment="crop"))
        for feed in ("hold", "stream")
    )
    for one, other in zip(held, streamed, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert len(held[0]) == 2 * 4


@pytest.mark.slow
def test_two_workers_train_like_one(images: RunFolder, tmp_path: Path) -> None:
    curves = []
    for workers in (1, 2):
        run = copied(images, tmp_path, f"by{workers}", folds=None, holdout=0.3, epochs=4, batch=6, workers=workers)
        assert not sweep(run, within=["original"]).failed
        curves.append(read(run, "history"))
        assert run.store.receipt(training("net", "original"), "0").facts["workers"] == workers
    for name in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(curves[0][name], curves[1][name], rtol=1e-3)
    assert curves[0]["train_loss"].iloc[-1] < curves[0]["train_loss"].iloc[0]
    np.testing.assert_allclose(curves[0]["train_score"], curves[1]["train_score"])


@pytest.mark.slow
def test_a_diverging_trial_names_step_and_images_and_others_continue(images: RunFolder, tmp_path: Path) -> None:
    models = {"good": f"{FAILING}:Mean:x", "bad": f"{FAILING}:Diverges:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"])
    result = sweep(run)
    assert set(result.failed) == {("bad", "original", fold, 0) for fold in range(3)}
    assert all("epoch 1, step 0" in reason for reason in result.failed.values())
    ids = set(run.store.table("plan", ["sample_id"]).column("sample_id").to_pylist())
    assert all(reason.rpartition("images ")[2].split(", ")[0] in ids for reason in result.failed.values())
    assert set(predictions(run)["model"]) == {"good"}
    assert [trial.model for trial in select_trials(run)[1]] == ["bad"] * 3


@pytest.mark.slow
def test_a_killed_worker_resumes_from_its_checkpoint(images: RunFolder, tmp_path: Path) -> None:
    split = {"folds": None, "holdout": 0.3, "checkpoint_seconds": 0, "epochs": 4}
    (tmp_path / "undisturbed").mkdir()
    (tmp_path / "undisturbed/died").touch()
    (tmp_path / "killed").mkdir()
    undisturbed, killed = (
        tables_of(copied(images, tmp_path, f"run-{name}", models={"net": f"{FAILING}:Dies:{tmp_path / name}"}, **split))
        for name in ("undisturbed", "killed")
    )
    pd.testing.assert_frame_equal(undisturbed[0].drop(columns="weights"), killed[0].drop(columns="weights"))
    pd.testing.assert_frame_equal(undisturbed[1], killed[1])
    by_process = pd.Series((tmp_path / "killed/steps").read_text().split()).value_counts(sort=False).tolist()
    assert by_process == [5, 4]  # two epochs of two steps and the fatal step; then the last two epochs


@pytest.mark.slow
def test_a_trial_whose_worker_always_dies_fails(images: RunFolder, tmp_path: Path) -> None:
    models = {"good": f"{FAILING}:Mean:x", "dead": f"{FAILING}:AlwaysDies:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"], retries=1)
    result = sweep(run, folds=[0])
    assert list(result.failed) == [("dead", "original", 0, 0)]
    assert "its worker died, 2 times" in result.failed["dead", "original", 0, 0]
    assert set(predictions(run)["model"]) == {"good"}


@pytest.mark.slow
def test_a_killed_driver_resumes(swept: RunFolder, tmp_path: Path) -> None:
    run = copied(swept, tmp_path, **swept.recipe_values["training"])
    for trained in ("receipts/train", "predictions", "history", "trials", "tune"):
        shutil.rmtree(folder_of(run) / trained)
    assert run.store.trained() == {}
    chosen = {"models": ["vit"], "within": ["original"]}
    script = (
        "from xray.pipeline.train.sweep import sweep; from xray.runs.folder import RunFolder; "
        f"sweep(RunFolder({run.uri!r}), **{chosen})"
    )
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    driver = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not run.store.trained() and time.monotonic() < deadline and driver.poll() is None:
        time.sleep(0.05)
    assert driver.poll() is None, driver.communicate()[1]
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = receipts(run)
    assert 0 < len(before) < 3
    assert not sweep(run, **chosen).failed
    assert {name: receipts(run)[name] for name in before} == before
    expected = predictions(swept).query("model == 'vit' and trained_on == 'original'").reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions(run), expected)


@pytest.mark.slow
def test_segmenters(images: RunFolder, tmp_path: Path) -> None:
    run = copied(images, tmp_path, models=["reduced:fpn"], folds=None, holdout=0.3)
    assert not sweep(run, within=["blur_background"]).failed
    table = predictions(run)
    assert (table["intersection"] <= table["union"]).all()
    assert (table["correct"] == (table["intersection"] >= 0.5 * table["union"])).all()
    assert table["pixel_accuracy"].between(0, 1).all()
    assert set(read(run, "history")["metric"]) == {"miou"}
    assert read(run, "history")["validation_dice"].notna().all()


@pytest.mark.slow
def test_names_may_be_anything(tmp_path: Path) -> None:
    scenarios = [{"kind": "original", "name": "as taken, 100 %"}, {"kind": "image_r", "name": "röd\n'x'"}]
    models = {"net é: a": f"{FAILING}:Mean:x"}
    run = made(tmp_path, scenarios=scenarios, training={"models": models, "folds": None, "holdout": 0.3})
    assert not sweep(run).failed
    assert set(run.store.trained()) == {("net é: a", "as taken, 100 %"), ("net é: a", "röd\n'x'")}
    assert select_trials(run)[1] == []


def test_untrainable_runs_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(XrayError, match="trains nothing"):
        sweep(planned(tmp_path))
    with pytest.raises(XrayError, match="no images of scenario 'original'"):
        sweep(plan(tmp_path, "other"))
    write_folder(tmp_path / "few", per_category=1)
    with pytest.raises(XrayError, match="'ball', 'cup'"):
        plan(tmp_path / "few")


@pytest.mark.slow
def test_restart_drops_checkpoints(images: RunFolder, tmp_path: Path) -> None:
    run = copied(images, tmp_path, folds=None, holdout=0.3)
    checkpoints = Checkpoints(run.store.trial_folder("net", "original", 0))
    checkpoints.fail("its worker died")
    assert not sweep(run, within=["original"], restart=True).failed
    assert checkpoints.failure() is None


@pytest.mark.slow
def test_a_training_with_a_damaged_checkpoint_starts_again(images: RunFolder, tmp_path: Path) -> None:
    run = copied(images, tmp_path, folds=None, holdout=0.3)
    write(folder_of(run) / "trials/net/original/0/last.safetensors", b"torn")
    assert not sweep(run, within=["original"]).failed
    assert run.store.trained() == {("net", "original"): [(0, 0)]}


@pytest.mark.slow
def test_search(images: RunFolder, tmp_path: Path) -> None:
    search = {"samples": 3, "learning_rate": [1e-5, 1e-1], "weight_decay": [1e-4, 1e-3]}
    run = copied(images, tmp_path, models=["reduced:alexnet"], folds=None, holdout=0.3, epochs=3, search=search)
    assert not sweep(run, within=["original"]).failed
    record = json.loads((folder_of(run) / "trials/alexnet/original/0/search.json").read_text())
    assert len(record["tried"]) == 3
    assert record["best"] == min(record["tried"], key=lambda one: one["validation_loss"])
    assert all(1e-5 <= one["learning_rate"] <= 1e-1 and 1e-4 <= one["weight_decay"] <= 1e-3 for one in record["tried"])
    facts = run.store.receipt(training("alexnet", "original"), "0").facts
    assert facts["learning_rate"] == record["best"]["learning_rate"]
    history = read(run, "history")
    assert history["learning_rate"].iloc[0] == record["best"]["learning_rate"]
    assert history["validation_loss"].min() == pytest.approx(record["best"]["validation_loss"], rel=1e-4)
    assert select_trials(run, within=["original"])[1] == []


@pytest.mark.slow
def test_mlflow(images: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database or server takes more packages
    uri = (tmp_path / "mlruns").as_uri()
    run = copied(images, tmp_path, folds=None, holdout=0.3, mlflow=uri)
    assert not sweep(run, within=["original"]).failed
    client = mlflow.MlflowClient(uri)
    (experiment,) = [one for one in client.search_experiments() if one.name == "xray"]
    (logged,) = client.search_runs([experiment.experiment_id])
    curve = client.get_metric_history(logged.info.run_id, "validation_loss")
    assert [point.value for point in curve] == pytest.approx(read(run, "history")["validation_loss"].tolist())
