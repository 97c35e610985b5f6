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
from support.training_runs import QUICK, copied, made, plan

from xray.core.errors import XrayError
from xray.pipeline.plan.plan import replan
from xray.pipeline.plan.survey import survey
from xray.pipeline.train.sweep import estimate_seconds, select_trials, sweep
from xray.pipeline.verify.verify import verify
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import training
from xray.runs.recipe import recipe_from

pytestmark = pytest.mark.usefixtures("ray_session")


def predictions(run: RunFolder) -> pd.DataFrame:
    return read(run, "predictions").sort_values(["model", "trained_on", "fold", "sample_id"]).reset_index(drop=True)


def read(run: RunFolder, table: str) -> pd.DataFrame:
    return run.store.table(table).to_pandas()


def receipts(run: RunFolder) -> dict[str, float]:
    folder = Path(run.uri.removeprefix("file://")) / "receipts" / "train"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.json")}


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
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    weights = tmp_path / "run/trials/vit/original/2/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    damaged = RunFolder(str(tmp_path / "run"))
    report = verify(damaged, repair=True)
    assert [(problem.kind, problem.path) for problem in report.problems] == [
        ("changed", "trials/vit/original/2/model.safetensors")
    ]
    assert report.revoked == {training("vit", "original"): 1}
    assert damaged.store.trained()["vit", "original"] == [0, 1]


