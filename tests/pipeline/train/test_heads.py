"""Trainings of heads alone (`tune: head`): features once an image, then a logistic regression for each trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from support.drawn_photos import recipe_values, write_folder
from support.saved_models import saved_model

import xray
from xray.core.errors import XrayError
from xray.core.images import decode
from xray.models.outputs import flatten_onto
from xray.models.registry import parse_model
from xray.pipeline.evaluate.panel import Panel
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import replan, write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.score import score
from xray.pipeline.status import status
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.features import FeatureWorker, count_missing, missing_features
from xray.pipeline.train.heads import read_features, train_head
from xray.pipeline.train.sweep import estimate_seconds, select_trials, sweep
from xray.pipeline.verify.verify import verify
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, features, training
from xray.runs.recipe import recipe_from

pytestmark = pytest.mark.usefixtures("ray_session")
SCENARIOS = ["original", "blur_background", "no_object"]


def plan(folder: Path, spec: str, name: str = "run", scenarios: Sequence[Any] = SCENARIOS, **changes: Any) -> RunFolder:
    fields = {"models": {"net": spec}, "tune": "head", "folds": 3, "gpus": 0, **changes}
    values = recipe_values(folder, scenarios=list(scenarios), training=fields, shard_size=4)
    recipe, run = recipe_from(values), RunFolder(str(folder / name))
    write_plan(run, recipe, survey(recipe, run))
    return run


def made(folder: Path, **changes: Any) -> RunFolder:
    write_folder(folder, per_category=6)
    run = plan(folder, saved_model(folder / "weights", "test_resnet"), **changes)
    generate(run)
    return run


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> RunFolder:
    run = made(tmp_path_factory.mktemp("swept"))
    result = sweep(run)
    assert (len(result.trials), result.failed) == (6, {})
    return run


def predictions(run: RunFolder, **where: object) -> pd.DataFrame:
    table = run.store.table("predictions").to_pandas()
    for name, value in where.items():
        table = table[table[name] == value]
    return table.sort_values(["trained_on", "scenario", "fold", "sample_id"]).reset_index(drop=True)


def features_by_hand(run: RunFolder, spec: str) -> dict[str, np.ndarray]:
    network = parse_model(spec).features("cpu")
    by_sample = {}
    for row in run.store.table("images", ["sample_id", "image"]).to_pylist():
        pixels = network.preprocess(flatten_onto(decode(row["image"]["bytes"]), (0, 0, 0)))
        by_sample[row["sample_id"]] = network.predict(pixels[None])[0]
    return by_sample


def test_a_head_equals_scikit_learn_on_features_by_hand(swept: RunFolder) -> None:
    trials, missing = select_trials(swept)
    assert not missing
    data = TrainingData.load(swept, trials)
    by_sample = features_by_hand(swept, trials[0].spec)
    for trial in trials:
        split, samples = data.split(trial), data.samples[trial.scenario]
        fitted = samples.of_images(split.train | split.validation)
        features_ND = np.stack([by_sample[name] for name in fitted.sample_id]).astype(float)
        scaler = StandardScaler().fit(features_ND)
        strength = 2 / (0.01 * len(fitted))  # two categories: the penalty of two rows of weights, see `fit_head`
        model = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(
            scaler.transform(features_ND), fitted.label_N
        )
        for scenario in trial.tests:
            tested = data.samples[scenario].of_images(split.test)
            test_ND = np.stack([by_sample[name] for name in tested.sample_id]).astype(float)
            expected = model.predict_proba(scaler.transform(test_ND))[np.arange(len(tested)), tested.label_N]
            own = predictions(swept, trained_on=trial.scenario, scenario=scenario, fold=trial.fold)
            p_true = own.set_index("sample_id")["p_true"][tested.sample_id]
            np.testing.assert_allclose(p_true, expected, atol=2e-3)


def test_each_image_has_features_once_and_each_photograph_is_tested_once(swept: RunFolder) -> None:
    table = swept.store.table("features").to_pandas()
    images = swept.store.table("images", ["sample_id"]).to_pandas()
    assert sorted(table["sample_id"]) == sorted(images["sample_id"])
    assert (set(table["model"]), table["weights"].nunique(), table["features"].map(len).nunique()) == ({"net"}, 1, 1)
    own = predictions(swept, trained_on="original")
    assert set(own["scenario"]) == set(SCENARIOS)
    assert not own.duplicated(["sample_id"]).any()
    assert set(predictions(swept, trained_on="blur_background")["scenario"]) == {"blur_background"}
    assert own["weights"].nunique() == 3


def test_the_run_is_sound_scored_and_open_to_readers(swept: RunFolder) -> None:
    report = verify(swept)
    assert report.sound
    assert not report.orphans
    score(swept)
    run = xray.open(swept.uri)
    assert set(run.trials()["status"]) == {"done"}
    assert run.trials()[["epochs", "best_epoch", "validation_loss"]].isna().all().all()
    assert set(run.trials()["validation"]) == {0}
    assert len(run.robustness()) == 1
    assert any("pretrained weights" in note for note in run.notes())
    assert status(swept).featured == {"net": 36}
    assert estimate_seconds(swept, select_trials(swept)[0]) is not None


def test_the_weights_of_a_head_are_kept(swept: RunFolder) -> None:
    receipt = swept.store.receipt(training("net", "original"), "0")
    folder = swept.store.trial_folder("net", "original", 0)
    weights, metadata = Checkpoints(folder).finished(receipt.files["weights"])
    size = len(swept.store.table("features", limit=1)["features"][0])
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {"weight": (2, size), "bias": (2,)}
    assert metadata["settings"] == {"tune": "head", "l2": [0.01], "class_weights": "none"}
    assert metadata["network"] == receipt.facts["network"] != receipt.facts["weights"]


def compute(run: RunFolder) -> int:
    """Compute the features that are missing, in this process; return how many were."""
    models = {"net": spec_of(run)}
    worker = FeatureWorker(run.uri, models, "cpu", lambda images, seconds: None)
    groups = missing_features(run, models)
    for shard in (shards := [shard for shards in groups.values() for shard in shards]):
        worker(shard)
    return sum(run.store.receipt(features("net"), shard).facts["computed"] for shard in shards)


def train_here(run: RunFolder, within: Sequence[str] | None = None) -> None:
    """Do what `sweep` does, in this process."""
    compute(run)
    _, missing = select_trials(run, within=within)
    data = TrainingData.load(run, missing)
    for trial in missing:
        names = list(dict.fromkeys([trial.scenario, *trial.tests]))
        train_head(trial, data, names, *(read_features(run.uri, "net", [data.samples[name]]) for name in names))


def receipts(run: RunFolder, kind: str) -> dict[str, int]:
    folder = Path(run.uri.removeprefix("file://")) / "receipts" / kind
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.json")}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """A folder with photographs, weights and a run with images."""
    folder = tmp_path_factory.mktemp("images")
    made(folder)
    return folder


@pytest.fixture
def run(images: Path, tmp_path: Path) -> RunFolder:
    import shutil

    shutil.copytree(images / "run", tmp_path / "run")
    return RunFolder(str(tmp_path / "run"))


def spec_of(run: RunFolder) -> str:
    assert run.recipe.training is not None
    return run.recipe.training.models["net"]


def test_features_that_are_half_done_are_continued(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"net": spec_of(run)}
    shards = run.plan.shards()
    assert len(shards) > 2
    assert count_missing(run, models) == 36
    FeatureWorker(run.uri, models, "cpu", lambda images, seconds: None)(shards[0])
    before = receipts(run, "features")
    left = count_missing(run, models)
    assert left == 36 - sum(run.store.receipt(features("net"), shards[0]).counts[name]["ok"] for name in SCENARIOS)
    assert not sweep(run, within=["original"]).failed
    assert before.items() <= receipts(run, "features").items()
    computed = [receipt.facts["computed"] for receipt in run.store.receipts(features("net"))]
    assert sum(computed) == 36
    assert count_missing(run, models) == 0
    after = receipts(run, "features")
    assert not sweep(run).failed
    assert receipts(run, "features") == after


def test_features_of_images_that_a_new_plan_reuses_are_reused(run: RunFolder) -> None:
    assert compute(run) == 36
    before = run.store.table("features").to_pandas().set_index("sample_id")["features"]
    values = {**run.recipe_values, "scenarios": [*SCENARIOS, "segmented"], "shard_size": 5}
    recipe = recipe_from(values)
    replan(run, recipe, survey(recipe))
    generate(run)
    assert compute(run) == 12
    table = run.store.table("features").to_pandas().set_index("sample_id")["features"]
    assert len(table) == 48
    for sample, values_D in before.items():
        np.testing.assert_array_equal(table[sample], values_D)


def test_features_count_only_with_the_images_that_they_were_computed_from(run: RunFolder) -> None:
    train_here(run)
    shard = run.plan.shards()[0]
    run.store.revoke_images(shard)
    generate(run)
    assert run.store.is_current(features("net"), shard)  # the same bytes
    assert verify(run).sound
    images = run.store.shard_table(GENERATE, "images", shard)
    made_from = run.store.receipt(GENERATE, shard).made_from
    run.store.commit(GENERATE, shard, {"images": (images, [1] * len(images))}, {}, 0.0, made_from=made_from)
    assert not run.store.is_current(features("net"), shard)
    assert features("net") in run.store.stale()


def test_a_damaged_file_of_features_fails_its_trials_and_is_repaired(run: RunFolder) -> None:
    compute(run)
    path = next(Path(run.uri.removeprefix("file://"), "features", "net").glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    failed = sweep(run, within=["blur_background"]).failed
    assert len(failed) == 3
    assert all("verify" in reason for reason in failed.values())
    assert [problem.kind for problem in verify(run, repair=True).problems] == ["changed"]
    train_here(run)
    assert verify(run).sound


def test_other_weights_or_another_string_are_refused(run: RunFolder, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    spec = spec_of(run)
    compute(run)
    with pytest.raises(XrayError, match="rename it"):
        count_missing(run, {"net": "timm:test_vit"})
    other = saved_model(tmp_path / "other", "test_resnet", seed=5)
    file = spec.partition("@")[2]
    before = load_file(file)
    save_file(load_file(other.partition("@")[2]), file)
    try:
        run.store.revoke(features("net"), run.plan.shards()[-1])
        with pytest.raises(XrayError, match="other weights"):
            compute(run)
    finally:
        save_file(before, file)


def test_features_that_are_no_numbers_are_refused(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = FeatureWorker(run.uri, {"net": spec_of(run)}, "cpu", lambda images, seconds: None)
    none = np.full((4, 3), np.nan, np.float32)
    monkeypatch.setattr(Panel, "predict_prepared", lambda self, batch: {"net": none[: len(batch)]})
    with pytest.raises(XrayError, match="no numbers"):
        worker(run.plan.shards()[0])


def test_the_best_of_several_penalties_is_chosen_by_validation(run: RunFolder) -> None:
    training_values = {**run.recipe_values["training"], "l2": [10.0, 0.01], "validation": 0.3}
    recipe = recipe_from({**run.recipe_values, "training": training_values})
    write_plan(run, recipe, survey(recipe, run))
    train_here(run, within=["original"])
    for receipt in run.store.receipts(training("net", "original")):
        losses = {float(name): loss for name, loss in receipt.facts["validation_losses"].items()}
        assert losses.keys() == {10.0, 0.01}
        assert receipt.facts["l2"] == min(losses, key=losses.__getitem__)
        assert receipt.facts["photographs"]["validation"] > 0
        assert receipt.facts["photographs"]["train"] + receipt.facts["photographs"]["test"] == 12
    other = recipe_from({**run.recipe_values, "training": {**training_values, "l2": 0.5}})
    write_plan(run, other, survey(other, run))
    with pytest.raises(XrayError, match="l2"):
        select_trials(run)


def test_models_without_features_are_refused_in_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=2)
    with pytest.raises(XrayError, match=r"tune: head.*net: .*no published weights.*tune: all"):
        plan(tmp_path, "reduced:resnet", folds=2)


def test_a_command_says_how_many_features_are_missing(run: RunFolder) -> None:
    from typer.testing import CliRunner

    from xray.cli.main import app

    result = CliRunner().invoke(app, ["sweep", run.uri, "--dry-run"])
    assert result.exit_code == 0
    assert "36 features" in result.output
    assert not receipts(run, "features")
    assert json.loads(json.dumps(status(run).featured)) == {"net": 0}
