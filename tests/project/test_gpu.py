from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from support.drawn_photos import write_folder
from support.tiny_pools import made_files, made_here, planned, tiny_values

from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
NODES = [{"CPU": 4.0, "GPU": 1.0}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    write_folder(folder, per_category=2)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny_weights: Path) -> RunFolder:
    """Made by both pools at their defaults, on a GPU."""
    run = planned(folder, tiny_values(folder, tiny_weights, pools={}))
    made_here(run, NODES)
    return run


def test_masks_and_worlds_are_made_on_the_gpu(run: RunFolder) -> None:
    assert RowCounts.of(run.store.receipts(GENERATE)).counts == {
        "original": {"ok": 4},
        "generated_background": {"ok": 8},
    }
    assert set(run.store.table("masks").column("origin").to_pylist()) == {"sam"}
    for row in run.store.table("images").to_pylist():
        if row["scenario"] != "original":
            painter = json.loads(row["provenance"])["painter"]
            assert (painter["dtype"], painter["channels_last"]) == ("bfloat16", True)
            assert painter["device"] == torch.cuda.get_device_name()
    refiner = run.store.receipts(MASK)[0].facts["refiner"]
    assert refiner["dtype"] == ("bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16")


def test_the_same_plan_gives_the_same_bytes_on_the_same_gpu(run: RunFolder, folder: Path, tiny_weights: Path) -> None:
    again = planned(folder, tiny_values(folder, tiny_weights, pools={}), "again")
    made_here(again, NODES)
    assert made_files(again) == made_files(run)


def test_a_painter_killed_on_the_gpu_costs_no_byte(run: RunFolder, folder: Path, tiny_weights: Path) -> None:
    again = planned(folder, tiny_values(folder, tiny_weights, pools={}), "killed")
    command = [sys.executable, "-c", "from xray.cli.main import main; main()", "generate", again.uri]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.kill(_actor_of(driver, "InpaintStage)).submit").pid, signal.SIGKILL)
    said, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, said
    assert made_files(again) == made_files(run)


def _actor_of(driver: subprocess.Popen[str], name: str) -> psutil.Process:
    """The process of a pool's actor, once it is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and driver.poll() is None:
        for process in psutil.Process(driver.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    return process
        time.sleep(0.05)
    raise AssertionError(f"no actor {name} was seen")
