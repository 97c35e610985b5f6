from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from statsmodels.regression.linear_model import OLS
from support.answers import answer
from support.daub_painter import Daub
from support.drawn_photos import recipe_values, write_folder
from support.html_page import Page

import xray
from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.plugins import settings
from xray.core.schema import HISTORY, PREDICTIONS
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import training as stage_of_training
from xray.runs.receipts import training_shard
from xray.runs.recipe import recipe_from
from xray.statistics import accuracy_table, regression
from xray.statistics.regression.glm import binomial
from xray.statistics.regression.mixed_model import mixed


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    write_folder(tmp_path)
    recipe = recipe_from(recipe_values(tmp_path))
    run = RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    for shard in run.plan.shards():
        render_shard(run.uri, shard)
    return xray.open(str(tmp_path / "run"))


def test_images_of_one_scenario_are_shown(run: RunFolder) -> None:
    images = run.images("blur_background")
    assert len(images) == 6
    assert set(images.table.column("scenario").to_pylist()) == {"blur_background"}
    figure = images.show(4, columns=2)
    assert len(figure.axes) == 4
    some = run.images("transparent", image_ids=run.source().image_id[:2].tolist())
    assert len(some) == 2
    with pytest.raises(XrayError, match="did you mean 'blur_background'"):
        run.images("blur_backgrond")


def test_what_a_run_knows_of_itself(run: RunFolder) -> None:
    assert run.environment["libraries"]["xray-robustness"] == "0.1.0"
    assert run.environment["python"].startswith("3.")
    assert run.recipe["scenarios"]["blur_background"]["sigma"] == 3.0
    assert run.models() == {}
    assert len(run.predictions()) == 0
    assert any("own" in note or "visible" in note for note in run.notes())


@settings
class Brush(Daub):
    """Has the settings that regressions are about, and nothing to load."""

    name: ClassVar[str] = "brush"
    model: str = "bristles"
    steps: int = 7
    guidance: float = 0.0

    def weights(self) -> Mapping[str, str]:
        return {}


@pytest.fixture
def painted(tmp_path: Path) -> RunFolder:
    write_folder(tmp_path)
    brush = f"{Brush.__module__}:Brush"
    scenarios = [
        "original",
        {"kind": "generated_background", "variants": 2, "painter": {"kind": brush}},
        {"kind": "generated_background", "name": "slow", "painter": {"kind": brush, "steps": 50, "model": "hair"}},
        {"kind": "generated_background", "name": "daubed", "painter": {"kind": "support.daub_painter:Daub"}},
    ]
    recipe = recipe_from(recipe_values(tmp_path, scenarios=scenarios))
    run = RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    return run


def test_factors_of_every_planned_sample(painted: RunFolder) -> None:
    factors = xray.open(painted.uri).factors()
    plan = painted.store.table("plan").to_pandas()
    assert factors["sample_id"].tolist() == plan["sample_id"].tolist()
    assert factors.scenario.value_counts().to_dict() == {
        "original": 6,
        "generated_background": 12,
        "slow": 6,
        "daubed": 6,
    }
    columns = ["painter_model", "steps", "guidance"]
    rows = {name: rows[columns].drop_duplicates().values.tolist() for name, rows in factors.groupby("scenario")}
    assert rows["generated_background"] == [["bristles", 7.0, 0.0]]
    assert rows["slow"] == [["hair", 50.0, 0.0]]
    for name in ("original", "daubed"):
        assert factors.loc[factors.scenario == name, columns].isna().all(axis=None)
    worlds = factors[factors.scenario != "original"]
    assert worlds.prompt.tolist() == plan.loc[plan.scenario != "original", "prompt"].tolist()
    assert worlds[["prompt", "place"]].notna().all(axis=None)
    assert factors.loc[factors.scenario == "original", ["prompt", "place"]].isna().all(axis=None)


def test_factors_of_a_run_that_does_not_paint(run: RunFolder) -> None:
    factors = run.factors()
    assert len(factors) == 30
    assert factors[["prompt", "place", "painter_model", "steps", "guidance"]].isna().all(axis=None)
    assert len(run.predictions().merge(factors)) == 0


def test_notes_say_what_is_painted(painted: RunFolder) -> None:
    assert (
        "the backgrounds of slow are inpainted from prompts by brush, not photographed"
        in xray.open(painted.uri).notes()
    )
    assert not any("original" in note for note in xray.open(painted.uri).notes())


LOSS = {"transparent": 0.4, "random_background": 0.6}


