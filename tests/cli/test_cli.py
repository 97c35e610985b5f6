from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.drawn_photos import recipe_values, write, write_folder
from support.saved_models import saved_model
from support.tiny_pools import pooled_folder, pooled_values, pools_on_cpus
from typer.testing import CliRunner

from xray.cli.main import app
from xray.cli.output import out, print_needs, print_pools
from xray.cluster.placement import Grant, PoolState
from xray.core.errors import ConfigError, ResourceError
from xray.core.yaml import dump
from xray.pipeline.generate.estimate import Forecast, Need
from xray.pipeline.generate.throughput import Rate
from xray.runs.folder import RunFolder

RUNNER = CliRunner()
HEADINGS = ("scenario", "stage", "status", "pool")
"""First cells of tables."""


def output_of(*arguments: str | Path) -> str:
    """Run a command and return what it prints; raise its errors."""
    result = RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_folder(tmp_path)
    model = saved_model(tmp_path / "models", "test_resnet")
    path = tmp_path / "recipe.yaml"
    path.write_text(dump(recipe_values(tmp_path, models={"net": model})))
    return path


@pytest.mark.usefixtures("without_gpus")
def test_the_pipeline_from_photographs_to_a_report_and_again(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    output = output_of("pipeline", recipe, run)
    assert "planned 30 images of 6 photographs" in output
    assert re.search(r"ok\s+30", output)
    assert "net: 30 predictions" in output
    assert f"report: {run / 'report.html'}" in output
    page = (run / "report.html").read_text()
    assert "random_background" in page
    assert "<script" not in page
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*/*.parquet")}
    again = output_of("pipeline", recipe, run)
    assert "30 images, " in again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*/*.parquet")} == before


@pytest.mark.usefixtures("wide")
def test_dry_runs_write_nothing(recipe: Path, tmp_path: Path) -> None:
    assert "30 images: 6 new photographs of 2" in output_of("plan", recipe, tmp_path / "run", "--dry-run")
    assert not (tmp_path / "run").exists()
    output_of("plan", recipe, tmp_path / "run")
    output = output_of("generate", tmp_path / "run", "--dry-run")
    assert "30 images planned, 0 done, 30 to do" in output
    assert re.search(r"image_r\s+6\s+0", output)
    assert re.search(r"render\s+30\s+[\d.e-]+\s+0 s on \d+ cores here\s+[\d.]+ [kM]B\s+a probe just now", output)
    assert re.search(r"expected: [\d.]+ [kM]B; nothing made", output)
    assert not (tmp_path / "run/images").exists()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print tables without line breaks in rows."""
    monkeypatch.setattr(out, "width", 200)


def rows_of(output: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of a printed table by their first cell; cells are two spaces apart."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    start = next(index for index, cells in enumerate(lines) if cells[0] == heading)
    rows: dict[str, list[str]] = {}
    for cells in lines[start + 1 :]:
        if len(cells) < 2 or cells[0] in HEADINGS:
            break
        rows[cells[0]] = cells[1:]
    return rows


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session", "wide")
def test_pools_from_forecast_to_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path / "cache"))
    folder, run = pooled_folder(tmp_path), tmp_path / "run"
    (tmp_path / "desk/late").write_text("40")
    pools = {**pools_on_cpus(), "price_per_gpu_hour": 2.5}
    (tmp_path / "r.yaml").write_text(dump(pooled_values(folder, pools=pools)))
    output_of("plan", tmp_path / "r.yaml", run)

    output = output_of("generate", run, "--dry-run")
    assert "18 images planned, 0 done, 18 to do" in output
    assert rows_of(output, "scenario") == {"original": ["6", "0"], "generated_background": ["12", "0"]}
    needs = rows_of(output, "stage")
    assert [(name, cells[0], cells[-1]) for name, cells in needs.items()] == [
        ("refine", "6", "a probe just now"),
        ("paint generated_background", "12", "a probe just now"),
        ("render", "6", "a probe just now"),
    ]
    assert needs["refine"][2].endswith("on 1 actors")
    assert re.search(r"expected: [\d.]+ [kM]B; nothing made", output)  # no GPU is occupied
    assert not (run / "images").exists()
    assert not (run / "masks").exists()

    output = output_of("mask", run)
    assert rows_of(output, "status") == {"ok": ["6"]}
    assert rows_of(output, "pool")["refine"][:2] == ["1", "6"]
    assert f"6 masks: {run}" in output
    assert RunFolder.open(str(run)).store.masked() == {"00-00000", "00-00001", "00-00002"}

    output = output_of("generate", run)
    assert rows_of(output, "status") == {"ok": ["18"]}
    pool = rows_of(output, "pool")
    assert set(pool) == {"paint"}  # the masks were there
    actors, images, busy, by_actor, by_gpu = pool["paint"]
    assert (actors, images, by_gpu) == ("1", "12", "–")
    assert 0 < float(busy.rstrip("%")) <= 100
    assert int(by_actor.replace(",", "")) > 0
    assert "18 images, " in output

    other = tmp_path / "other"
    (tmp_path / "r.yaml").write_text(dump(pooled_values(folder, pools=pools, seed=1)))
    output_of("plan", tmp_path / "r.yaml", other)
    needs = rows_of(output_of("generate", other, "--dry-run"), "stage")
    assert needs["paint generated_background"][-1] == "an earlier run"


@pytest.mark.usefixtures("wide")
def test_a_forecast_shows_time_storage_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    grant = Grant("cuda", gpus=0.8, cpus=1, min_actors=8, max_actors=8, accelerator=None, batch=1)
    rate = Rate(images=100, seconds=450.0, bytes=20_000_000, measured="an earlier run")
    painting = Need("paint", ("desert", "snow"), 16_000, rate, grant)
    rendering = Need("render", (), 1000, Rate(1, 0.01, 10_000, "a probe just now"), None)
    print_needs(Forecast((painting, rendering), gpus=8.0), 2.5)
    output = capsys.readouterr().out
    cells = ["16,000", "4.5", "2 h 30 min on 8 actors", "3.2 GB", "an earlier run"]
    assert rows_of(output, "stage")["paint desert snow"] == cells
    assert "3.2 GB, 20.00 GPU-hours on 8 GPUs, 50.00 at 2.5" in output
    print_needs(Forecast((painting,), gpus=8.0), None)
    assert "20.00 GPU-hours on 8 GPUs (without" in capsys.readouterr().out


@pytest.mark.usefixtures("wide")
def test_the_speed_of_pools_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    refine = PoolState(items=3600, busy=900.0, ready=3600.0, actors=1, gpus=0.2, quiet=0.0)
    paint = PoolState(items=1600, busy=7000.0, ready=7200.0, actors=2, gpus=0.8, quiet=0.0)
    print_pools({"refine": refine, "paint": paint})
    assert rows_of(capsys.readouterr().out, "pool") == {
        "refine": ["1", "3,600", "25.0%", "3,600", "18,000"],
        "paint": ["2", "1,600", "97.2%", "800", "800"],  # 0.8 of a GPU counts as a whole one
    }
    print_pools({"paint": PoolState(items=0, busy=0.0, ready=0.0, actors=1, gpus=1.0, quiet=0.0)})
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("without_gpus")
@pytest.mark.parametrize("command", [["mask"], ["generate"], ["generate", "--dry-run"]])
def test_commands_that_need_a_gpu_are_refused_without_one(command: list[str], tmp_path: Path) -> None:
    recipe, run = tmp_path / "r.yaml", tmp_path / "run"
    recipe.write_text(dump(pooled_values(pooled_folder(tmp_path), pools={})))
    output_of("plan", recipe, run)
    with pytest.raises(ResourceError, match=r"refine.*4 CPUs and 0 GPUs"):
        output_of(*command[:1], run, *command[1:])


@pytest.mark.usefixtures("ray_session")
def test_too_many_photographs_without_a_mask_are_an_error(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "masks/cup/1.png").unlink()
    recipe, run = tmp_path / "r.yaml", tmp_path / "run"
    recipe.write_text(dump(recipe_values(tmp_path)))
    output_of("plan", recipe, run)
    with pytest.raises(ConfigError, match="1 of 6 photographs"):
        output_of("mask", run)
    output = output_of("mask", run, "--bad-rows", "0.2")
    assert re.search(r"rejected\s+missing_mask\s+1", output)
    assert "6 masks: " in output


LISTED = {
    "scenarios": "blur_background", "sources": "imagefolder", "masks": "grabcut", "backgrounds": "photos",
    "painters": "sdxl", "guides": "complexity", "removers": "patchmatch", "models": "timm", "categories": "ximagenet12",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), LISTED.items())
def test_plug_ins_are_listed_with_a_summary(kind: str, name: str) -> None:
    lines = [line for line in output_of("list", kind).splitlines() if re.match(rf" *(\w+: )?{name}\b", line)]
    assert lines
    assert len(lines[0].split()) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "nowhere"], "xray plan"),
        (["plan", "nowhere.yaml", "run"], "nowhere.yaml"),
        (["list", "scenario"], "'scenarios'"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from xray.cli.main import main; main()", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("xray: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_lists_commands_and_options() -> None:
    output = output_of("--help")
    commands = "init plan mask generate evaluate sweep score report regress realism pipeline status verify list weights"
    options = {"generate": "dry-run", "mask": "bad-rows", "realism": "inception clip lpips device"}
    options["regress"] = "response factors reference cluster unit glm out"
    assert all(command in output for command in commands.split())
    for command, names in options.items():
        assert all(f"--{name}" in output_of(command, "--help") for name in names.split())


@pytest.mark.slow
def test_a_sweep_with_a_failing_model(tmp_path: Path, ray_session: None) -> None:
    write_folder(tmp_path, per_category=3)
    models = {"good": "support.failing_models:Mean:x", "bad": "support.failing_models:Diverges:x"}
    training = {"models": models, "folds": 4, "side": 32, "epochs": 3, "batch": 2, "gpus": 0}
    values = recipe_values(tmp_path, scenarios=["original"], training=training)
    write(tmp_path / "recipe.yaml", dump(values).encode())
    run = str(tmp_path / "run")
    planned = RUNNER.invoke(app, ["plan", str(tmp_path / "recipe.yaml"), run])
    assert re.search(r"note: .*folds: 4.*'ball'.*'cup'", planned.output)
    assert RUNNER.invoke(app, ["generate", run]).exit_code == 0
    dry = RUNNER.invoke(app, ["sweep", run, "--dry-run"])
    assert re.search(r"8 trials, 0 done, 8 to do of up to 3 epochs", dry.output)
    assert re.search(r"bad +original +4 +0 +original", dry.output)
    assert "nothing trained" in dry.output
    good = RUNNER.invoke(app, ["sweep", run, "--models", "good", "--folds", "0", "1"])
    assert good.exit_code == 0, good.output
    assert "2 of 2 trials done, 0 failed" in good.output
    bad = RUNNER.invoke(app, ["sweep", run, "--models", "bad", "--folds", "0"])
    assert bad.exit_code == 1
    assert re.search(r"failed: bad trained on original, fold 0: .* epoch \d, step \d", bad.output)
    assert "0 of 1 trials done, 1 failed" in bad.output
    assert re.search(r"good +original +4 +2 +original", RUNNER.invoke(app, ["sweep", run, "--dry-run"]).output)
