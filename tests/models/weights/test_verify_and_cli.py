from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from xray.cli.weights import app, out
from xray.core.errors import XrayError
from xray.models.weights import CATALOG, CatalogEntry, pinned, pull, verify

from .conftest import COMMIT, FILES, REPO, Server


def run(*arguments: str) -> Result:
    out.width = 240  # wrap no cell
    return CliRunner().invoke(app, list(arguments))


def test_verify_reports_differences_by_file(hub: Server) -> None:
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
    assert REPO in str(result.exception)
    with pytest.raises(XrayError, match=r"'lab/tiny-mode'; did you mean 'lab/tiny-model'"):
        verify(["lab/tiny-mode"])


def test_weights_that_changed_since_the_pull_are_not_planned_with(hub: Server) -> None:
    pulled = pull(REPO)
    assert pinned([REPO]) == {REPO: pulled.manifest.fingerprint}
    data = bytearray(FILES["model.safetensors"])
    data[5000] ^= 1
    (pulled.path / "model.safetensors").write_bytes(data)
    with pytest.raises(XrayError, match=f"{REPO}.*since they were pulled"):
        pinned([REPO])


def test_verify_of_an_empty_folder(folder: Path) -> None:
    assert (run("verify").exit_code, verify()) == (0, {})


def test_list_shows_the_catalogue_and_the_folder(hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOG, "tiny", CatalogEntry("a test", "MIT", 1.5, "", REPO, COMMIT, ("*",)))
    before = run("list").stdout
    assert all(name in before and CATALOG[name].licence in before for name in CATALOG)
    assert "1.5 GB" in before
    assert str(folder) in before
    for reference in ("tiny", REPO):
        fingerprint = pull(reference).manifest.fingerprint
    rows = [line.split() for line in run("list").stdout.splitlines()]
    assert [row[-1] for row in rows if row and row[0] in ("tiny", REPO)] == [fingerprint[:12]] * 2


def test_pull_prints_its_result(hub: Server, tmp_path: Path) -> None:
    options = (REPO, "--folder", str(tmp_path / "F"))
    result = run("pull", *options)
    assert result.exit_code == 0
    assert all(part in result.stdout for part in ("note: ", COMMIT, "pulled, 2 files, 102.4 kB, licence mit"))
    assert "already here" in run("pull", *options).stdout
    assert run("verify", *options).exit_code == 0


def test_dry_run_reports_sizes_and_writes_nothing(hub: Server, folder: Path) -> None:
    result = run("pull", REPO, "--dry-run").stdout
    assert "model.safetensors  102.4 kB" in result
    assert f"2 files, 102.4 kB, licence mit, from {REPO} at {COMMIT}" in result
    hub.files["/tiny.pth"] = b"x" * 1500
    address = f"{hub.address}/tiny.pth"
    result = run("pull", f"{address}?token=secret", "--sha256", hashlib.sha256(b"").hexdigest(), "--dry-run").stdout
    assert f"1 files, 1.5 kB, licence unknown, from {address};" in result
    assert not folder.exists()


def test_options_for_one_name_are_refused_for_several(folder: Path) -> None:
    result = run("pull", "a/b", "c/d", "--revision", "main")
    assert isinstance(result.exception, XrayError)
    assert "--revision" in str(result.exception)