@pytest.fixture
def answered(tmp_path: Path) -> RunFolder:
    write_folder(tmp_path, per_category=12)
    scenarios = ["original", "blur_background", "transparent", "random_background", "no_object"]
    recipe = recipe_from(recipe_values(tmp_path, scenarios=scenarios))
    run = RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    answer(run, "resnet50", LOSS)
    answer(run, "vit", LOSS | {"transparent": 0.2})
    return run


def test_a_run_is_regressed_by_cells_as_published(answered: RunFolder) -> None:
    fit = xray.open(answered.uri).regression({"model": "vit"})
    assert fit.design.shape == (2, 4, 2)
    assert [factor.reference for factor in fit.design.factors] == ["vit", "original", "ball"]
    assert fit.design.factor("scenario").levels == ("original", "blur_background", "transparent", "random_background")
    kept = xray.open(answered.uri).predictions().query("scenario != 'no_object'")
    cells = accuracy_table(kept, by=("model", "scenario", "category"))
    wanted = regression(cells, reference={"model": "vit", "scenario": "original"})
    estimates = fit.parameters.set_index("term")["estimate"]
    assert estimates.to_dict() == pytest.approx(wanted.parameters.set_index("term")["estimate"].to_dict())
    assert estimates["scenario[random_background]"] < -0.3
    assert fit.clustered is None
    assert any("no_object is left out" in note for note in fit.notes)
    assert set(xray.open(answered.uri).notes()) <= set(fit.notes)
    assert "accuracy ~ model + scenario + category" in Page(fit._repr_html_()).words
    assert list(fit.tables()) == ["parameters", "anova", "marginal_means", "contrasts", "power", "residuals"]


def test_a_single_model_is_no_factor_unless_it_is_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=6)
    recipe = recipe_from(recipe_values(tmp_path, scenarios=["original", "random_background"]))
    run = RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    answer(run, "resnet50", LOSS)
    fit = xray.open(run.uri).regression()
    assert fit.design.names == ["scenario", "category"]
    assert any("model" in note and "resnet50" in note for note in fit.notes)
    same = xray.open(run.uri).regression(reference={"model": "resnet50"})
    assert same.fit.estimates_P == pytest.approx(fit.fit.estimates_P)
    with pytest.raises(XrayError, match=r"unknown model as a reference 'vit'.*choices: resnet50"):
        xray.open(run.uri).regression(reference={"model": "vit"})
    with pytest.raises(XrayError, match="factor 'model' has the one level 'resnet50'"):
        xray.open(run.uri).regression(factors=["model", "scenario"])


def test_predictions_are_regressed_one_by_one_and_clustered_by_photograph(answered: RunFolder) -> None:
    fit = xray.open(answered.uri).regression(rows="predictions")
    kept = xray.open(answered.uri).predictions().query("scenario != 'no_object'")
    assert fit.cells.rows == len(kept) == 2 * 4 * 24
    cells = xray.open(answered.uri).regression()
    assert fit.fit.estimates_P == pytest.approx(cells.fit.estimates_P)  # the design is balanced
    design = np.column_stack(
        [
            np.ones(len(kept)),
            kept["model"] == "vit",
            *(kept["scenario"] == name for name in ("blur_background", "transparent", "random_background")),
            kept["category"] == "cup",
        ]
    ).astype(float)
    groups = {"groups": kept["image_id"].astype("category").cat.codes}
    wanted = OLS(kept["correct"].to_numpy(float), design).fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    assert fit.clustered is not None
    assert fit.clustered.parameters["std_error"].to_numpy() == pytest.approx(wanted.bse)
    assert "clustered by image_id (24 clusters" in str(fit)


def test_models_trained_within_scenarios_stay_out(answered: RunFolder) -> None:
    before = xray.open(answered.uri).regression()
    answer(answered, "resnet50", LOSS, trained_on="transparent")
    fit = xray.open(answered.uri).regression()
    assert fit.parameters.equals(before.parameters)
    assert any("models trained on transparent are left out" in note for note in fit.notes)
    answer(answered, "resnet50", LOSS, trained_on="original")
    levels = xray.open(answered.uri).regression().design.factor("model").levels
    assert levels == ("resnet50", "resnet50, trained on original", "vit")


def test_other_responses_and_weights(answered: RunFolder) -> None:
    fit = xray.open(answered.uri).regression(response="p_true", factors=["model", "scenario"], weights="n")
    kept = xray.open(answered.uri).predictions().query("scenario == 'original' and model == 'vit'")
    means = pd.DataFrame(fit.cells.codes_CF, columns=["model", "scenario"]).assign(mean=fit.cells.mean_C)
    assert means.query("model == 1 and scenario == 0")["mean"].item() == pytest.approx(kept["p_true"].mean())
    assert (fit.cells.weight_C == 24).all()


