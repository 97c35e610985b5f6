"""Runs in a bucket: whatever dies or refuses, one call later they equal, byte for byte, one on a disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import flaky_store as moody_store
from support.drawn_photos import recipe_values, write_folder
from support.flaky_store import MoodyStore, Order, drops, kills, refuses
from support.saved_models import saved_model
from support.tiny_pools import kill_after_a_receipt, made_here
from support.training_runs import QUICK

from xray.core import yaml
from xray.core.errors import UnreachableError
from xray.core.files import exists, paths_below, read_bytes, write_bytes
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.generate.stages import make_shard
from xray.pipeline.plan.plan import survey, write_plan, write_plan_anew
from xray.pipeline.train.sweep import sweep
from xray.pipeline.verify.verify import verify
from xray.runs.receipts import GENERATE
from xray.runs.recipe import recipe_from
from xray.runs.run import Run

SLOW_DOWN = refuses("503 Slow Down", "SlowDown")
BROKEN = refuses("500 Internal Server Error", "InternalError")
WRONG_KEY = refuses("403 Forbidden", "InvalidAccessKeyId")
FIRST = "00-00-00000"
XRAY = [sys.executable, "-c", "from xray.cli.app import main; main()"]


@pytest.fixture(scope="module")
def store() -> Iterator[MoodyStore]:
    with moody_store.opened() as store:
        yield store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    write_folder(folder, per_category=4)
    return folder


def planned(folder: Path, uri: str, **changes: object) -> Run:
    recipe, run = recipe_from(recipe_values(folder, **changes)), Run(uri)
    write_plan(run, recipe, survey(recipe, run))
    return run


@pytest.fixture(scope="module")
def golden(folder: Path) -> Run:
    """On a disk, and undisturbed."""
    run = planned(folder, str(folder / "golden"))
    made_here(run)
    return run


@pytest.fixture
def run(folder: Path, store: MoodyStore, tmp_path: Path) -> Run:
    """In the bucket."""
    return planned(folder, store.place.format(f"runs/{tmp_path.name}"))


def made(run: Run) -> dict[str, bytes]:
    """All files of IMAGES and MASKS."""
    names = (name for name in paths_below(run.uri) if name.startswith(("images/", "masks/")))
    return {name: read_bytes(run.path(*name.split("/"))) for name in names}


def assert_whole(run: Run, golden: Run) -> None:
    """Nothing is missing, twice, left over or different."""
    assert made(run) == made(golden)
    found = verify(Run(run.uri))
    assert (found.sound, list(found.orphans), found.images) == (True, [], 40)
    assert run.table("images", ["sample_id"]).to_pandas().sample_id.is_unique
    assert run.at_work() == {}


def said(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    ended = subprocess.run(
        [*XRAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return ended.returncode, ended.stdout


@pytest.mark.usefixtures("ray_session")
def test_a_killed_driver_loses_nothing(run: Run, golden: Run) -> None:
    kill_after_a_receipt(run, [*XRAY, "generate", run.uri])
    generate(run)
    assert_whole(run, golden)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("path", [f"/images/{FIRST}.parquet", f"/receipts/generate/{FIRST}.json"])
def test_a_worker_killed_in_the_middle_of_a_put(run: Run, golden: Run, store: MoodyStore, path: str) -> None:
    """Of a shard's images; and of its receipt, when the images are there already."""
    order = Order(kills, "PUT", path, times=1)
    with store.under(order):
        generate(run)
    assert (order.obeyed, order.seen) == (1, 2)  # another worker has put it
    assert_whole(run, golden)


@pytest.mark.usefixtures("ray_session")
def test_what_is_refused_for_a_while_is_asked_for_again(run: Run, golden: Run, store: MoodyStore) -> None:
    orders = [
        Order(SLOW_DOWN, "PUT", "/images/", times=6),
        Order(BROKEN, "PUT", "/receipts/", times=6),
        Order(drops, "PUT", "/masks/", times=6),
        Order(SLOW_DOWN, "GET", "/run.json", times=3),
        Order(BROKEN, "GET", "list-type", times=3),
    ]
    with store.under(*orders):
        generate(run)
    assert [order.obeyed for order in orders] == [order.times for order in orders]
    assert_whole(run, golden)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("answer", [SLOW_DOWN, WRONG_KEY], ids=["away", "key-withdrawn"])
