from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from xray.cluster import session
from xray.core.errors import ResourceError


def test_an_unreachable_cluster_is_refused_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**options: object) -> None:
        raise ConnectionError(f"Failed to connect to Ray cluster at {options['address']}")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", unreachable)
    with pytest.raises(ResourceError, match=r"RAY_ADDRESS=10\.0\.0\.1:6379"), session.connected():
        pass


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
