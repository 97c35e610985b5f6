from __future__ import annotations

from pathlib import Path

from support.answers import answer
from support.drawn_photos import recipe_values, write_folder
from typer.testing import CliRunner

from xray.cli.main import app
from xray.cli.summary import summary
from xray.core.errors import DamagedError
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.score import score
from xray.runs.folder import RunFolder
from xray.runs.receipts import evaluation
from xray.runs.recipe import recipe_from


def answered(folder: Path, **settings: object) -> RunFolder:
    write_folder(folder, per_category=12)
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "blur_background"], **settings))
    run = RunFolder(str(folder / "run"))
    write_plan(run, recipe, survey(recipe))
    answer(run, "net")
    return run


def notes_of(run: RunFolder) -> list[str]:
    result = CliRunner().invoke(app, ["score", run.uri], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [line for line in result.output.splitlines() if line.startswith("note: ")]


def test_groups_and_unfinished_trainings_are_noted(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(
        "image,group\nball/0.jpg,a\nball/1.jpg,a\ncup/0.jpg,b\ncup/1.jpg,b\ncup/2.jpg,b\n"
    )
    training = {"models": {"net": "reduced:vit"}, "folds": 2, "repeats": 3}
    notes = notes_of(answered(tmp_path, groups=str(tmp_path / "groups.csv"), training=training))
    assert any("5 photographs belong together in 2 groups" in note for note in notes)
    assert any("12 of 12 trainings are not finished" in note for note in notes)


def test_a_model_that_has_not_seen_all_images_is_noted(tmp_path: Path) -> None:
    run = answered(tmp_path, shard_size=6)
    shards = sorted(run.store.done(evaluation("net")))
    assert len(shards) == 4
    assert not any("has seen" in note for note in notes_of(run))
    for shard in shards[:2]:
        run.store.revoke(evaluation("net"), shard)
    assert any("net has seen 24 of 48 images" in note for note in notes_of(run))


def test_a_model_of_the_recipe_that_was_not_evaluated_is_noted(tmp_path: Path) -> None:
    notes = notes_of(answered(tmp_path, models={"other": "lite:efficientnet-lite0"}))
    assert [note for note in notes if "other has seen 0 of 48 images" in note]


def test_no_number_is_printed_of_a_damaged_run(tmp_path: Path) -> None:
    run = answered(tmp_path)
    (part,) = (tmp_path / "run" / "plan").iterdir()
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    result = CliRunner().invoke(app, ["score", run.uri])
    assert isinstance(result.exception, DamagedError)
    assert "accuracy" not in result.stdout


def test_nothing_is_noted_of_photographs_that_are_alone(tmp_path: Path) -> None:
    notes = notes_of(answered(tmp_path))
    assert not any("group" in note or "training" in note for note in notes)


def test_a_trained_model_is_told_from_the_pretrained_one_of_its_name(tmp_path: Path) -> None:
    run = answered(tmp_path, training={"models": {"net": "reduced:vit"}, "folds": 2})
    for name in ("original", "blur_background"):
        answer(run, "net", trained_on=name)
    lines = [line for line in summary(score(run)).splitlines() if "S_robust" in line and not line.startswith(" ")]
    assert len({line.partition(":")[0] for line in lines}) == len(lines) == 2
