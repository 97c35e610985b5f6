from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.paths import TESTS
from support.tiny_pools import logged, made_files, made_here, planned, pooled_folder, pooled_values

from xray.cli.signals import ending_on_signals
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

XRAY = [sys.executable, "-c", "from xray.cli.main import main; main()"]


def started(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(
        [*XRAY, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all processes that it started, directly or not; those of Ray leave its group."""
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "to_all"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)], ids=["ctrl-c", "sigterm"]
)
def test_a_run_ends_on_a_signal_and_can_be_resumed(tmp_path: Path, number: int, code: int, to_all: bool) -> None:
    folder = pooled_folder(tmp_path, per_category=4)
    golden = planned(folder, pooled_values(folder), "golden")
    made_here(golden)
    (folder / "desk/log").unlink()
    (folder / "desk/late").write_text("400")
    run = planned(folder, pooled_values(folder))
    generating = started("generate", run.uri)
    try:
        deadline = time.monotonic() + 120
        while not logged(folder, "paint") and time.monotonic() < deadline:
            time.sleep(0.05)
        processes = descendants(generating)
        os.killpg(generating.pid, number) if to_all else os.kill(generating.pid, number)
        output, _ = generating.communicate(timeout=60)
    finally:
        generating.kill()
        generating.wait()
    assert generating.returncode == code, output
    assert f"xray generate {run.uri}" in output
    assert "Traceback" not in output
    assert len(processes) > 2
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    assert verify(run).problems == []
    assert len(run.store.done(GENERATE)) < len(run.plan.shards())
    assert run.store.locks() == {}
    (folder / "desk/late").unlink()
    made_here(RunFolder(run.uri))
    assert made_files(run) == made_files(golden)


WHILE_RAY_STARTS = """
import os, signal, threading, time
from xray.cli.main import main

def interrupt():
    while getattr(signal.getsignal(signal.SIGTERM), "__module__", "") != "ray._private.worker":
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=interrupt, daemon=True).start()
main()
"""


@pytest.mark.slow
def test_a_signal_while_ray_starts_has_the_same_exit_code(tmp_path: Path) -> None:
    """Ray has its own handler then."""
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    ended = subprocess.run(
        [sys.executable, "-c", WHILE_RAY_STARTS, "generate", run.uri],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 143, ended.stdout
    assert f"xray generate {run.uri}" in ended.stdout
    assert run.store.locks() == {}


def ended(script: str, *lines: str) -> subprocess.Popen[str]:
    """Run a process that ends on signals; send it a SIGTERM after each of the lines that it prints."""
    script = (
        "import time; from xray.cli import signals\nsignals.GRACE = 0.5\nwith signals.ending_on_signals():\n" + script
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in lines:
        assert process.stdout.readline() == f"{line}\n"
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    return process


HANGS = (
    "    try:\n        print('ready', flush=True); time.sleep(60)\n"
    "    finally:\n        print('cleaning', flush=True); time.sleep(60)\n"
)


def test_a_second_signal_ends_immediately() -> None:
    assert ended(f"    signals.GRACE = 60\n{HANGS}", "ready", "cleaning").returncode == 143


def test_a_hanging_cleanup_is_ended() -> None:
    assert ended(HANGS, "ready").returncode == 143


def test_errors_without_a_signal_pass_unchanged() -> None:
    script = "from xray.cli.signals import ending_on_signals\nwith ending_on_signals():\n    raise KeyError('x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "KeyError" in done.stderr) == (1, True)


def test_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with ending_on_signals():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