def test_a_store_that_stays_away_is_named_and_the_same_command_goes_on(
    run: Run, golden: Run, store: MoodyStore, answer: moody_store.Answer
) -> None:
    away = Order(answer, after=10**9)

    def begin(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        away.after = 0
        return store.moto(request, start)  # type: ignore[no-any-return]

    with store.under(away, Order(begin, "PUT", "/receipts/", times=1)):
        code, told = said("generate", run.uri)
    assert code == 2
    assert f"xray: cannot reach {run.uri.partition('?')[0]}" in told
    assert "the same command goes on" in told
    assert "Traceback" not in told
    assert 0 < len(run.done(GENERATE)) < 4
    generate(run)
    assert_whole(run, golden)


@pytest.mark.parametrize("verb", ["plan", "generate"])
def test_who_is_not_let_in_is_told_before_any_work(
    run: Run, folder: Path, store: MoodyStore, tmp_path: Path, verb: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.dump(recipe_values(folder, source={"kind": "imagefolder", "root": "/nowhere"})))
    elsewhere = run.uri.replace("/moody/", "/nobodys/")
    arguments = {"plan": ["plan", str(recipe)], "generate": ["generate"]}[verb]
    code, told = said(*arguments, elsewhere)
    assert (code, told.strip().splitlines()[-1]) == (
        2,
        f"xray: no bucket 'nobodys', for {elsewhere}: make it first, or name another",
    )
    before = len(store.requests)
    with store.under(Order(WRONG_KEY)):
        code, told = said(*arguments, run.uri)
    assert code == 2
    assert f"xray: cannot reach {run.uri.partition('?')[0]}/run.json" in told
    assert "Traceback" not in told
    assert len(store.requests) - before == 1


def test_a_store_that_is_away_is_no_damage(run: Run, store: MoodyStore) -> None:
    made_here(run)
    for path in (f"/images/{FIRST}", f"/receipts/generate/{FIRST}", "/run.json"):
        with store.under(Order(WRONG_KEY, "GET", path)), pytest.raises(UnreachableError, match=path):
            verify(Run(run.uri))
    assert verify(run).sound


def test_what_is_to_be_carried_over_is_not_made_anew_when_the_store_is_away(
    run: Run, folder: Path, store: MoodyStore
) -> None:
    made_here(run)
    recipe = recipe_from(recipe_values(folder, scenarios=["original", "image_r"]))
    assert write_plan_anew(run, recipe, survey(recipe)).changes
    with store.under(Order(WRONG_KEY, "GET", "/images/")), pytest.raises(UnreachableError, match="/images/"):
        make_shard(run.uri, run.shards()[0])
    assert run.done(GENERATE) == set()


MUCH = bytes(range(256)) * (12 << 12)
"""More than goes in one put."""


def test_a_big_object_is_shown_whole_or_not_at_all(store: MoodyStore) -> None:
    uri = store.place.format("big/model.safetensors")
    script = (
        "import sys; from xray.core.files import write_bytes; write_bytes(sys.argv[1], bytes(range(256)) * (12 << 12))"
    )
    for part in ("partNumber=1", "partNumber=2"):
        with store.under(Order(kills, "PUT", part)):
            assert subprocess.run([sys.executable, "-c", script, uri], check=False).returncode == -signal.SIGKILL
        assert not exists(uri)
    write_bytes(uri, b"what was there before")
    with store.under(Order(WRONG_KEY, "PUT", "partNumber=2")), pytest.raises(UnreachableError, match="big/model"):
        write_bytes(uri, MUCH)
    assert read_bytes(uri) == b"what was there before"
    write_bytes(uri, MUCH)
    assert read_bytes(uri) == MUCH


INTERRUPTED = """
import os, signal, sys, time
from xray import files

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

inner = open_store
open_store = lambda uri: (Interrupting(inner(uri)[0]), inner(uri)[1])
files.write_bytes(sys.argv[1], b"whole")
"""


def test_an_interruption_shows_no_half_of_an_object(store: MoodyStore) -> None:
    """A stream that is left early shows what it has so far; here that would be nothing."""
    uri = store.place.format("interrupted/run.json")
    write_bytes(uri, b"before")
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED, uri], stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr.endswith("KeyboardInterrupt\n")
    assert read_bytes(uri) in (b"before", b"whole")


def test_a_small_object_is_one_put(store: MoodyStore) -> None:
    before = len(store.requests)
    write_bytes(store.place.format("small/receipt.json"), b"{}")
    assert store.requests[before:] == [("PUT", "/moody/small/receipt.json", "")]


def predictions(run: Run) -> pd.DataFrame:
    table = run.predictions().sort_values(["model", "trained_on", "fold", "sample_id"])
    return table.reset_index(drop=True)


@pytest.mark.usefixtures("ray_session")
def test_evaluations_in_a_bucket(run: Run, golden: Run, folder: Path, store: MoodyStore) -> None:
    """An actor is killed when it puts its predictions, and the next one goes on."""
    models = {"tiny": saved_model(folder / "models", "test_resnet")}
    evaluate(golden, models, actors=1)
    made_here(run)
    order = Order(kills, "PUT", "/predictions/tiny/", after=1, times=1)
    with store.under(order):
        evaluate(run, models, actors=1)
    assert order.obeyed == 1
    pd.testing.assert_frame_equal(predictions(run), predictions(golden))
    assert verify(run).sound


@pytest.mark.usefixtures("ray_session")
def test_trainings_in_a_bucket(tmp_path: Path, store: MoodyStore) -> None:
    """A worker is killed when it puts its second checkpoint, and the next one goes on from the first."""
    write_folder(tmp_path, per_category=6)
    split = {"folds": None, "holdout": 0.3, "scenarios": ["original"]}
    training = {**QUICK, **split, "epochs": 3, "checkpoint_seconds": 0}
    places = (str(tmp_path / "run"), store.place.format("swept"))
    runs = [planned(tmp_path, uri, scenarios=["original"], training=training) for uri in places]
    order = Order(kills, "PUT", "last.safetensors", after=1, times=1)
    for run in runs:
        made_here(run)
        with store.under(order):
            assert not sweep(run).failed
    assert order.obeyed == 1
    pd.testing.assert_frame_equal(predictions(runs[0]), predictions(runs[1]))
    pd.testing.assert_frame_equal(*(run.history().drop(columns="seconds") for run in runs))
    assert verify(runs[1]).problems == []
