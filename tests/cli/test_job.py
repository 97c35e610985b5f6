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
from support.clusters import ROOT, Head, head
from support.tiny_pools import made_files

from xray.cli.job import run_verb, with_job_id
from xray.cluster.security import ALLOW_OPEN
from xray.core.errors import XrayError
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.recipe import load_recipe
from xray.runs.run import Run

LABELS = ("run", "verb", "scenario", "status", "pool")
SMOKE = "jobs/recipes/smoke.yaml"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Head]:
    with head("--num-cpus=2", RAY_LOGGING_CONFIG_ENCODING="JSON") as started:
        yield started


@pytest.fixture(scope="module")
def smoke(cluster: Head, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of runs in which the job `smoke` has made the images of one, and what it said."""
    runs = tmp_path_factory.mktemp("runs")
    planned(runs / "smoke")
    done = cluster.submit("smoke", "python", "jobs/generate.py", f"{runs}/{{job}}")
    return runs, done.stdout


def planned(folder: Path) -> Run:
    """A plan of the smoke recipe."""
    recipe, run = load_recipe(str(ROOT / SMOKE)), Run(str(folder))
    write_plan(run, recipe, survey(recipe, run))
    return run


def last_line(said: str) -> dict[str, Any]:
    """The JSON object that a job ends with; what `ray job submit` says stands around it."""
    told: dict[str, Any] = json.loads(next(line for line in reversed(said.splitlines()) if line.startswith('{"verb"')))
    return told


def test_the_smoke_job_makes_the_bytes_that_generate_makes(
    smoke: tuple[Path, str], ray_session: None, tmp_path: Path
) -> None:
    run = planned(tmp_path / "here")
    generate(run)
    assert made_files(Run(str(smoke[0] / "smoke"))) == made_files(run)


def test_its_last_line_says_what_it_did(smoke: tuple[Path, str]) -> None:
    told = last_line(smoke[1])
    assert told.pop("seconds") > 0
    assert told == {
        "verb": "generate", "exit": 0, "error": None, "run": f"file://{smoke[0]}/smoke",
        "planned": 112, "done": 112, "ok": 112, "rejected": 0, "failed": 0,
        "predictions": {}, "trials": {},
    }  # fmt: skip


def test_prometheus_reads_what_it_committed(cluster: Head, smoke: tuple[Path, str]) -> None:
    seen = dict(measured(cluster))
    about = (("run", f"file://{smoke[0]}/smoke"), ("verb", "generate"))
    images = {key: value for key, value in seen.items() if key[0] == "ray_xray_images_total"}
    assert len(images) == 14
    assert set(images.values()) == {8.0}
    assert seen["ray_xray_images_total", *about, ("scenario", "original"), ("status", "ok")] == 8
    assert seen["ray_xray_bytes_total", *about] > 10_000
    assert seen["ray_xray_shard_seconds_total", *about] > 0


def test_logs_say_which_worker_did_what(cluster: Head, smoke: tuple[Path, str]) -> None:
    told = [
        json.loads(line)
        for path in cluster.logs.glob("worker-*.err")
        for line in path.read_text().splitlines()
        if line.startswith("{")
    ]
    ours = [line for line in told if line.get("run") == f"file://{smoke[0]}/smoke"]
    for message in ("begun", "done"):
        units = [line["unit"] for line in ours if line["message"] == message]
        assert sorted(units)[:2] == ["00-00-00000", "00-00-00001"]
    assert all({"stage", "worker_id", "node_id", "job_id", "asctime"} <= line.keys() for line in ours)
    assert all(line["seconds"] > 0 for line in ours if line["message"] == "done")


def measured(cluster: Head) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Values of our metrics, by name and our labels."""
    with urllib.request.urlopen(cluster.metrics, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    for sample in (sample for family in families for sample in family.samples):
        if sample.name.startswith("ray_xray_"):
            yield (
                (sample.name, *((name, sample.labels[name]) for name in LABELS if name in sample.labels)),
                sample.value,
            )


def test_the_dashboard_shows_what_there_is(cluster: Head, smoke: tuple[Path, str]) -> None:
    board = json.loads((ROOT / "deploy/grafana/xray.json").read_text())
    wanted = {name for panel in board["panels"] for target in panel["targets"]
              for name in re.findall(r"ray_xray_\w+", target["expr"])}  # fmt: skip
    source = (ROOT / "xray/cluster/metrics.py").read_text()
    assert wanted == {f"ray_{name}" for name in re.findall(r'"(xray_\w+)"', source)}
    assert {key[0] for key, _ in measured(cluster)} <= wanted


def test_the_same_job_again_goes_on_with_its_run(cluster: Head, smoke: tuple[Path, str]) -> None:
    run = smoke[0] / "smoke"
    lost = next((run / "receipts" / "generate").glob("*.json"))
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in run.glob("receipts/generate/*.json")}
    cluster.ray("job", "delete", "--address", cluster.dashboard, "smoke")  # Ray keeps the names of jobs
    again = cluster.submit("smoke", "python", "jobs/generate.py", f"{smoke[0]}/{{job}}")
    assert last_line(again.stdout)["done"] == 112
    assert lost.exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_code_that_goes_along_is_the_code_that_runs(cluster: Head, tmp_path: Path) -> None:
    """In the job, and in its workers; another xray is installed on the nodes."""
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


def test_a_job_that_fails_says_why_and_ends_as_the_command(cluster: Head, tmp_path: Path) -> None:
    failed = cluster.submit("nothing", "python", "jobs/generate.py", str(tmp_path / "nothing"), check=False)
    told = last_line(failed.stdout)
    assert failed.returncode == 1  # of `ray job submit`
    assert (told["exit"], told["verb"]) == (2, "generate")
    assert "it has no run.json" in told["error"]
    assert "xray: no run at" in failed.stdout
    assert "Traceback" not in failed.stdout


def test_what_nobody_expected_is_told_before_the_last_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken() -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr("xray.cli.app.main", broken)
    monkeypatch.setattr(sys, "argv", ["jobs/report.py", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as ended:
        run_verb("report")
    said = capfd.readouterr()
    assert ended.value.code == 1
    assert last_line(said.out)["error"] == "RuntimeError: nobody expected this"
    assert said.err.startswith("Traceback")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("token", [None, "0" * 64])
def test_who_has_no_token_is_turned_away(cluster: Head, method: str, token: str | None) -> None:
    path = {"GET": "/api/jobs/", "POST": "/api/jobs/", "DELETE": "/api/jobs/smoke"}[method]
    body = json.dumps({"entrypoint": "true"}).encode() if method == "POST" else None
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(cluster.dashboard + path, body, headers, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code in (401, 403)


def test_metadata_of_a_job_can_be_asked_for(cluster: Head, tmp_path: Path) -> None:
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
def test_each_job_teaches_as_its_command_does(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["job", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "jobs" / f"{verb}.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"Usage: xray {verb} " in said
    assert last_line(said)["exit"] == 0


def test_the_id_of_a_job_is_wanted_only_in_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    with pytest.raises(XrayError, match=r"\{job\} stands for the id of a job, and this was not submitted as one"):
        with_job_id(["recipe.yaml", "runs/{job}"])
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"metadata": {"job_submission_id": "worlds"}}))
    assert with_job_id(["recipe.yaml", "runs/{job}"]) == ["recipe.yaml", "runs/worlds"]


def test_a_cluster_that_asks_nobody_is_refused(tmp_path: Path) -> None:
    """As `ray start --head` was for years: on the machine's own address, for everybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    run = planned(tmp_path / "run")
    with head("--num-cpus=1", address=address, token=False) as started:
        command = [sys.executable, "-c", "from xray.cli.app import main; main()", "generate", run.uri]
        environment = {**started.environment, "RAY_ADDRESS": started.gcs}
        for token in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):  # open clusters look at none
            refused = subprocess.run(command, env={**environment, **token}, capture_output=True, text=True, check=False)
            assert refused.returncode == 2
            assert refused.stderr.count("\n") == 1
            assert f"xray: this Ray cluster listens on {address} without a token" in refused.stderr
        connect = [sys.executable, "-c", "from xray.cluster.session import connected\nwith connected(): pass"]
        subprocess.run(connect, env={**environment, ALLOW_OPEN: "1"}, check=True)
