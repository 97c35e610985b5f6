"""The chaos harness in short: one run for each of those that may die."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

HARNESS = ROOT / "benchmarks/chaos.py"


@pytest.mark.timeout(900)
def test_whoever_dies_the_output_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    runs = ["--workers", "1", "--actors", "1", "--nodes", "1", "--drivers", "1", "--links", "0", "--first", "3"]
    told = subprocess.run(
        [sys.executable, str(HARNESS), *runs, "--results", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr[-2000:]
    figures = json.loads(told.stdout.splitlines()[-1])
    logs = "\n".join(path.read_text() for path in tmp_path.iterdir())
    assert (figures["runs"], figures["golden"]) == (4, 4), logs
    assert (figures["lost"], figures["duplicated"], figures["torn"]) == (0, 0, 0), logs
    assert figures["kills"] >= 4, logs
    assert figures["wasted_shards_max"] <= 1, logs
