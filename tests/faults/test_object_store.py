"""Runs in a bucket: after any fault, one more call makes them equal, byte for byte, to a run on a disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import flaky_store
from support.drawn_photos import recipe_values, write_folder
from support.flaky_store import Fault, FlakyStore, drop_connection, kill_client, refuse_with
from support.saved_models import saved_model
from support.tiny_pools import kill_after_a_receipt, made_here
from support.training_runs import QUICK

from xray.core import yaml
from xray.core.errors import UnreachableError
from xray.core.files import exists, paths_below, read_bytes, write_bytes
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.plan.plan import replan, write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.train.sweep import sweep
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.tables import RunTables

SLOW_DOWN = refuse_with("503 Slow Down", "SlowDown")
BROKEN = refuse_with("500 Internal Server Error", "InternalError")
WRONG_KEY = refuse_with("403 Forbidden", "InvalidAccessKeyId")
FIRST = "00-00-00000"
XRAY = [sys.executable, "-c", "from xray.cli.main import main; main()"]


@pytest.fixture(scope="module")
def store() -> Iterator[FlakyStore]:
    with flaky_store.serve_store() as store:
        yield store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    write_folder(folder, per_category=4)
    return folder


def planned(folder: Path, uri: str, **changes: object) -> RunFolder:
    recipe, run = recipe_from(recipe_values(folder, **changes)), RunFolder(uri)
    write_plan(run, recipe, survey(recipe, run))
    return run


@pytest.fixture(scope="module")
def golden(folder: Path) -> RunFolder:
    """Make an undisturbed run on a disk."""
    run = planned(folder, str(folder / "golden"))
    made_here(run)
    return run


@pytest.fixture
def run(folder: Path, store: FlakyStore, tmp_path: Path) -> RunFolder:
    """Plan a run in the bucket."""
    return planned(folder, store.uri_template.format(f"runs/{tmp_path.name}"))


def contents(run: RunFolder) -> dict[str, bytes]:
    """Return all files of IMAGES and MASKS by name."""
    names = (name for name in paths_below(run.uri) if name.startswith(("images/", "masks/")))
    return {name: read_bytes(run.store.path(*name.split("/"))) for name in names}


def assert_whole(run: RunFolder, golden: RunFolder) -> None:
    """Assert that nothing is missing, duplicated, left over or different."""
    assert contents(run) == contents(golden)
    report = verify(RunFolder(run.uri))
    assert (report.sound, list(report.orphans), report.images) == (True, [], 40)
    assert run.store.table("images", ["sample_id"]).to_pandas().sample_id.is_unique
    assert run.store.locks() == {}


def run_xray(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of a command."""
    done = subprocess.run([*XRAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_a_killed_driver_loses_nothing(run: RunFolder, golden: RunFolder) -> None:
    kill_after_a_receipt(run, [*XRAY, "generate", run.uri])
    generate(run)
    assert_whole(run, golden)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("path", [f"/images/{FIRST}.parquet", f"/receipts/generate/{FIRST}.json"])
def test_a_worker_killed_in_the_middle_of_a_put(
    run: RunFolder, golden: RunFolder, store: FlakyStore, path: str
) -> None:
    """Of a shard's images; and of its receipt, when the images are stored already."""
    fault = Fault(kill_client, "PUT", path, times=1)
    with store.with_faults(fault):
        generate(run)
    assert (fault.applied, fault.seen) == (1, 2)  # another worker has put it
    assert_whole(run, golden)


@pytest.mark.usefixtures("ray_session")
def test_requests_that_are_refused_for_a_while_are_repeated(
    run: RunFolder, golden: RunFolder, store: FlakyStore
) -> None:
    faults = [
        Fault(SLOW_DOWN, "PUT", "/images/", times=6),
        Fault(BROKEN, "PUT", "/receipts/", times=6),
        Fault(drop_connection, "PUT", "/masks/", times=6),
        Fault(SLOW_DOWN, "GET", "/run.json", times=3),
        Fault(BROKEN, "GET", "list-type", times=3),
    ]
    with store.with_faults(*faults):
        generate(run)
    assert [fault.applied for fault in faults] == [fault.times for fault in faults]
    assert_whole(run, golden)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("answer", [SLOW_DOWN, WRONG_KEY], ids=["unavailable", "key-withdrawn"])
def test_an_unavailable_store_is_named_and_the_same_command_continues(
    run: RunFolder, golden: RunFolder, store: FlakyStore, answer: flaky_store.Answer
) -> None:
    away = Fault(answer, after=10**9)

    def begin(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        away.after = 0
        return store.moto(request, start)  # type: ignore[no-any-return]

    with store.with_faults(away, Fault(begin, "PUT", "/receipts/", times=1)):
        code, output = run_xray("generate", run.uri)
    assert code == 2
    assert f"xray: cannot reach {run.uri.partition('?')[0]}" in output
    assert "Traceback" not in output
    assert 0 < len(run.store.done(GENERATE)) < 4
    generate(run)
    assert_whole(run, golden)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["plan", "generate"])
def test_a_missing_bucket_or_key_is_reported_before_any_work(
    run: RunFolder, folder: Path, store: FlakyStore, tmp_path: Path, verb: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.dump(recipe_values(folder, source={"kind": "imagefolder", "root": "/nowhere"})))
    elsewhere = run.uri.replace("/flaky/", "/missing/")
    arguments = {"plan": ["plan", str(recipe)], "generate": ["generate"]}[verb]
    code, output = run_xray(*arguments, elsewhere)
    assert code == 2
    assert output.strip().splitlines()[-1].startswith("xray: no bucket 'missing'")
    before = len(store.requests)
    with store.with_faults(Fault(WRONG_KEY)):
        code, output = run_xray(*arguments, run.uri)
    assert code == 2
    assert f"xray: cannot reach {run.uri.partition('?')[0]}/run.json" in output
    assert "Traceback" not in output
    assert len(store.requests) - before == 1


def test_verify_reports_an_unavailable_store_as_such_and_not_as_damage(run: RunFolder, store: FlakyStore) -> None:
    made_here(run)
    for path in (f"/images/{FIRST}", f"/receipts/generate/{FIRST}", "/run.json"):
        with store.with_faults(Fault(WRONG_KEY, "GET", path)), pytest.raises(UnreachableError, match=path):
            verify(RunFolder(run.uri))
    assert verify(run).sound


def test_images_to_reuse_are_not_rendered_again_when_the_store_is_unavailable(
    run: RunFolder, folder: Path, store: FlakyStore
) -> None:
    made_here(run)
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "image_r"]))
    assert replan(run, recipe, survey(recipe)).changes
    with store.with_faults(Fault(WRONG_KEY, "GET", "/images/")), pytest.raises(UnreachableError, match="/images/"):
        render_shard(run.uri, run.plan.shards()[0])
    assert run.store.done(GENERATE) == set()


