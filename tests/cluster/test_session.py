from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from xray.cluster import session, watch
from xray.core.errors import ResourceError


def test_an_unreachable_cluster_is_refused_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:  # bound, so that nobody else listens there
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with pytest.raises(ResourceError, match=f"RAY_ADDRESS={address}"), session.connected():
            pass


@pytest.mark.parametrize(
    "address",
    ["HTTP://127.0.0.1:8265", " http://127.0.0.1:8265", "10.0.0.1:port", "10.0.0.1:99999", "10.0.0.1", ":6379",
     "ftp://10.0.0.1:6379", "10.0.0.1:" + "9" * 5000],
)  # fmt: skip
def test_what_is_no_address_of_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ResourceError, match="RAY_ADDRESS=") as refused, session.connected():
        pass
    assert address.strip()[:100] in str(refused.value)


@pytest.mark.parametrize("address", ["", " ", "LOCAL", "local "])
def test_an_address_that_means_this_machine_starts_a_local_session(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked: list[object] = []

    def start(**options: object) -> None:
        asked.append(options["address"])
        raise ConnectionError

    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", start)
    with pytest.raises(ResourceError), session.connected():
        pass
    assert asked == ["local"]


def test_a_node_that_does_not_start_in_time_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(**options: object) -> None:
        raise Exception("The current node timed out during startup.")  # as Ray does

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", time_out)
    with pytest.raises(ResourceError, match="timed out during startup"), session.connected():
        pass


def test_a_temporary_folder_too_long_for_sockets_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    code = "from xray.cluster.session import connected\nwith connected(workers=1): pass"
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_TMPDIR", "RAY_ADDRESS")}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, env={**environment, "TMPDIR": str(folder)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    error = ended.stderr.strip().splitlines()[-1]
    assert error.startswith("xray.core.errors.ResourceError")
    assert str(folder) in error
    assert "RAY_TMPDIR" in error


_THREE_SESSIONS = """
import os, ray
from pathlib import Path
from types import SimpleNamespace
from xray.cluster.session import connected

def threads():
    # threads that xray or Ray's exporter of metrics would leave behind have the name of the process
    names = [Path(f"/proc/self/task/{task}/comm").read_text() for task in os.listdir("/proc/self/task")]
    return sum(name == Path("/proc/self/comm").read_text() for name in names)

for _ in range(3):
    with connected(workers=1):
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
    print(threads())
"""


@pytest.mark.slow
def test_sessions_one_after_the_other_leave_no_thread(tmp_path: Path) -> None:
    ended = _python(_THREE_SESSIONS)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["1", "1", "1"]


_LISTENERS = """
import os, psutil, ray
from xray.cluster.session import connected

with connected(workers=1):
    ray.get(ray.remote(lambda: 1).remote())
    ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    for one in psutil.net_connections("inet"):
        if one.status == psutil.CONN_LISTEN and one.pid in ours:
            print(one.laddr.ip)
    folder = ray._private.worker._global_node.get_session_dir_path()
    print(f"{os.stat(os.path.dirname(os.path.dirname(folder))).st_mode & 0o777:o}")
"""


@pytest.mark.slow
def test_a_local_session_is_private(tmp_path: Path) -> None:
    ended = _python(_LISTENERS)
    assert ended.returncode == 0, ended.stderr
    *addresses, mode = ended.stdout.split()
    assert mode == "700"
    assert len(addresses) >= 4
    assert {address.removeprefix("::ffff:") for address in addresses} <= {"127.0.0.1", "::1"}


_JOIN = """
import os, subprocess, sys, ray
from xray.cluster.session import connected

if len(sys.argv) == 1:
    with connected(workers=1):
        address = ray.get_runtime_context().gcs_address
        sys.exit(subprocess.call([sys.executable, "-c", CODE, "join"], env={**os.environ, "RAY_ADDRESS": address}))
with connected():
    print(ray.get(ray.remote(lambda: 41 + 1).remote()))
"""


@pytest.mark.slow
def test_another_process_joins_a_local_session_by_its_address() -> None:
    ended = _python(f"CODE = {_JOIN!r}\n{_JOIN}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "42"


_KILL_ONE = """
import subprocess, sys, psutil, ray
from xray.cluster.session import connected
from xray.core.errors import ResourceError

try:
    with connected(workers=1):
        (process,) = [child for child in psutil.Process().children() if child.name() == sys.argv[1]]
        process.kill()
        ray.get(ray.remote(lambda: __import__("time").sleep(600)).remote())
except ResourceError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("process", "name"), [("gcs_server", "control store"), ("raylet", "raylet")])
def test_a_session_whose_process_dies_ends_with_one_line(process: str, name: str) -> None:
    ended = _python(_KILL_ONE, process)
    assert ended.returncode in (0, 2), ended.stderr  # 2: a call waited in C++, and nothing could be raised
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if "Committed data is safe" in line]
    assert len(said) == 1
    assert name in said[0]
    assert "Traceback" not in ended.stderr


def test_a_raylet_that_died_is_not_blamed_on_what_it_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    watch.check_ray()
    monkeypatch.setattr(watch, "_dead", lambda: ["raylet"])
    monkeypatch.setattr(watch, "_node", lambda: SimpleNamespace(get_logs_dir_path=lambda: "logs"))
    with pytest.raises(ResourceError, match="raylet"):
        watch.check_ray()


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with the environment of a user."""
    own = ("RAY_ADDRESS", "RAY_enable_open_telemetry")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
