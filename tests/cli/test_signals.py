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
from xray.runs.receipts import GENERATE
from xray.runs.run import Run

XRAY = [sys.executable, "-c", "from xray.cli.app import main; main()"]


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


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that live because of it: what Ray starts leaves its group, not its descent."""
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize(
    ("number", "code", "to_all"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)], ids=["ctrl-c", "sigterm"]
)
def test_a_signal_ends_a_run_that_goes_on_later(tmp_path: Path, number: int, code: int, to_all: bool) -> None:
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
        processes = below(generating)
        os.killpg(generating.pid, number) if to_all else os.kill(generating.pid, number)
        said, _ = generating.communicate(timeout=60)
    finally:
        generating.kill()
        generating.wait()
    assert generating.returncode == code, said
    assert f"To go on: xray generate {run.uri}" in said
    assert "Traceback" not in said
    assert len(processes) > 2
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    assert verify(run).problems == []
    assert len(run.done(GENERATE)) < len(run.shards())
    assert run.at_work() == {}
    (folder / "desk/late").unlink()
    made_here(Run(run.uri))
    assert made_files(run) == made_files(golden)


WHILE_RAY_STARTS = """
import os, signal, threading, time
from xray.cli.app import main

def interrupt():
    while getattr(signal.getsignal(signal.SIGTERM), "__module__", "") != "ray._private.worker":
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=interrupt, daemon=True).start()
main()
"""


def test_a_signal_while_ray_starts_ends_as_any_other(tmp_path: Path) -> None:
    """Ray has a handler of its own then."""
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
    assert f"SIGTERM: ending; what is committed stays. To go on: xray generate {run.uri}" in ended.stdout
    assert run.at_work() == {}


def waiting(script: str, *said: str) -> subprocess.Popen[str]:
    """A process that ends on signals, under a SIGTERM for each thing that it has said."""
    script = "import time; from xray import signals\nsignals.GRACE = 0.5\nwith signals.ending_on_signals():\n" + script
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in said:
        assert process.stdout.readline() == f"{line}\n"
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    return process


HANGS = (
    "    try:\n        print('ready', flush=True); time.sleep(60)\n"
    "    finally:\n        print('cleaning', flush=True); time.sleep(60)\n"
)


def test_a_second_signal_ends_at_once() -> None:
    assert waiting(f"    signals.GRACE = 60\n{HANGS}", "ready", "cleaning").returncode == 143


def test_what_hangs_while_it_ends_is_ended() -> None:
    assert waiting(HANGS, "ready").returncode == 143


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    script = "from xray.cli.signals import ending_on_signals\nwith ending_on_signals():\n    raise KeyError('x')"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (told.returncode, "KeyError" in told.stderr) == (1, True)


def test_without_a_signal_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with ending_on_signals():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