def test_what_is_painted_can_be_a_factor(painted: RunFolder) -> None:
    answer(painted, "vit", {"slow": 0.3})
    answer(painted, "net", {"slow": 0.3})
    fit = xray.open(painted.uri).regression(factors=["model", "painter_model"], rows="predictions", missing="drop")
    assert fit.design.factor("painter_model").levels == ("bristles", "hair")
    assert any("left out" in note for note in fit.notes)
    with pytest.raises(XrayError, match=r"column 'painter_model'"):
        xray.open(painted.uri).regression(factors=["model", "painter_model"])


def test_a_run_without_scores_has_no_curves_yet(run: RunFolder) -> None:
    with pytest.raises(XrayError, match=r"'curves'.*xray score"):
        xray.open(run.uri).curves()
    with pytest.raises(XrayError, match=r"'complexity_curves'.*xray score"):
        xray.open(run.uri).curves(measured=True)


def test_binomial_and_mixed_regressions_of_a_run(answered: RunFolder) -> None:
    run, names = xray.open(answered.uri), ["model", "category"]
    kept = run.predictions().query("scenario != 'no_object'")
    found = run.binomial_regression(factors=names)
    wanted = binomial(kept, names, cluster="image_id")
    assert found.clustered is not None
    assert wanted.clustered is not None
    assert found.clustered.parameters.round(9).equals(wanted.clustered.parameters.round(9))
    assert any("no_object is left out" in note for note in found.notes)
    cells = run.binomial_regression(factors=names, rows="cells")
    assert cells.fit.estimates_P == pytest.approx(found.fit.estimates_P)
    assert (cells.rows, found.rows, cells.clustered) == (4, len(kept), None)
    random = run.mixed_regression(factors=names)
    assert (random.group, random.groups) == ("image_id", 24)
    expected = mixed(kept.assign(accuracy=kept["correct"]), factors=names, group="image_id")
    assert random.icc == pytest.approx(expected.icc)


