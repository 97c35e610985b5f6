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
from support.drawn_photos import write_folder
from support.training_runs import QUICK, copied, made, plan

from xray.core.errors import XrayError
from xray.pipeline.plan.plan import survey, write_plan_anew
from xray.pipeline.train.sweep import expected_seconds, planned, sweep
from xray.pipeline.verify.verify import repair, verify
from xray.runs.checkpoints import Checkpoints
from xray.runs.receipts import training
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

pytestmark = pytest.mark.usefixtures("ray_session")


def predictions(run: Run) -> pd.DataFrame:
    return run.predictions().sort_values(["model", "trained_on", "fold", "sample_id"]).reset_index(drop=True)


def receipts(run: Run) -> dict[str, float]:
    folder = Path(run.uri.removeprefix("file://")) / "receipts" / "train"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.json")}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Run:
    """A run with images of two scenarios, in which nothing was trained."""
    return made(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Run:
    """Two models within two of three scenarios, in three folds."""
    run = made(
        tmp_path_factory.mktemp("swept"),
        scenarios=["original", "blur_background", "segmented", "no_object"],
        training={"models": ["reduced:vit", "reduced:resnet"], "scenarios": ["original", "segmented"]},
    )
    told = sweep(run)
    assert (len(told.trials), told.failed) == (12, {})
    return run


def test_both_halves_are_tested_on_photographs_that_were_never_seen(swept: Run) -> None:
    table = predictions(swept)
    cells = {(row.trained_on, row.scenario) for row in table.itertuples()}
    assert cells == {
        ("original", "original"), ("original", "blur_background"), ("original", "segmented"),
        ("original", "no_object"), ("segmented", "segmented"),
    }  # fmt: skip
    assert len(table) == 2 * 5 * 12
    assert not table.duplicated(["model", "trained_on", "sample_id"]).any()
    fold = swept.folds().set_index("image_id")["fold"]
    assert (table["fold"] == table["image_id"].map(fold)).all()
    assert fold.value_counts().tolist() == [4, 4, 4]
    assert swept.folds().groupby(["category", "fold"]).size().tolist() == [2] * 6


def test_a_sweep_is_sound_until_its_weights_rot(swept: Run, tmp_path: Path) -> None:
    assert verify(swept).problems == []
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    weights = tmp_path / "run/trials/vit/original/2/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    rotten = Run(str(tmp_path / "run"))
    found = verify(rotten)
    assert [(one.kind, one.place) for one in found.problems] == [("changed", "trials/vit/original/2/model.safetensors")]
    assert repair(rotten, found) == {training("vit", "original"): 1}
    assert rotten.trained()["vit", "original"] == [0, 1]


def test_planning_anew_takes_back_the_trainings_that_saw_a_change(swept: Run, tmp_path: Path) -> None:
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    run = Run(str(tmp_path / "run"))
    values = {**run.recipe, "scenarios": {**run.recipe["scenarios"]}}
    values["scenarios"]["blur_background"] = {**values["scenarios"]["blur_background"], "sigma": 2.5}
    recipe = recipe_from(values)
    carrying = write_plan_anew(run, recipe, survey(recipe))
    assert carrying.changes == {"blur_background"}
    assert run.trained() == {("resnet", "segmented"): [0, 1, 2], ("vit", "segmented"): [0, 1, 2]}


def test_planning_anew_that_is_refused_takes_nothing_back(swept: Run, tmp_path: Path) -> None:
    shutil.copytree(swept.uri.removeprefix("file://"), tmp_path / "run")
    run = Run(str(tmp_path / "run"))
    values = {
        **run.recipe,
        "scenarios": {**run.recipe["scenarios"]},
        "training": {**run.recipe["training"], "folds": 2},
    }
    values["scenarios"]["blur_background"] = {**values["scenarios"]["blur_background"], "sigma": 2.5}
    recipe = recipe_from(values)
    with pytest.raises(XrayError, match="models were trained with `folds: 3"):
        write_plan_anew(run, recipe, survey(recipe))
    assert run.trained() == swept.trained()
    assert run.record() == swept.record()


def test_what_is_recorded_of_a_training(swept: Run) -> None:
    receipt = swept.receipt(training("vit", "segmented"), "1")
    facts = receipt.facts
    assert facts["photographs"] == {"train": 6, "validation": 2, "test": 4}
    assert facts["spec"] == "reduced:vit"
    assert facts["settings"]["epochs"] == facts["epochs"] == QUICK["epochs"]
    assert "32×32, stretched" in facts["preprocessing"]
    weights, told = Checkpoints(swept.trial_folder("vit", "segmented", 1)).finished()
    assert told["trial"] == ["vit", "segmented", 1]
    assert told["categories"] == ["ball", "cup"]
    assert weights
    assert predictions(swept).query("model == 'vit' and trained_on == 'segmented' and fold == 1")[
        "weights"
    ].unique() == [facts["weights"]]
    assert receipt.counts == {"segmented": {"ok": 4}}


def test_curves_are_kept_by_epoch(swept: Run) -> None:
    history = swept.history()
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


def test_what_is_done_is_not_trained_again(swept: Run) -> None:
    before = receipts(swept)
    assert len(before) == 12
    told = sweep(swept)
    assert (len(told.trials), told.failed) == (12, {})
    assert receipts(swept) == before
    assert planned(swept)[1] == []


def test_what_a_sweep_takes_is_told_by_what_is_done(swept: Run) -> None:
    wanted, _ = planned(swept)
    told = expected_seconds(swept, wanted)
    assert told is not None
    assert told == pytest.approx(sum(r.seconds for k in swept.trained() for r in swept.receipts(training(*k))))
    assert expected_seconds(Run(swept.uri + "-other"), wanted) is None


def test_other_settings_need_another_name(swept: Run) -> None:
    folder = Path(swept.uri.removeprefix("file://")).parent
    scenarios = ["original", "blur_background", "segmented", "no_object"]
    changed = {"models": ["reduced:vit"], "scenarios": ["original", "segmented"], "epochs": 3}
    try:
        with pytest.raises(
            XrayError, match=r"vit trained on original, fold 0 was done with other settings \(epochs: 2 then"
        ):
            sweep(plan(folder, scenarios=scenarios, training=changed))
        with pytest.raises(
            XrayError, match=r"models were trained with `folds: 3, holdout: None`, the recipe says 4, None"
        ):
            plan(folder, scenarios=scenarios, training={**changed, "epochs": 2, "folds": 4})
    finally:
        again = {"models": ["reduced:vit", "reduced:resnet"], "scenarios": ["original", "segmented"]}
        plan(folder, scenarios=scenarios, training=again)


def test_streamed_images_give_the_same_predictions_as_held_ones(images: Run, tmp_path: Path) -> None:
    tables = []
    for feed in ("hold", "stream"):
        run = copied(images, tmp_path, feed, feed=feed, folds=None, holdout=0.3, augment="crop")
        assert not sweep(run, within=["original"]).failed
        tables.append((predictions(run), run.history().drop(columns="seconds")))
    pd.testing.assert_frame_equal(tables[0][0], tables[1][0])
    pd.testing.assert_frame_equal(tables[0][1], tables[1][1])
    assert len(tables[0][0]) == 2 * 4


def test_two_workers_learn_as_one_does(images: Run, tmp_path: Path) -> None:
    curves = []
    for workers in (1, 2):
        run = copied(images, tmp_path, f"by{workers}", folds=None, holdout=0.3, epochs=4, batch=6, workers=workers)
        assert not sweep(run, within=["original"]).failed
        curves.append(run.history())
        assert run.receipt(training("net", "original"), "0").facts["workers"] == workers
    for name in ("train_loss", "validation_loss"):
        np.testing.assert_allclose(curves[0][name], curves[1][name], rtol=1e-3)
    assert curves[0]["train_loss"].iloc[-1] < curves[0]["train_loss"].iloc[0]
    np.testing.assert_allclose(curves[0]["train_score"], curves[1]["train_score"])


def test_one_that_diverges_names_step_and_images_and_costs_no_other(images: Run, tmp_path: Path) -> None:
    models = {"good": "support.failing_models:Mean:x", "bad": "support.failing_models:Diverges:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"])
    told = sweep(run)
    assert set(told.failed) == {("bad", "original", fold) for fold in range(3)}
    assert all("the loss is no number in epoch 1, step 0" in reason for reason in told.failed.values())
    ids = set(run.table("plan", ["sample_id"]).column("sample_id").to_pylist())
    assert all(reason.rpartition("images ")[2].split(", ")[0] in ids for reason in told.failed.values())
    assert set(predictions(run)["model"]) == {"good"}
    assert [trial.model for trial in planned(run)[1]] == ["bad"] * 3


