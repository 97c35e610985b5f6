"""Every benchmark, at a size at which its figures mean nothing: it ends well, and its last line is one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.paths import ROOT

PROGRAMS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_benchmark_runs(program: str) -> None:
    command = [sys.executable, f"benchmarks/{program}", "--tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures
    assert all(isinstance(name, str) for name in figures)