def test_photographs_that_belong_together_are_one_cluster(answered: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    images = sorted(set(xray.open(answered.uri).predictions()["image_id"]))
    pairs = {image: images[index // 2 * 2] for index, image in enumerate(images)}
    join = "xray.pipeline.regress.join_shared_groups"
    monkeypatch.setattr(join, lambda table, _: table.assign(group=table["image_id"].map(pairs)))
    fit = xray.open(answered.uri).regression(rows="predictions")
    assert "clustered by group (12 clusters" in str(fit)


def test_a_run_without_predictions_says_what_to_do(run: RunFolder) -> None:
    with pytest.raises(XrayError, match=r"'original'.*xray evaluate"):
        xray.open(run.uri).regression()


def test_regressions_that_cannot_be(answered: RunFolder) -> None:
    with pytest.raises(XrayError, match=r"'image_id'.*rows='predictions'"):
        xray.open(answered.uri).regression(cluster="image_id")
    with pytest.raises(XrayError, match="unknown column 'categori'; did you mean 'category'"):
        xray.open(answered.uri).regression(factors=["model", "categori"])
    with pytest.raises(XrayError, match="unknown column 'accurracy'; did you mean 'accuracy'"):
        xray.open(answered.uri).regression(response="accurracy")
    with pytest.raises(XrayError, match="unknown `rows` of a regression 'cell'; did you mean 'cells'"):
        xray.open(answered.uri).regression(rows="cell")  # type: ignore[arg-type]


@pytest.fixture
def trained(tmp_path: Path) -> RunFolder:
    """Of four planned trainings one is done, one failed, one begun."""
    write_folder(tmp_path)
    training = {
        "models": {"net": "lite:efficientnet-lite0"},
        "folds": 2,
        "validation": "test",
        "pretrained": True,
        "epochs": 2,
    }
    scenarios = ["original", "image_grey", "no_object"]
    recipe = recipe_from(recipe_values(tmp_path, scenarios=scenarios, training=training))
    run = RunFolder(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    finish(run, "net", "original", 1)
    Checkpoints(run.store.trial_folder("net", "image_grey", 0)).fail("the loss is no number")
    write_bytes(f"{run.store.trial_folder('net', 'image_grey', 1)}/last.safetensors", b"as far as it got")
    return run


def finish(
    run: RunFolder, model: str, scenario: str, fold: int, repeat: int | None = None, tested_epoch: int = 1
) -> None:
    """Commit what a training leaves behind."""
    losses = [0.7, 0.4, 0.5]
    history = [
        {
            "model": model, "trained_on": scenario, "fold": fold, "epoch": epoch, "learning_rate": 1e-3,
            "train_loss": loss, "train_score": 0.5, "validation_loss": loss, "validation_score": 0.5, "metric": "top1",
            "images": 4, "seconds": 1.0, "repeat": repeat,
        }
        for epoch, loss in enumerate(losses)
    ]  # fmt: skip
    facts = {
        "spec": "reduced:resnet", "weights": f"{fold}f" * 32, "origin": "reduced:resnet, from scratch", "epochs": 3,
        "best_epoch": tested_epoch, "photographs": {"train": 2, "validation": 1, "test": 3}, "preprocessing": "64", "workers": 1,
        "device": "cpu",
    }  # fmt: skip
    tables = {
        "history": (pa.Table.from_pylist(history, HISTORY), None),
        "predictions": (PREDICTIONS.empty_table(), None),
    }
    run.store.commit(stage_of_training(model, scenario), training_shard(fold, repeat or 0), tables, {}, 3.5, facts)


def test_repeats_have_rows_of_their_own(trained: RunFolder) -> None:
    finish(trained, "net", "original", 1, repeat=2, tested_epoch=2)
    assert trained.store.trained() == {("net", "original"): [(1, 0), (1, 2)]}
    table = xray.open(trained.uri).trials()
    done = table[table["status"] == "done"]
    assert done[["fold", "repeat", "validation_loss"]].values.tolist() == [[1, 0, 0.4], [1, 2, 0.5]]
    assert len(table) == 5
    (facts,) = xray.open(trained.uri).models().values()
    assert (facts["folds"], len(facts["weights"].split())) == (1, 2)


def test_every_planned_training_has_a_row(trained: RunFolder) -> None:
    table = xray.open(trained.uri).trials()
    rows = table.set_index(["trained_on", "fold"])
    assert rows["status"].to_dict() == {
        ("original", 0): "planned",
        ("original", 1): "done",
        ("image_grey", 0): "failed",
        ("image_grey", 1): "begun",
    }
    assert rows.loc[("image_grey", 0), "reason"] == "the loss is no number"
    done = rows.loc[("original", 1)]
    assert (done["epochs"], done["best_epoch"], done["validation_loss"], done["seconds"]) == (3, 1, 0.4, 3.5)
    assert (done["train"], done["validation"], done["test"]) == (2, 1, 3)
    assert (done["spec"], done["origin"]) == ("reduced:resnet", "reduced:resnet, from scratch")
    assert rows.loc[("original", 0), ["epochs", "seconds", "weights"]].isna().all()


def test_a_training_that_an_earlier_recipe_planned_is_there_too(trained: RunFolder) -> None:
    finish(trained, "old", "original", 0)
    assert xray.open(trained.uri).trials().query("model == 'old'")["status"].tolist() == ["done"]


def test_a_run_without_trainings_has_no_trials(run: RunFolder) -> None:
    assert run.trials().empty
    assert {"model", "trained_on", "fold", "status", "reason"} <= set(run.trials().columns)


def test_trained_models_are_known_with_the_weights_of_their_folds(trained: RunFolder) -> None:
    finish(trained, "net", "original", 0)
    models = xray.open(trained.uri).models()
    assert list(models) == ["net, trained on original"]
    assert models["net, trained on original"]["weights"] == f"{'0f' * 32} {'1f' * 32}"
    assert models["net, trained on original"]["folds"] == 2


def test_notes_say_what_makes_trained_models_optimistic(trained: RunFolder) -> None:
    notes = " ".join(xray.open(trained.uri).notes())
    assert "chosen on its test photographs" in notes
    assert "pretrained weights" in notes


def test_trials_and_their_report_need_neither_torch_nor_ray(trained: RunFolder) -> None:
    script = (
        "import sys, xray; run = xray.open(sys.argv[1]); run.trials(); run.models(); "
        "xray.write_report(run); "
        "print(sorted({'torch', 'ray', 'timm', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script, trained.uri], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_looking_at_a_run_needs_neither_torch_nor_ray(run: RunFolder) -> None:
    script = (
        "import sys, xray; run = xray.open(sys.argv[1]); run.images('original').show(2); run.predictions(); "
        "xray.write_report(run); "
        "print(sorted({'torch', 'ray', 'timm', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script, run.uri], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
