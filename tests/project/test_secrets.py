"""What is secret in the environment stays there: no file, log, message or runtime environment of Ray's tells it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.drawn_photos import recipe_values, write_folder
from support.saved_models import saved_model
from support.training_runs import QUICK

from xray.core import yaml
from xray.core.errors import XrayError
from xray.core.uri import to_uri

SECRETS = {
    name: f"never-shown-{number}-{name.lower()}"
    for number, name in enumerate(
        (
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "RAY_AUTH_TOKEN",
            "MLFLOW_TRACKING_PASSWORD",
        )
    )
}
MARK = b"never-shown"

SCRIPT = """
import sys
import ray
from xray.cli.main import app, main
from xray.cluster.session import connected

recipe, run, away = sys.argv[1:]
with connected():
    print("runtime environment:", dict(ray.get_runtime_context().runtime_env))
    app(["pipeline", recipe, run], standalone_mode=False)
sys.argv[1:] = ["plan", recipe, away]
main()
"""


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Of a short name: Ray's sockets lie in it."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


def telling(folder: Path) -> list[Path]:
    """The files below a folder that hold a secret; of tables, what is in their columns."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and MARK in _bytes(path)]


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix != ".parquet":
        return data
    chunks = (chunk for column in pq.read_table(path, partitioning=None).columns for chunk in column.chunks)
    return data + b"".join(buffer for chunk in chunks for buffer in chunk.buffers() if buffer is not None)


def test_what_tells_a_secret_is_found(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"text": [SECRETS["HF_TOKEN"]] * 9, "cell": [{"bytes": b"x"}] * 9})
    pq.write_table(table, tmp_path / "table.parquet", compression="zstd")
    (tmp_path / "run.json").write_text("{}")
    assert telling(tmp_path) == [tmp_path / "table.parquet"]


@pytest.mark.slow
def test_no_secret_is_told(tmp_path: Path, ray_folder: Path) -> None:
    """Plan, images, predictions, trainings, scores, report; and a bucket that cannot be reached."""
    write_folder(tmp_path, per_category=6)
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    training = {**QUICK, "folds": None, "holdout": 0.3, "scenarios": ["original"], "checkpoint_seconds": 0}
    models = {"tiny": saved_model(tmp_path / "models", "test_resnet")}
    values = recipe_values(tmp_path, scenarios=["original", "segmented"], training=training, models=models)
    recipe.write_text(yaml.dump(values))
    away = "s3://gone/run?scheme=http&endpoint_override=127.0.0.1%3A9&region=us-east-1"
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(recipe), str(run), away],
        env={**os.environ, **SECRETS, "RAY_AUTH_MODE": "token", "RAY_TMPDIR": str(ray_folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = ended.stdout.decode()
    assert "cannot reach s3://gone/run/run.json" in said
    assert ended.returncode == 2
    assert "'OMP_NUM_THREADS': '1'" in said  # the runtime environment
    assert MARK.decode() not in said
    assert {"report.html", "scores.parquet", "run.json", "tune"} <= {path.name for path in run.iterdir()}
    assert list(ray_folder.rglob("raylet.out"))
    assert telling(run) == []
    assert telling(ray_folder) == []


@pytest.mark.parametrize(
    "uri",
    [
        "s3://me:word@bucket/run",
        "s3://bucket/run?access_key=me&secret_key=word",
        "s3://bucket/run?region=eu-west-1&Session-Token=word",
        "s3://bucket/run?endpoint_override=me%3Aword%40store.example",
        "gs://bucket/run?X-Goog-Signature=word",
    ],
)
def test_a_uri_takes_no_secret_and_does_not_repeat_it(uri: str) -> None:
    with pytest.raises(XrayError, match="credentials") as error:
        to_uri(uri)
    assert "word" not in str(error.value)


def test_what_only_looks_like_one_is_let_through() -> None:
    uri = "s3://tokens/secret%40home?endpoint_override=turnkey.example&region=us-east-1"
    assert to_uri(uri) == uri
