"""`xray weights`: list, pull, verify."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from xray.cli.weights import app
from xray.core.errors import XrayError
from xray.models.weights import KNOWN, Known, pull, verify

from .conftest import COMMIT, FILES, REPO, Server


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, list(arguments))


def test_verify_finds_what_differs(hub: Server) -> None:
    path = pull(REPO).path
    assert verify() == verify([REPO]) == {REPO: []}
    data = bytearray(FILES["model.safetensors"])
    data[5000] ^= 1
    (path / "model.safetensors").write_bytes(data)
    (path / "extra.json").write_text("{}")
    assert verify() == {REPO: ["changed model.safetensors", "extra extra.json"]}
    (path / "model.safetensors").write_bytes(data[:-1])
    (path / "config.json").unlink()
    assert verify([REPO]) == {REPO: ["missing config.json", "changed model.safetensors", "extra extra.json"]}
    result = run("verify")
    assert "missing config.json; changed model.safetensors; extra extra.json" in result.stdout
    assert isinstance(result.exception, XrayError)
    assert "1 of 1 weights are not as they were: lab/tiny-model" in str(result.exception)


def test_verify_refuses_what_was_not_pulled(hub: Server) -> None:
    pull(REPO)
    with pytest.raises(XrayError, match=r"unknown weights 'lab/tiny-mode'; did you mean 'lab/tiny-model'"):
        verify(["lab/tiny-mode"])


def test_verify_of_nothing(folder: Path) -> None:
    result = run("verify")
    assert (result.exit_code, result.stdout) == (0, "nothing was pulled yet\n")


def test_list_says_what_there_is_and_what_is_here(hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN, "tiny", Known("a test", "MIT", 1.5, "", REPO, COMMIT, ("*",)))
    before = run("list").stdout
    assert all(name in before and KNOWN[name].licence in before for name in KNOWN)
    assert "1.5 GB" in before
    assert str(folder) in before
    for reference in ("tiny", REPO):
        fingerprint = pull(reference).manifest.fingerprint
    after = run("list").stdout
    assert [line.split()[-1] for line in after.splitlines() if line.strip().startswith(("tiny", REPO))] == [
        fingerprint[:12]
    ] * 2


def test_pull_says_what_it_brought(hub: Server, tmp_path: Path) -> None:
    result = run("pull", REPO, "--folder", str(tmp_path / "F"))
    assert result.exit_code == 0
    assert f"note: no revision was named; the newest is {COMMIT}" in result.stdout
    assert "lab/tiny-model: pulled, 2 files, 102.4 kB, licence mit, fingerprint " in result.stdout
    assert "here already" in run("pull", REPO, "--folder", str(tmp_path / "F")).stdout
    assert "as it was" in run("verify", REPO, "--folder", str(tmp_path / "F")).stdout


def test_dry_run_says_how_much_and_writes_nothing(hub: Server, folder: Path) -> None:
    result = run("pull", REPO, "--dry-run")
    assert "model.safetensors  102.4 kB" in result.stdout
    assert f"would bring 2 files, 102.4 kB, licence mit, from {REPO} at {COMMIT}; nothing written" in result.stdout
    assert not folder.exists()
    hub.files["/tiny.pth"] = b"x" * 1500
    address = f"{hub.address}/tiny.pth"
    result = run("pull", f"{address}?token=secret", "--sha256", hashlib.sha256(b"").hexdigest(), "--dry-run")
    assert f"would bring 1 files, 1.5 kB, licence not told, from {address}; nothing written" in result.stdout
    assert not folder.exists()


def test_options_of_one_name_refuse_several(folder: Path) -> None:
    result = run("pull", "a/b", "c/d", "--revision", "main")
    assert isinstance(result.exception, XrayError)
    assert "one name at a time" in str(result.exception)
