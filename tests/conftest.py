"""One Ray session for all tests, a home of their own, and small drawn inputs for the real code."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest
from pyarrow import fs

os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"})
os.environ.update({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"})

# Anything may be found on a desk; what decides whether a change lands tries the same examples each time.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


_SESSION = pytest.StashKey[pytest.Session]()


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches go to a folder of the test session, never to the home folder."""
    before = os.environ.get("XRAY_CACHE")
    os.environ["XRAY_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XRAY_CACHE") if before is None else os.environ.update(XRAY_CACHE=before)


@pytest.fixture(scope="module")
def ray_session() -> None:
    """A Ray of our own without GPUs, shared by all tests that distribute."""
    _ray(num_gpus=0)


@pytest.fixture(scope="module")
def ray_with_gpus() -> None:
    """One with four GPUs that Ray counts and nobody has, for models that are given their share of one on a CPU."""
    _ray(num_gpus=4)


def _ray(num_gpus: int) -> None:
    """Connect to a Ray with so many GPUs; one with another number ends, whatever the order of the tests."""
    import ray

    if ray.is_initialized():
        if ray.cluster_resources().get("GPU", 0) == num_gpus:
            return
        _end(ray)
    with pytest.MonkeyPatch.context() as patch:  # workers find the plug-ins of tests
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=num_gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )


@pytest.fixture(autouse=True, scope="session")
def _ray_ends() -> Iterator[None]:
    yield
    if "ray" in sys.modules:
        _end(sys.modules["ray"])


def _end(ray: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # its processes take their time to end
        ray.shutdown()
        gc.collect()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End at once, all having been told: threads of Ray sessions that have ended live on in this process.

    Now and then one of them hashed a text (`std::_Hash_bytes`) that the end of the process had freed already: 3,431
    tests had passed, and the exit code was that of a segmentation fault. No process with one session was seen to do so.
    """
    session = config.stash.get(_SESSION, None)
    if session is None or "ray" not in sys.modules:
        return
    config.get_terminal_writer().flush()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(session.exitstatus))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_SESSION] = session


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SAM, `sam.pth`, and a Stable Diffusion XL, `sdxl`, of random weights."""
    import torch
    from support.tiny_models import tiny_sdxl
    from support.tiny_sam import tiny_sam_checkpoint

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("weights")
    tiny_sam_checkpoint(folder / "sam.pth")
    tiny_sdxl(folder / "sdxl")
    return folder


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