MUCH = bytes(range(256)) * (12 << 12)
"""More than one put can hold."""


@pytest.mark.slow
def test_a_large_object_is_stored_whole_or_not_at_all(store: FlakyStore) -> None:
    uri = store.uri_template.format("big/model.safetensors")
    script = (
        "import sys; from xray.core.files import write_bytes; write_bytes(sys.argv[1], bytes(range(256)) * (12 << 12))"
    )
    for part in ("partNumber=1", "partNumber=2"):
        with store.with_faults(Fault(kill_client, "PUT", part)):
            assert subprocess.run([sys.executable, "-c", script, uri], check=False).returncode == -signal.SIGKILL
        assert not exists(uri)
    write_bytes(uri, b"what was there before")
    with store.with_faults(Fault(WRONG_KEY, "PUT", "partNumber=2")), pytest.raises(UnreachableError, match="big/model"):
        write_bytes(uri, MUCH)
    assert read_bytes(uri) == b"what was there before"
    write_bytes(uri, MUCH)
    assert read_bytes(uri) == MUCH


INTERRUPTED = """
import os, signal, sys, time
from xray.core import files

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores it

class Interrupting:
    def __init__(self, inner):
        self.inner = inner

    def open_output_stream(self, path):
        return Interrupting(self.inner.open_output_stream(path))

    def __enter__(self):
        self.inner.__enter__()
        return self

    def __exit__(self, *error):
        self.inner.__exit__(*error)

    def write(self, data):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        self.inner.write(data)

inner = files.open_store
files.open_store = lambda uri: (Interrupting(inner(uri)[0]), inner(uri)[1])
files.write_bytes(sys.argv[1], b"whole")
"""


def test_an_interrupted_write_stores_no_partial_object(store: FlakyStore) -> None:
    """A stream that is closed early would store what it has so far; here that would be nothing."""
    uri = store.uri_template.format("interrupted/run.json")
    write_bytes(uri, b"before")
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, uri], stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert read_bytes(uri) in (b"before", b"whole")


def test_a_small_object_is_one_put(store: FlakyStore) -> None:
    before = len(store.requests)
    write_bytes(store.uri_template.format("small/receipt.json"), b"{}")
    assert store.requests[before:] == [("PUT", "/flaky/small/receipt.json", "")]


def predictions(run: RunFolder) -> pd.DataFrame:
    table = RunTables(run).predictions().sort_values(["model", "trained_on", "fold", "sample_id"])
    return table.reset_index(drop=True)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_evaluations_in_a_bucket(run: RunFolder, golden: RunFolder, folder: Path, store: FlakyStore) -> None:
    """Kill an actor while it puts its predictions; the next one continues."""
    models = {"tiny": saved_model(folder / "models", "test_resnet")}
    evaluate(golden, models, actors=1, gpus=0)
    made_here(run)
    fault = Fault(kill_client, "PUT", "/predictions/tiny/", after=1, times=1)
    with store.with_faults(fault):
        evaluate(run, models, actors=1, gpus=0)
    assert fault.applied == 1
    pd.testing.assert_frame_equal(predictions(run), predictions(golden))
    assert verify(run).sound


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_trainings_in_a_bucket(tmp_path: Path, store: FlakyStore) -> None:
    """Kill a worker while it puts its second checkpoint; the next one continues from the first."""
    write_folder(tmp_path, per_category=6)
    split = {"folds": None, "holdout": 0.3, "scenarios": ["original"]}
    training = {**QUICK, **split, "epochs": 3, "checkpoint_seconds": 0}
    uris = (str(tmp_path / "run"), store.uri_template.format("swept"))
    runs = [planned(tmp_path, uri, scenarios=["original"], training=training) for uri in uris]
    fault = Fault(kill_client, "PUT", "last.safetensors", after=1, times=1)
    for run in runs:
        made_here(run)
        with store.with_faults(fault):
            assert not sweep(run).failed
    assert fault.applied == 1
    pd.testing.assert_frame_equal(predictions(runs[0]), predictions(runs[1]))
    pd.testing.assert_frame_equal(*(RunTables(run).history().drop(columns="seconds") for run in runs))
    assert verify(runs[1]).problems == []
