"""Jobs by `ray job submit`, on a real cluster with a job server and a token."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.paths import ROOT
from support.tiny_pools import made_files

from benchmarks.support.clusters import Head, head
from xray.cli.job import run_verb, with_job_id
from xray.cluster.security import ALLOW_OPEN
from xray.core.errors import ConfigError
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import load_recipe

LABELS = ("run", "verb", "scenario", "status", "pool")
SMOKE = "jobs/recipes/smoke.yaml"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Head]:
    with head("--num-cpus=2", RAY_LOGGING_CONFIG_ENCODING="JSON") as started:
        yield started


@pytest.fixture(scope="module")
def smoke(cluster: Head, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of runs, one of which the job `smoke` has generated, and the output of the job."""
    runs = tmp_path_factory.mktemp("runs")
    planned(runs / "smoke")
    done = cluster.submit("smoke", "python", "jobs/generate.py", f"{runs}/{{job}}")
    return runs, done.stdout


def planned(folder: Path) -> RunFolder:
    """Plan the smoke recipe."""
    recipe, run = load_recipe(str(ROOT / SMOKE)), RunFolder(str(folder))
    write_plan(run, recipe, survey(recipe, run))
    return run


def last_line(output: str) -> dict[str, Any]:
    """Return the JSON object that a job ends with; `ray job submit` prints more around it."""
    summary: dict[str, Any] = json.loads(
        next(line for line in reversed(output.splitlines()) if line.startswith('{"verb"'))
    )
    return summary


@pytest.mark.slow
def test_a_job_makes_the_same_bytes_as_a_local_run(smoke: tuple[Path, str], ray_session: None, tmp_path: Path) -> None:
    run = planned(tmp_path / "here")
    generate(run)
    assert made_files(RunFolder(str(smoke[0] / "smoke"))) == made_files(run)


@pytest.mark.slow
def test_the_last_line_of_a_job_summarizes_its_run(smoke: tuple[Path, str]) -> None:
    summary = last_line(smoke[1])
    assert summary.pop("seconds") > 0
    assert summary == {
        "verb": "generate", "exit": 0, "error": None, "run": f"file://{smoke[0]}/smoke",
        "planned": 112, "done": 112, "ok": 112, "rejected": 0, "failed": 0,
        "predictions": {}, "trials": {},
    }  # fmt: skip


@pytest.mark.slow
def test_prometheus_reads_the_metrics_of_a_job(cluster: Head, smoke: tuple[Path, str]) -> None:
    values = dict(measured(cluster))
    labels = (("run", f"file://{smoke[0]}/smoke"), ("verb", "generate"))
    images = {key: value for key, value in values.items() if key[0] == "ray_xray_images_total"}
    assert len(images) == 14
    assert set(images.values()) == {8.0}
    assert values["ray_xray_images_total", *labels, ("scenario", "original"), ("status", "ok")] == 8
    assert values["ray_xray_bytes_total", *labels] > 10_000
    assert values["ray_xray_shard_seconds_total", *labels] > 0


@pytest.mark.slow
def test_logs_identify_worker_stage_and_item(cluster: Head, smoke: tuple[Path, str]) -> None:
    lines = [
        json.loads(line)
        for path in cluster.logs.glob("worker-*.err")
        for line in path.read_text().splitlines()
        if line.startswith("{")
    ]
    ours = [line for line in lines if line.get("run") == f"file://{smoke[0]}/smoke"]
    for message in ("started", "done"):
        units = [line["unit"] for line in ours if line["message"] == message]
        assert sorted(units)[:2] == ["00-00-00000", "00-00-00001"]
    assert all({"stage", "worker_id", "node_id", "job_id", "asctime"} <= line.keys() for line in ours)
    assert all(line["seconds"] > 0 for line in ours if line["message"] == "done")


def measured(cluster: Head) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield the values of xray's metrics by name and labels."""
    with urllib.request.urlopen(cluster.metrics, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    for sample in (sample for family in families for sample in family.samples):
        if sample.name.startswith("ray_xray_"):
            yield (
                (sample.name, *((name, sample.labels[name]) for name in LABELS if name in sample.labels)),
                sample.value,
            )


@pytest.mark.slow
def test_the_dashboard_shows_all_metrics(cluster: Head, smoke: tuple[Path, str]) -> None:
    board = json.loads((ROOT / "deploy/grafana/xray.json").read_text())
    shown = {name for panel in board["panels"] for target in panel["targets"]
              for name in re.findall(r"ray_xray_\w+", target["expr"])}  # fmt: skip
    source = (ROOT / "xray/cluster/metrics.py").read_text()
    assert shown == {f"ray_{name}" for name in re.findall(r'"(xray_\w+)"', source)}
    assert {key[0] for key, _ in measured(cluster)} <= shown


@pytest.mark.slow
def test_resubmitting_a_job_resumes_its_run(cluster: Head, smoke: tuple[Path, str]) -> None:
    run = smoke[0] / "smoke"
    lost = next((run / "receipts" / "generate").glob("*.json"))
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in run.glob("receipts/generate/*.json")}
    cluster.ray("job", "delete", "--address", cluster.dashboard, "smoke")  # Ray does not reuse the ids of jobs
    again = cluster.submit("smoke", "python", "jobs/generate.py", f"{smoke[0]}/{{job}}")
    assert last_line(again.stdout)["done"] == 112
    assert lost.exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.slow
