"""Reading a run imports nothing that the run names; its work, and whoever trusts it, do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xray
from xray.core import plugins
from xray.core.errors import ConfigError
from xray.runs.folder import RunFolder

MODULE = """
from pathlib import Path
from typing import ClassVar
from xray.core.plugins import settings
from xray.scenarios.original import Original

Path(__file__).with_name("imported").touch()

@settings
class Haze(Original):
    name: ClassVar[str] = "haze"
"""
RECIPE = """
source: {kind: shapes, per_category: 1}
scenarios: {original: {kind: original}, haze: {kind: "strangers_module:Haze"}}
"""
READ = """
import sys, xray
from xray.core.errors import XrayError
from xray.pipeline.score import score
from xray.pipeline.status import status
from xray.pipeline.verify.verify import verify
from xray.report import write_report
from xray.runs.folder import RunFolder

refused = []
for read in (status, verify, score, write_report, lambda run: xray.open(run.uri).trials(),
             lambda run: xray.open(run.uri).images("haze"), lambda run: xray.open(run.uri).predictions()):
    try:
        read(RunFolder.open(sys.argv[1]))
    except XrayError as error:
        refused.append(str(error))
print("strangers_module" in sys.modules, sum("--trust" in error for error in refused))
"""


@pytest.fixture
def strangers_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a run that names a plug-in of a module that this process has not imported."""
    monkeypatch.setitem(plugins._process, "trusts", False)
    (tmp_path / "strangers_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strangers_module", raising=False)  # and remove it again after the test
    run = xray.Run(str(tmp_path / "run"))
    recipe = xray.parse_recipe(RECIPE)
    xray.write_plan(run, recipe, xray.survey(recipe))
    (tmp_path / "imported").unlink()
    del sys.modules["strangers_module"]
    return run.uri


def test_reading_a_run_imports_nothing_that_it_names(strangers_run: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", READ, strangers_run]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    imported, refused = ended.stdout.split()
    assert imported == "False"
    assert int(refused) >= 3
    assert not (tmp_path / "imported").exists()


def test_whoever_trusts_a_run_imports_its_plug_ins(strangers_run: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="strangers_module:Haze"):
        _ = RunFolder.open(strangers_run).recipe
    assert type(RunFolder.open(strangers_run, trust=True).recipe.scenarios["haze"].scenario).__name__ == "Haze"
    assert (tmp_path / "imported").exists()


def test_a_module_that_is_imported_needs_no_trust(strangers_run: str) -> None:
    __import__("strangers_module")
    assert RunFolder.open(strangers_run).recipe.scenarios["haze"].scenario.name == "haze"
