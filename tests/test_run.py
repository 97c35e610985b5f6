from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from daubing import Daub
from drawn import recipe_values, write_folder

import xray
from xray.errors import XrayError
from xray.flow import make_shard
from xray.plan import survey, write_plan
from xray.plugins import settings
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
def painted(tmp_path: Path) -> Run:
    write_folder(tmp_path)
    brush = f"{Brush.__module__}:Brush"
    scenarios = [
        "original",
        {"kind": "generated_background", "variants": 2, "painter": {"kind": brush}},
        {"kind": "generated_background", "name": "slow", "painter": {"kind": brush, "steps": 50, "model": "hair"}},
        {"kind": "generated_background", "name": "daubed", "painter": {"kind": "daubing:Daub"}},
    ]
    recipe = recipe_from(recipe_values(tmp_path, scenarios=scenarios))
    run = Run(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    return run


def test_factors_of_every_planned_sample(painted: Run) -> None:
    factors = painted.factors()
    plan = painted.table("plan").to_pandas()
    assert factors["sample_id"].tolist() == plan["sample_id"].tolist()
    assert factors.scenario.value_counts().to_dict() == {
        "original": 6,
        "generated_background": 12,
        "slow": 6,
        "daubed": 6,
    }
    columns = ["painter_model", "steps", "guidance"]
    told = {name: rows[columns].drop_duplicates().values.tolist() for name, rows in factors.groupby("scenario")}
    assert told["generated_background"] == [["bristles", 7.0, 0.0]]
    assert told["slow"] == [["hair", 50.0, 0.0]]
    for name in ("original", "daubed"):
        assert factors.loc[factors.scenario == name, columns].isna().all(axis=None)
    worlds = factors[factors.scenario != "original"]
    assert worlds.prompt.tolist() == plan.loc[plan.scenario != "original", "prompt"].tolist()
    assert worlds[["prompt", "place"]].notna().all(axis=None)
    assert factors.loc[factors.scenario == "original", ["prompt", "place"]].isna().all(axis=None)


def test_factors_of_a_run_that_does_not_paint(run: Run) -> None:
    factors = run.factors()
    assert len(factors) == 30
    assert factors[["prompt", "place", "painter_model", "steps", "guidance"]].isna().all(axis=None)
    assert len(run.predictions().merge(factors)) == 0


def test_notes_say_what_is_painted(painted: Run) -> None:
    assert "the worlds of slow are painted from prompts by brush, not photographed" in painted.notes()
    assert not any("original" in note for note in painted.notes())


def test_looking_at_a_run_needs_neither_torch_nor_ray(run: Run) -> None:
    script = (
        "import sys, xray; run = xray.open(sys.argv[1]); run.images('original').show(2); run.predictions(); "
        "from xray.report import write_report; write_report(run); "
        "print(sorted({'torch', 'ray', 'timm', 'transformers'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script, run.uri], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
