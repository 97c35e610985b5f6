"""A head, a worker and somebody's own machine, each a host of its own: a job of the third loses the second."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hosts import DASHBOARD, NOTICED_SOON, Host, cable, host, lacking
from support.paths import ROOT, TESTS
from support.tiny_pools import logged, made_files, made_here, planned, pooled_folder, pooled_values

from benchmarks.support.clusters import RAY
from xray.pipeline.verify.verify import verify
from xray.runs.counts import RowCounts
from xray.runs.receipts import GENERATE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lack := lacking()), reason=f"no hosts: {lack}")]
PHOTOGRAPHS, PICTURES, SHARD = 8, 16, 4


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Host]]:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.chdir(ROOT)
    with contextlib.ExitStack() as stack:
        head, *others = (stack.enter_context(host(number)) for number in (1, 2, 3))
        for other in others:
            cable(head, other)
        yield [head, *others]


def test_a_job_from_elsewhere_loses_the_host_that_works_on_it(hosts: list[Host], tmp_path: Path) -> None:
    head, worker, laptop = hosts
    folder = pooled_folder(tmp_path, per_category=PHOTOGRAPHS // 2)
    pools = {"refine": {"device": "cpu", "gpus": 0.2}, "paint": {"device": "cpu", "gpus": 0.8, "actors": 2}}
    values = pooled_values(folder, pools=pools)
    run, calm = planned(folder, values), planned(folder, values, "calm")
    made_here(calm, [{"CPU": 4.0, "GPU": 2.0}])
    (folder / "desk" / "log").unlink()
    (folder / "desk" / "late").write_text("200")
    head.join(NOTICED_SOON, "--include-dashboard=true", "--dashboard-host=10.77.0.1")
    worker.join()
    job = submitted(laptop, "two", "python", "jobs/generate.py", run.uri)
    while painting(folder) < {"xray-1", "xray-2"} and job.poll() is None:
        time.sleep(0.05)
    worker.lose()
    left = run.plan.planned_rows() - RowCounts.of(run.store.receipts(GENERATE)).rows
    said, _ = job.communicate(timeout=200)
    assert job.returncode == 0, said
    last = next(line for line in reversed(said.splitlines()) if line.startswith('{"verb"'))
    assert json.loads(last)["ok"] == run.plan.planned_rows()
    assert left > 0
    assert painting(folder) == {"xray-1", "xray-2"}
    begun = Counter(seed for _, seed in logged(folder, "paint"))
    assert len(begun) == PICTURES
    assert sum(begun.values()) <= PICTURES + SHARD
    assert made_files(run) == made_files(calm)
    assert verify(run).problems == []


def painting(folder: Path) -> set[str]:
    """The hosts that have begun to paint."""
    return {process.partition(":")[0] for process, _ in logged(folder, "paint")}


def submitted(host: Host, name: str, *command: str) -> subprocess.Popen[str]:
    """`ray job submit` of the repository, as the README has it."""
    submit = (*RAY, "job", "submit", "--working-dir", ".", "--submission-id", name, "--", *command)
    return host.start("env", f"RAY_ADDRESS={DASHBOARD}", *submit, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