def test_a_killed_worker_goes_on_from_its_checkpoint(images: Run, tmp_path: Path) -> None:
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
        tables.append((predictions(run).drop(columns="weights"), run.history().drop(columns="seconds")))
    pd.testing.assert_frame_equal(*(table for table, _ in tables))
    pd.testing.assert_frame_equal(*(history for _, history in tables))
    by_process = pd.Series((tmp_path / "killed/steps").read_text().split()).value_counts(sort=False).tolist()
    assert by_process == [5, 4]  # two epochs of two steps, and the one that it died in; then the last two epochs


def test_one_whose_worker_always_dies_is_given_up_and_told(images: Run, tmp_path: Path) -> None:
    models = {"good": "support.failing_models:Mean:x", "dead": "support.failing_models:AlwaysDies:x"}
    run = copied(images, tmp_path, models=models, scenarios=["original"], retries=1)
    told = sweep(run, folds=[0])
    assert list(told.failed) == [("dead", "original", 0)]
    assert "its worker died, 2 times" in told.failed["dead", "original", 0]
    assert set(predictions(run)["model"]) == {"good"}


def test_a_killed_driver_goes_on_where_it_was(swept: Run, tmp_path: Path) -> None:
    run = copied(swept, tmp_path, **swept.recipe["training"])
    for trained in ("receipts/train", "predictions", "history", "trials", "tune"):
        shutil.rmtree(tmp_path / "run" / trained)
    assert run.trained() == {}
    chosen = {"models": ["vit"], "within": ["original"]}
    script = f"from xray.pipeline.train.sweep import sweep; from xray.runs.run import Run; sweep(Run({run.uri!r}), **{chosen})"
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    driver = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not run.trained() and time.monotonic() < deadline and driver.poll() is None:
        time.sleep(0.05)
    assert driver.poll() is None, driver.communicate()[1]
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = receipts(run)
    assert 0 < len(before) < 3
    assert not sweep(run, **chosen).failed
    assert {name: receipts(run)[name] for name in before} == before
    of_golden = predictions(swept).query("model == 'vit' and trained_on == 'original'").reset_index(drop=True)
    pd.testing.assert_frame_equal(predictions(run), of_golden)


