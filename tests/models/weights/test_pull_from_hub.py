"""Repositories, over real HTTP from a local hub."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.models.weights import CATALOG, CatalogEntry, fingerprint, locate, pull, resolve, verify
from xray.models.weights.fingerprint import LOADED, variants
from xray.models.weights.folder import MANIFEST, read_manifest
from xray.models.weights.hub import select_files

from .conftest import COMMIT, FILES, NEWER, REPO, Server

TENSORS = FILES["model.safetensors"]
SHA256 = hashlib.sha256(TENSORS).hexdigest()


def entry(revision: str, sha256: dict[str, str], files: str = "*") -> CatalogEntry:
    return CatalogEntry("test", "MIT", 0, "", REPO, revision, (files,), sha256=sha256)


def test_a_pull_brings_the_loadable_files_and_pins_them(hub: Server, folder: Path) -> None:
    pulled = pull(REPO)
    assert pulled.downloaded
    assert sorted(path.name for path in pulled.path.iterdir()) == ["config.json", "model.safetensors", MANIFEST]
    assert pulled.path == folder / "lab--tiny-model" == locate(REPO)
    manifest = read_manifest(pulled.path)
    assert manifest == pulled.manifest
    assert manifest
    assert (manifest.repo, manifest.revision, manifest.licence) == (REPO, COMMIT, "mit")
    assert manifest.files["model.safetensors"].sha256 == SHA256
    assert manifest.bytes == len(TENSORS) + len(FILES["config.json"])
    assert manifest.fingerprint == fingerprint(locate(REPO))
    assert COMMIT in pulled.notes[0]
    assert not any("partial" in path.name or "former" in path.name for path in folder.iterdir())
    assert not any(path.endswith((".bin", ".md", "fp16.safetensors")) for path in hub.paths("GET") + hub.paths("HEAD"))


def test_a_manifest_of_an_earlier_version_is_read(folder: Path) -> None:
    target = folder / "lab--tiny-model"
    target.mkdir(parents=True)
    (target / "model.safetensors").write_bytes(TENSORS)
    files = {"model.safetensors": {"bytes": len(TENSORS), "sha256": SHA256}}
    manifest = {"files": files, "fingerprint": SHA256, "reference": REPO, "repo": REPO, "revision": COMMIT}
    (target / MANIFEST).write_text(json.dumps({**manifest, "licence": "mit", "pulled": "2025-01-01T00:00:00+00:00"}))
    assert verify() == {REPO: []}
    assert not pull(REPO, COMMIT).downloaded


def test_complete_weights_are_not_downloaded_again(hub: Server) -> None:
    pull(REPO)
    hub.requests.clear()
    assert not pull(REPO, COMMIT).downloaded
    assert hub.requests == []
    assert not pull(REPO).downloaded
    assert [path for path in hub.paths() if "resolve" in path] == []


def test_a_newer_revision_replaces_the_former_one(hub: Server, folder: Path) -> None:
    first = pull(REPO, COMMIT)
    hub.revisions[NEWER] = {"model.safetensors": b"newer", "other.json": b"{}"}
    second = pull(REPO)
    assert (second.downloaded, second.manifest.revision) == (True, NEWER)
    assert sorted(path.name for path in second.path.iterdir()) == ["model.safetensors", "other.json", MANIFEST]
    assert second.manifest.fingerprint != first.manifest.fingerprint
    assert verify() == {REPO: []}
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) == ["lab--tiny-model"]


def test_a_catalogue_name_brings_its_files_at_its_revision(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOG, "tiny", entry(COMMIT, {"model.safetensors": SHA256}, "model*.safetensors"))
    hub.revisions[NEWER] = {"model.safetensors": b"newer"}
    pulled = pull("tiny")
    assert (pulled.manifest.revision, pulled.notes) == (COMMIT, ())
    assert locate("tiny") == pulled.path / "model.safetensors"
    assert pulled.manifest.fingerprint == fingerprint(locate("tiny")) == SHA256


@pytest.mark.parametrize("name", ["model.safetensors", "vae/model.safetensors"])
def test_a_repository_that_contradicts_the_catalogue_is_refused(
    hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(CATALOG, "tiny", entry("main", {name: "0" * 64}))
    with pytest.raises(XrayError, match=f"refused 'tiny'.* {name}"):
        pull("tiny")
    assert not folder.exists()
    assert pull("tiny", COMMIT).downloaded, "another revision is the caller's choice"


@pytest.mark.parametrize("altered", [b"x" * len(TENSORS), b"short"])
def test_bytes_that_differ_from_the_listing_are_removed(hub: Server, folder: Path, altered: bytes) -> None:
    hub.altered = altered
    with pytest.raises(XrayError, match=r"refused model\.safetensors of|cannot pull"):
        pull(REPO)
    assert not (folder / "lab--tiny-model").exists()
    assert list(folder.rglob("model.safetensors")) == []
    hub.altered = b""
    assert pull(REPO).downloaded


def test_a_small_file_that_differs_from_the_listing_is_removed(
    hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = resolve(REPO)
    hub.revisions[COMMIT]["config.json"] = FILES["config.json"].replace(b"tiny", b"evil")
    monkeypatch.setattr(sys.modules["xray.models.weights.pull"], "resolve", lambda *_: listed)
    with pytest.raises(XrayError, match=r"refused config\.json of"):
        pull(REPO)
    assert list(folder.rglob("config.json")) == []


def test_an_interrupted_pull_keeps_complete_files(hub: Server, folder: Path) -> None:
    hub.refusals = {f"/{REPO}/resolve/{COMMIT}/model": (403, "")}
    with pytest.raises(XrayError, match="cannot pull"):
        pull(REPO)
    with pytest.raises(XrayError, match="xray weights pull lab/tiny-model"):
        locate(REPO)
    assert list(folder.rglob("config.json"))
    hub.refusals, hub.requests = {}, []
    assert pull(REPO).downloaded
    assert [path for path in hub.paths() if path.endswith("config.json")] == []
    assert verify() == {REPO: []}


def test_a_flipped_byte_is_repaired_without_downloading_the_rest(hub: Server) -> None:
    hub.revisions[COMMIT]["more.safetensors"] = b"more" * 100
    path = pull(REPO).path / "model.safetensors"
    path.write_bytes(b"X" + TENSORS[1:])
    hub.requests.clear()
    assert pull(REPO).downloaded
    assert path.read_bytes() == TENSORS
    assert [path for path in hub.paths() if path.endswith("more.safetensors")] == []
    assert verify() == {REPO: []}


@pytest.mark.parametrize(("status", "code"), [(401, "RepoNotFound"), (403, "GatedRepo"), (403, "")])
def test_denied_access_says_how_to_log_in(
    hub: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int, code: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.refusals = {"/": (status, code)}
    with pytest.raises(XrayError) as caught:
        pull(REPO)
    message = str(caught.value)
    assert all(part in message for part in (REPO, str(status), "hf auth login", "HF_TOKEN", "XRAY_WEIGHTS=F"))
    assert hub.requests[0][2]["authorization"] == "Bearer hf_secretsecret"
    assert "secret" not in message + "".join(capfd.readouterr())


def test_the_token_is_sent_but_not_stored(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    path = pull(REPO).path
    assert {headers.get("authorization") for _, _, headers in hub.requests} == {"Bearer hf_secretsecret"}
    assert "secret" not in "".join(file.read_text("latin-1") for file in path.parent.rglob("*") if file.is_file())


@pytest.mark.parametrize("revision", ["nonsense", "f" * 40])
def test_an_unknown_revision(hub: Server, revision: str) -> None:
    with pytest.raises(XrayError, match=r"'lab/tiny-model'.* revision.*404"):
        pull(REPO, revision)


def test_no_connection(hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(XrayError, match=r"'lab/tiny-model'.*--folder F.*XRAY_WEIGHTS=F"):
        pull(REPO)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(XrayError, match="HF_HUB_OFFLINE"):
        pull(REPO)
    assert not folder.exists()


def test_an_incomplete_download_is_never_a_pull(hub: Server, folder: Path) -> None:
    staging = folder / f".lab--tiny-model.{platform.node()}.partial"
    staging.mkdir(parents=True)
    (staging / "config.json").write_bytes(FILES["config.json"])
    hub.refusals = {f"/api/models/{REPO}/tree": (403, "")}  # the client accepts a folder as it is if it cannot list
    with pytest.raises(XrayError, match=r"model\.safetensors did not arrive"):
        pull(REPO)
    assert not (folder / "lab--tiny-model").exists()


def test_a_repository_of_pickles_is_refused(hub: Server, folder: Path) -> None:
    hub.revisions[COMMIT] = {"config.json": b"{}", "pytorch_model.bin": b"\x80"}
    for files in ([], ["*.bin"]):
        with pytest.raises(XrayError, match=r"pickles \(pytorch_model\.bin\)"):
            pull(REPO, files=files)
    assert not folder.exists()


def test_files_can_be_chosen(hub: Server) -> None:
    pulled = pull(REPO, files=["model.safetensors"])
    assert locate(REPO) == pulled.path / "model.safetensors"
    with pytest.raises(XrayError, match="no safetensors that fit"):
        pull(REPO, files=["config.json", "*.md"])


def test_a_folder_that_cannot_be_written(hub: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(XrayError, match="cannot write"):
        pull(REPO, folder=tmp_path / "file")


names = st.lists(
    st.sampled_from(["model_index.json", "unet/m.safetensors", "unet/m.fp16.safetensors", "unet/m.non_ema.safetensors"])
    | st.from_regex(r"(vae/|unet/|\.git/|\.\./)?[a-z]{1,3}(\.fp16)?\.(safetensors|bin|json|pt|py)", fullmatch=True),
    unique=True,
)


@given(names)
def test_selected_files_are_loadable_and_no_tensors_are_lost(names: list[str]) -> None:
    selected = select_files(names, ["*"])
    assert selected == sorted(set(selected)) == select_files(reversed(names), ["*"])
    assert set(selected) <= set(names)
    assert all(name.endswith(LOADED) and not name.startswith(".") for name in selected)
    safe = [name for name in names if not name.startswith(".") and ("/" in name or "model_index.json" not in names)]
    chosen = variants(selected)
    assert chosen.keys() == variants(safe).keys()
    assert all(len(each) == 1 for each in chosen.values()), "never two variants of one folder"
