"""The chaos programs in short: one run for each kind of victim, some flipped bits, a short soak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.paths import TESTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run_program(*arguments: object) -> tuple[dict[str, Any], str]:
    """Return the figures in the last line of a chaos program, and all its output."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "chaos"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


@pytest.mark.parametrize("victim", ["workers", "actors", "nodes", "drivers"])
def test_a_killed_process_leaves_the_output_of_an_undisturbed_run(victim: str, tmp_path: Path) -> None:
    runs = {"workers": 0, "actors": 0, "nodes": 0, "drivers": 0, "links": 0, victim: 1}
    options = [word for name, count in runs.items() for word in (f"--{name}", count)]
    figures, output = run_program("kills", *options, "--first", 3, "--results", tmp_path)
    assert (figures["runs"], figures["golden"]) == (1, 1), output
    assert (figures["lost"], figures["duplicated"], figures["torn"]) == (0, 0, 0), output
    assert figures["kills"] >= 1, output
    assert figures["wasted_shards_max"] <= 1, output


def test_a_flipped_bit_is_found_and_repaired() -> None:
    figures, _ = run_program("bitrot", "--flips", 6, "--images", 4)
    assert figures == {"flips": 6, "found": 6, "false_alarms": 0, "mended": figures["mended"], "golden": 6}


def test_a_run_leaks_no_descriptors_threads_or_processes() -> None:
    figures, _ = run_program("soak", "--images", 6000)
    assert figures["images"] == 6000
    assert figures["driver_growth_mb"] < 50
    # A leak grows with the shards; connections that Ray opens once for each worker do not.
    assert figures["descriptors_growth"] < figures["shards"] / 4
    assert figures["threads_growth"] < figures["shards"] / 4
    assert figures["processes_left"] == 0