def test_segmenters_are_trained_and_tested_too(images: Run, tmp_path: Path) -> None:
    run = copied(images, tmp_path, models=["reduced:fpn"], folds=None, holdout=0.3)
    assert not sweep(run, within=["blur_background"]).failed
    table = predictions(run)
    assert (table["intersection"] <= table["union"]).all()
    assert (table["correct"] == (table["intersection"] >= 0.5 * table["union"])).all()
    assert table["pixel_accuracy"].between(0, 1).all()
    assert set(run.history()["metric"]) == {"miou"}
    assert run.history()["validation_dice"].notna().all()


def test_names_may_be_anything(tmp_path: Path) -> None:
    scenarios = [{"kind": "original", "name": "as taken, 100 %"}, {"kind": "image_r", "name": "röd\n'x'"}]
    models = {"net é: a": "support.failing_models:Mean:x"}
    run = made(tmp_path, scenarios=scenarios, training={"models": models, "folds": None, "holdout": 0.3})
    assert not sweep(run).failed
    assert set(run.trained()) == {("net é: a", "as taken, 100 %"), ("net é: a", "röd\n'x'")}
    assert planned(run)[1] == []


@pytest.mark.parametrize("what", ["nothing", "scenario", "category"])
def test_what_cannot_be_trained_is_said_before(tmp_path: Path, what: str) -> None:
    if what == "nothing":
        from support.planned_runs import planned as plan_without

        write_folder(tmp_path)
        with pytest.raises(XrayError, match=r"trains nothing: add `training: \{models"):
            sweep(plan_without(tmp_path))
    elif what == "scenario":
        write_folder(tmp_path)
        with pytest.raises(
            XrayError, match=r"has no images of scenario '(original|blur_background)'; make them by `xray gen"
        ):
            sweep(plan(tmp_path))
    else:
        write_folder(tmp_path, per_category=1)
        with pytest.raises(XrayError, match=r"a single usable photograph of 'ball', 'cup'"):
            plan(tmp_path)


