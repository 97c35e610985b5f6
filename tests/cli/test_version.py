from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from xray.cli.version import version
from xray.core import environment


def test_the_versions_of_what_decides_what_xray_can_do() -> None:
    command = [sys.executable, "-c", "from xray.cli.main import main; main()", "--version"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["xray", "Python", "ray", "torch"]
    assert lines[1].split()[1] == sys.version.split()[0]
    assert lines[2] == f"ray {importlib.metadata.version('ray')}"


def test_missing_libraries_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_version", lambda library: None)
    environment.environment.cache_clear()
    try:
        assert [extra in version() for extra in ("[ray]", "[models]")] == [True, True]
    finally:
        environment.environment.cache_clear()


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    script = (
        "import sys\nfrom xray.cli.main import app\napp(['--help'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'ray', 'pandas', 'pyarrow', 'cv2', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
