from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from drawn import recipe_values, write_folder

import xray
from xray.errors import XrayError
from xray.flow import make_shard
from xray.plan import survey, write_plan
from xray.recipe import recipe_from
from xray.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    write_folder(tmp_path)
    recipe = recipe_from(recipe_values(tmp_path))
    run = Run(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    for shard in run.shards():
        make_shard(run.uri, shard)
    return xray.open(str(tmp_path / "run"))


def test_images_of_one_scenario_are_shown(run: Run) -> None:
    images = run.images("blur_background")
    assert len(images) == 6
    assert set(images.table.column("scenario").to_pylist()) == {"blur_background"}
    figure = images.show(4, columns=2)
    assert len(figure.axes) == 4
    some = run.images("transparent", image_ids=run.source().image_id[:2].tolist())
    assert len(some) == 2
    with pytest.raises(XrayError, match="did you mean 'blur_background'"):
        run.images("blur_backgrond")


def test_what_a_run_knows_of_itself(run: Run) -> None:
    assert run.environment["libraries"]["xray-robustness"] == "0.1.0"
    assert run.environment["python"].startswith("3.")
    assert run.recipe["scenarios"]["blur_background"]["sigma"] == 3.0
    assert run.models() == {}
    assert len(run.predictions()) == 0
    assert any("own" in note or "visible" in note for note in run.notes())


def test_looking_at_a_run_needs_neither_torch_nor_ray(run: Run) -> None:
    script = (
        "import sys, xray; run = xray.open(sys.argv[1]); run.images('original').show(2); run.predictions(); "
        "from xray.report import write_report; write_report(run); "
        "print(sorted({'torch', 'ray', 'timm', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script, run.uri], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