def test_replanning_revokes_trainings_that_saw_a_changed_image(swept: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    run = RunFolder(str(tmp_path / "run"))
    values = {**run.recipe_values, "scenarios": {**run.recipe_values["scenarios"]}}
    values["scenarios"]["blur_background"] = {**values["scenarios"]["blur_background"], "sigma": 2.5}
    recipe = recipe_from(values)
    replan(run, recipe, survey(recipe))
    assert run.store.trained() == {("resnet", "segmented"): [0, 1, 2], ("vit", "segmented"): [0, 1, 2]}


def test_refused_replanning_revokes_nothing(swept: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    run = RunFolder(str(tmp_path / "run"))
    values = {
        **run.recipe_values,
        "scenarios": {**run.recipe_values["scenarios"]},
        "training": {**run.recipe_values["training"], "folds": 2},
    }
    values["scenarios"]["blur_background"] = {**values["scenarios"]["blur_background"], "sigma": 2.5}
    recipe = recipe_from(values)
    with pytest.raises(XrayError, match="folds: 3"):
        replan(run, recipe, survey(recipe))
    assert run.store.trained() == swept.store.trained()
    assert run.plan.record() == swept.plan.record()


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
    assert predictions(swept).query("model == 'vit' and trained_on == 'segmented' and fold == 1")[
        "weights"
    ].unique() == [facts["weights"]]
    assert receipt.counts == {"segmented": {"ok": 4}}


def test_history_and_logs_of_ray_tune(swept: RunFolder) -> None:
    history = read(swept, "history")
    assert len(history) == 12 * QUICK["epochs"]
    assert set(history["metric"]) == {"top1"}
    assert np.isfinite(history[["train_loss", "validation_loss"]]).all().all()
    assert history["validation_dice"].isna().all()
    logs = list((Path(swept.uri.removeprefix("file://")) / "tune" / "000").iterdir())
    trials = [folder for folder in logs if folder.is_dir()]
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
    assert select_trials(swept)[1] == []


def test_time_estimate(swept: RunFolder) -> None:
    trials, _ = select_trials(swept)
    assert estimate_seconds(swept, trials) == pytest.approx(
        sum(r.seconds for k in swept.store.trained() for r in swept.store.receipts(training(*k)))
    )
    assert estimate_seconds(RunFolder(swept.uri + "-other"), trials) is None


def test_changed_settings_are_refused(swept: RunFolder) -> None:
    folder = Path(swept.uri.removeprefix("file://")).parent
    scenarios = ["original", "blur_background", "segmented", "no_object"]
    changed = {"models": ["reduced:vit"], "scenarios": ["original", "segmented"], "epochs": 3}
    try:
        with pytest.raises(XrayError, match=r"vit trained on original, fold 0.*epochs: 2 then"):
            sweep(plan(folder, scenarios=scenarios, training=changed))
        with pytest.raises(XrayError, match="folds: 3"):
            plan(folder, scenarios=scenarios, training={**changed, "epochs": 2, "folds": 4})
    finally:
        again = {"models": ["reduced:vit", "reduced:resnet"], "scenarios": ["original", "segmented"]}
        plan(folder, scenarios=scenarios, training=again)


@pytest.mark.slow
def test_streamed_and_cached_images_give_the_same_predictions(images: RunFolder, tmp_path: Path) -> None:
    tables = []
    for feed in ("hold", "stream"):
        run = copied(images, tmp_path, feed, feed=feed, folds=None, holdout=0.3, augment="crop")
        assert not sweep(run, within=["original"]).failed
        tables.append((predictions(run), read(run, "history").drop(columns="seconds")))
    pd.testing.assert_frame_equal(tables[0][0], tables[1][0])
    pd.testing.assert_frame_equal(tables[0][1], tables[1][1])
    assert len(tables[0][0]) == 2 * 4


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
    models = {"good": "support.failing_models:Mean:x", "bad": "support.failing_models:Diverges:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"])
    result = sweep(run)
    assert set(result.failed) == {("bad", "original", fold) for fold in range(3)}
    assert all("epoch 1, step 0" in reason for reason in result.failed.values())
    ids = set(run.store.table("plan", ["sample_id"]).column("sample_id").to_pylist())
    assert all(reason.rpartition("images ")[2].split(", ")[0] in ids for reason in result.failed.values())
    assert set(predictions(run)["model"]) == {"good"}
    assert [trial.model for trial in select_trials(run)[1]] == ["bad"] * 3


@pytest.mark.slow
def test_a_killed_worker_resumes_from_its_checkpoint(images: RunFolder, tmp_path: Path) -> None:
    tables = []
    for name in ("undisturbed", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "undisturbed":
            (folder / "died").touch()
        models = {"net": f"support.failing_models:Dies:{folder}"}
        split = {"folds": None, "holdout": 0.3, "checkpoint_seconds": 0, "epochs": 4}
        run = copied(images, tmp_path, f"run-{name}", models=models, **split)
        assert not sweep(run, within=["original"]).failed
        tables.append((predictions(run).drop(columns="weights"), read(run, "history").drop(columns="seconds")))
    pd.testing.assert_frame_equal(*(table for table, _ in tables))
    pd.testing.assert_frame_equal(*(history for _, history in tables))
    by_process = pd.Series((tmp_path / "killed/steps").read_text().split()).value_counts(sort=False).tolist()
    assert by_process == [5, 4]  # two epochs of two steps and the fatal step; then the last two epochs


@pytest.mark.slow
def test_a_trial_whose_worker_always_dies_fails(images: RunFolder, tmp_path: Path) -> None:
    models = {"good": "support.failing_models:Mean:x", "dead": "support.failing_models:AlwaysDies:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"], retries=1)
    result = sweep(run, folds=[0])
    assert list(result.failed) == [("dead", "original", 0)]
    assert "its worker died, 2 times" in result.failed["dead", "original", 0]
    assert set(predictions(run)["model"]) == {"good"}


@pytest.mark.slow
def test_a_killed_driver_resumes(swept: RunFolder, tmp_path: Path) -> None:
    run = copied(swept, tmp_path, **swept.recipe_values["training"])
    for trained in ("receipts/train", "predictions", "history", "trials", "tune"):
        shutil.rmtree(tmp_path / "run" / trained)
    assert run.store.trained() == {}
    chosen = {"models": ["vit"], "within": ["original"]}
    script = f"from xray.pipeline.train.sweep import sweep; from xray.runs.folder import RunFolder; sweep(RunFolder({run.uri!r}), **{chosen})"
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
    models = {"net é: a": "support.failing_models:Mean:x"}
    run = made(tmp_path, scenarios=scenarios, training={"models": models, "folds": None, "holdout": 0.3})
    assert not sweep(run).failed
    assert set(run.store.trained()) == {("net é: a", "as taken, 100 %"), ("net é: a", "röd\n'x'")}
    assert select_trials(run)[1] == []


@pytest.mark.parametrize("what", ["nothing", "scenario", "category"])
def test_untrainable_runs_are_refused(tmp_path: Path, what: str) -> None:
    if what == "nothing":
        from support.planned_runs import planned as plan_without

        write_folder(tmp_path)
        with pytest.raises(XrayError, match="trains nothing"):
            sweep(plan_without(tmp_path))
    elif what == "scenario":
        write_folder(tmp_path)
        with pytest.raises(XrayError, match=r"no images of scenario '(original|blur_background)'"):
            sweep(plan(tmp_path))
    else:
        write_folder(tmp_path, per_category=1)
        with pytest.raises(XrayError, match="'ball', 'cup'"):
            plan(tmp_path)


@pytest.mark.slow
def test_restart_drops_checkpoints(images: RunFolder, tmp_path: Path) -> None:
    run = copied(images, tmp_path, folds=None, holdout=0.3)
    checkpoints = Checkpoints(run.store.trial_folder("net", "original", 0))
    write(Path(checkpoints.folder.removeprefix("file://")) / "last.safetensors", b"torn")
    reason = sweep(run, within=["original"]).failed["net", "original", 0]
    assert "is damaged" in reason
    assert checkpoints.failure() == reason
    assert not sweep(run, within=["original"], restart=True).failed
    assert checkpoints.failure() is None


@pytest.mark.slow
def test_search(images: RunFolder, tmp_path: Path) -> None:
    search = {"samples": 3, "learning_rate": [1e-5, 1e-1], "weight_decay": [1e-4, 1e-3]}
    run = copied(images, tmp_path, models=["reduced:alexnet"], folds=None, holdout=0.3, epochs=3, search=search)
    assert not sweep(run, within=["original"]).failed
    folder = Path(run.store.trial_folder("alexnet", "original", 0).removeprefix("file://"))
    record = json.loads((folder / "search.json").read_text())
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