def test_a_job_runs_the_submitted_code(cluster: Head, tmp_path: Path) -> None:
    """In the job and in its workers, although another xray is installed on the nodes."""
    ours = tmp_path / "checkout"
    shutil.copytree("xray", ours / "xray", ignore=shutil.ignore_patterns("__pycache__"))
    (ours / "jobs").mkdir()
    with (ours / "xray/__init__.py").open("a") as module:
        module.write("\nMARK = 'changed a minute ago'\n")
    (ours / "jobs/where.py").write_text(
        "import ray, xray\n"
        "there = ray.remote(lambda: __import__('xray').MARK)\n"
        "ray.init('auto', log_to_driver=False)\n"
        "print([xray.MARK, ray.get(there.remote())])\n"
    )
    where = ("--address", cluster.dashboard, "--working-dir", str(ours), "--submission-id", "where")
    done = cluster.ray("job", "submit", *where, "--", "python", "jobs/where.py")
    assert "['changed a minute ago', 'changed a minute ago']" in done.stdout


@pytest.mark.slow
def test_a_failed_job_reports_error_and_exit_code(cluster: Head, tmp_path: Path) -> None:
    failed = cluster.submit("nothing", "python", "jobs/generate.py", str(tmp_path / "nothing"), check=False)
    summary = last_line(failed.stdout)
    assert failed.returncode == 1  # of `ray job submit`
    assert (summary["exit"], summary["verb"]) == (2, "generate")
    assert "run.json" in summary["error"]
    assert f"xray: {summary['error']}" in failed.stdout
    assert "Traceback" not in failed.stdout


def test_an_unexpected_error_prints_its_traceback_before_the_last_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken() -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr("xray.cli.main.main", broken)
    monkeypatch.setattr(sys, "argv", ["jobs/report.py", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as ended:
        run_verb("report")
    output = capfd.readouterr()
    assert ended.value.code == 1
    assert last_line(output.out)["error"] == "RuntimeError: unexpected"
    assert output.err.startswith("Traceback")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("token", [None, "0" * 64])
def test_requests_without_a_valid_token_are_refused(cluster: Head, method: str, token: str | None) -> None:
    path = {"GET": "/api/jobs/", "POST": "/api/jobs/", "DELETE": "/api/jobs/smoke"}[method]
    body = json.dumps({"entrypoint": "true"}).encode() if method == "POST" else None
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(cluster.dashboard + path, body, headers, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code in (401, 403)


@pytest.mark.slow
def test_the_metadata_of_a_job_can_be_queried(cluster: Head, tmp_path: Path) -> None:
    about = json.dumps({"run": "s3://bucket/runs/mine"})
    words = ("--submission-id", "about", "--metadata-json", about, "--working-dir", ".", "--no-wait")
    cluster.ray("job", "submit", "--address", cluster.dashboard, *words, "--", "python", "jobs/report.py", "--help")
    token = Path(cluster.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    request = urllib.request.Request(
        f"{cluster.dashboard}/api/jobs/about", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["metadata"]["run"] == "s3://bucket/runs/mine"


@pytest.mark.parametrize("verb", sorted(path.stem for path in (ROOT / "jobs").glob("*.py")))
def test_each_job_has_the_help_of_its_command(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["job", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "jobs" / f"{verb}.py"), run_name="__main__")
    output = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"Usage: xray {verb} " in output
    assert last_line(output)["exit"] == 0


def test_the_id_of_a_job_is_refused_outside_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    with pytest.raises(ConfigError, match=r"\{job\}"):
        with_job_id(["recipe.yaml", "runs/{job}"])
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"metadata": {"job_submission_id": "worlds"}}))
    assert with_job_id(["recipe.yaml", "runs/{job}"]) == ["recipe.yaml", "runs/worlds"]


@pytest.mark.slow
def test_a_cluster_without_a_token_is_refused(tmp_path: Path) -> None:
    """On the machine's own address, which others can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    run = planned(tmp_path / "run")
    with head("--num-cpus=1", address=address, token=False) as started:
        command = [sys.executable, "-c", "from xray.cli.main import main; main()", "generate", run.uri]
        environment = {**started.environment, "RAY_ADDRESS": started.gcs}
        for token in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):  # open clusters ignore them
            refused = subprocess.run(command, env={**environment, **token}, capture_output=True, text=True, check=False)
            assert refused.returncode == 2
            error = [line for line in refused.stderr.splitlines() if line.startswith("xray: ")]
            assert len(error) == 1
            assert address in error[0]
            assert "Traceback" not in refused.stderr
        connect = [sys.executable, "-c", "from xray.cluster.session import connected\nwith connected(): pass"]
        subprocess.run(connect, env={**environment, ALLOW_OPEN: "1"}, check=True)
