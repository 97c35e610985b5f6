"""One Ray session for all tests, a home of their own, and small drawn inputs for the real code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pyarrow import fs

os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"})
os.environ.update({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"})

# Anything may be found on a desk; what decides whether a change lands tries the same examples each time.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches go to a folder of the test session, never to the home folder."""
    before = os.environ.get("XRAY_CACHE")
    os.environ["XRAY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XRAY_CACHE") if before is None else os.environ.update(XRAY_CACHE=before)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray of our own, shared by all tests that distribute."""
    import ray

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def photos12() -> Path:
    """A folder of real photographs with masks, where there is one."""
    folder = Path(os.environ.get("XRAY_PHOTOS12", Path(__file__).parents[1] / "../shared/photos12"))
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}")
    return folder.resolve()


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket in a local object store, as `s3://…{}…` with a place for the path."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = f"s3://photos/{{}}?scheme=http&endpoint_override={host}%3A{port}&region=us-east-1"
    fs.S3FileSystem(
        access_key="test",
        secret_key="test",
        scheme="http",
        endpoint_override=f"{host}:{port}",
        region="us-east-1",
        allow_bucket_creation=True,
    ).create_dir("photos")
    yield place
    server.stop()