def test_what_is_begun_can_be_dropped(images: Run, tmp_path: Path) -> None:
    run = copied(images, tmp_path, folds=None, holdout=0.3)
    kept = Checkpoints(run.trial_folder("net", "original", 0))
    Path(kept.folder.removeprefix("file://")).mkdir(parents=True)
    (Path(kept.folder.removeprefix("file://")) / "last.safetensors").write_bytes(b"torn")
    told = sweep(run, within=["original"])
    assert "is damaged; remove it" in told.failed["net", "original", 0]
    assert kept.failure() == told.failed["net", "original", 0]
    assert not sweep(run, within=["original"], restart=True).failed
    assert kept.failure() is None


def test_a_search_finds_settings_by_validation_alone(images: Run, tmp_path: Path) -> None:
    search = {"samples": 3, "learning_rate": [1e-5, 1e-1], "weight_decay": [1e-4, 1e-3]}
    run = copied(images, tmp_path, models=["reduced:alexnet"], folds=None, holdout=0.3, epochs=3, search=search)
    assert not sweep(run, within=["original"]).failed
    kept = json.loads(
        (Path(run.trial_folder("alexnet", "original", 0).removeprefix("file://")) / "search.json").read_text()
    )
    assert len(kept["tried"]) == 3
    assert kept["best"] == min(kept["tried"], key=lambda one: one["validation_loss"])
    assert all(1e-5 <= one["learning_rate"] <= 1e-1 and 1e-4 <= one["weight_decay"] <= 1e-3 for one in kept["tried"])
    facts = run.receipt(training("alexnet", "original"), "0").facts
    assert facts["learning_rate"] == kept["best"]["learning_rate"]
    assert run.history()["learning_rate"].iloc[0] == kept["best"]["learning_rate"]
    assert run.history()["validation_loss"].min() == pytest.approx(kept["best"]["validation_loss"], rel=1e-4)
    assert planned(run, within=["original"])[1] == []


def test_trials_are_logged_to_mlflow_where_it_is_configured(
    images: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database or server takes more packages
    place = (tmp_path / "mlruns").as_uri()
    run = copied(images, tmp_path, folds=None, holdout=0.3, mlflow=place)
    assert not sweep(run, within=["original"]).failed
    client = mlflow.MlflowClient(place)
    (experiment,) = [one for one in client.search_experiments() if one.name == "xray"]
    (logged,) = client.search_runs([experiment.experiment_id])
    curve = client.get_metric_history(logged.info.run_id, "validation_loss")
    assert [point.value for point in curve] == pytest.approx(run.history()["validation_loss"].tolist())
