"""Fixtures of all tests: one Ray session, a cache folder, tiny weights, photographs, an object store."""

from __future__ import annotations

import functools
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pyarrow import fs
from xdist.scheduler import LoadScopeScheduling

os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"})
os.environ.update({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"})
# Each Ray session but the last leaves a thread of this exporter behind, which can crash the process at its exit.
os.environ.update({"RAY_enable_open_telemetry": "0", "RAY_worker_niceness": "0"})

# CI tries the same examples every time, so that a change fails only by its own fault.
hypothesis.settings.register_profile("ci", max_examples=25, derandomize=True, deadline=None)
hypothesis.settings.register_profile("dev", max_examples=25, deadline=None)
hypothesis.settings.register_profile("nightly", max_examples=200, deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


class OneRayWorker(LoadScopeScheduling):
    """Gives each file to one worker of pytest-xdist, and all files with Ray tests to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if _uses_ray(self.config.rootpath / file) else file


@functools.cache
def _uses_ray(file: Path) -> bool:
    text = file.read_text()
    return "ray_session" in text or "without_gpus" in text


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneRayWorker:
    """Share one Ray session between all tests, however many workers there are."""
    return OneRayWorker(config, log)


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep caches in a folder of the test session and out of the home folder."""
    before = os.environ.get("XRAY_CACHE")
    os.environ["XRAY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XRAY_CACHE") if before is None else os.environ.update(XRAY_CACHE=before)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Start one Ray session of 4 CPUs and 4 logical GPUs for all tests; tests that mean CPUs ask for them."""
    import ray

    with pytest.MonkeyPatch.context() as patch:  # workers import the plug-ins of tests
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray's processes outlive their handles
        ray.shutdown()
        gc.collect()


@pytest.fixture
def without_gpus(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the GPUs of the Ray session from xray, as on a cluster that has none."""
    from xray.cluster import session

    nodes, resources = session.nodes, session.resources
    monkeypatch.setattr(session, "nodes", lambda: [{**node, "GPU": 0.0} for node in nodes()])
    monkeypatch.setattr(session, "resources", lambda: {**resources(), "GPU": 0.0})


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a SAM, `sam`, and a Stable Diffusion XL, `sdxl`, of random weights."""
    import torch
    from support.tiny_models import tiny_sdxl
    from support.tiny_sam import tiny_sam_folder

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("weights")
    tiny_sam_folder(folder / "sam")
    tiny_sdxl(folder / "sdxl")
    return folder


@pytest.fixture(scope="session")
def photos12() -> Path:
    """Return a folder of real photographs with masks; skip the test without one."""
    folder = Path(os.environ.get("XRAY_PHOTOS12", Path(__file__).parents[1] / "../shared/photos12"))
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}")
    return folder.resolve()


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """Serve a bucket in a local object store; the URI is `s3://…{}…`, to be formatted with a path."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    uri = f"s3://photos/{{}}?scheme=http&endpoint_override={host}%3A{port}&region=us-east-1"
    fs.S3FileSystem(
        access_key="test",
        secret_key="test",
        scheme="http",
        endpoint_override=f"{host}:{port}",
        region="us-east-1",
        allow_bucket_creation=True,
    ).create_dir("photos")
    yield uri
    server.stop()
