"""Repositories: over real HTTP, from a hub on this machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.models.weights import KNOWN, Known, fingerprint, locate, offered, pull, verify
from xray.models.weights.fingerprint import LOADED, variant
from xray.models.weights.folder import MANIFEST, read_manifest
from xray.models.weights.hub import chosen, git_blob

from .conftest import COMMIT, FILES, NEWER, REPO, Server

TENSORS = FILES["model.safetensors"]


def test_a_pull_brings_what_is_loaded_and_pins_it(hub: Server, folder: Path) -> None:
    pulled = pull(REPO)
    assert pulled.anew
    assert sorted(path.name for path in pulled.path.iterdir()) == ["config.json", "model.safetensors", MANIFEST]
    assert pulled.path == folder / "lab--tiny-model" == locate(REPO)
    manifest = read_manifest(pulled.path)
    assert manifest == pulled.manifest
    assert manifest
    assert (manifest.repo, manifest.revision, manifest.licence) == (REPO, COMMIT, "mit")
    assert manifest.files["model.safetensors"].sha256 == hashlib.sha256(TENSORS).hexdigest()
    assert manifest.bytes == len(TENSORS) + len(FILES["config.json"])
    assert manifest.fingerprint == fingerprint(locate(REPO))
    assert COMMIT in pulled.remarks[0]
    assert [path for path in folder.iterdir() if "partial" in path.name] == []


def test_nothing_else_was_even_asked_for(hub: Server) -> None:
    pull(REPO)
    assert not any(path.endswith((".bin", ".md", "fp16.safetensors")) for path in hub.paths("GET") + hub.paths("HEAD"))


def test_a_second_pull_of_a_commit_asks_nobody(hub: Server) -> None:
    pull(REPO, COMMIT)
    hub.asked.clear()
    again = pull(REPO, COMMIT)
    assert not again.anew
    assert hub.asked == []


def test_a_branch_is_looked_up_and_nothing_fetched_if_it_has_not_moved(hub: Server) -> None:
    pull(REPO)
    hub.asked.clear()
    assert not pull(REPO).anew
    assert [path for path in hub.paths() if "resolve" in path] == []


def test_a_newer_revision_takes_the_place_of_the_former(hub: Server) -> None:
    first = pull(REPO, COMMIT)
    hub.revisions[NEWER] = {"model.safetensors": b"newer", "other.json": b"{}"}
    second = pull(REPO)
    assert (second.anew, second.manifest.revision) == (True, NEWER)
    assert sorted(second.manifest.files) == ["model.safetensors", "other.json"]
    assert not (second.path / "config.json").exists()
    assert second.manifest.fingerprint != first.manifest.fingerprint
    assert verify() == {REPO: []}


def test_a_registered_name_brings_its_files_at_its_revision(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = {"model.safetensors": hashlib.sha256(TENSORS).hexdigest()}
    monkeypatch.setitem(
        KNOWN, "tiny", Known("test", "MIT", 0, "", REPO, COMMIT, ("model*.safetensors",), sha256=sha256)
    )
    hub.revisions[NEWER] = {"model.safetensors": b"newer"}
    pulled = pull("tiny")
    assert (pulled.manifest.revision, pulled.remarks) == (COMMIT, ())
    assert locate("tiny") == pulled.path / "model.safetensors"  # the only file
    assert pulled.manifest.fingerprint == fingerprint(locate("tiny")) == sha256["model.safetensors"]


def test_a_repository_that_has_another_file_than_the_registry_is_refused(
    hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = {"model.safetensors": "0" * 64}
    monkeypatch.setitem(KNOWN, "tiny", Known("test", "MIT", 0, "", REPO, "main", ("*",), sha256=sha256))
    with pytest.raises(XrayError, match=r"refused 'tiny': the hub has another model\.safetensors"):
        pull("tiny")
    assert not folder.exists()
    assert pull("tiny", COMMIT).anew  # another revision is the caller's choice


def test_a_repository_that_lacks_a_file_of_the_registry_is_refused(
    hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known("test", "MIT", 0, "", REPO, COMMIT, ("*",), sha256={"vae/model.safetensors": "0" * 64})
    monkeypatch.setitem(KNOWN, "tiny", known)
    with pytest.raises(XrayError, match=r"refused 'tiny': the hub has no vae/model\.safetensors"):
        pull("tiny")


@pytest.mark.parametrize("altered", [b"x" * len(TENSORS), b"short"])
def test_bytes_that_differ_from_the_listing_are_not_kept(hub: Server, folder: Path, altered: bytes) -> None:
    hub.altered = altered
    with pytest.raises(XrayError, match=r"refused model\.safetensors of|cannot pull"):
        pull(REPO)
    assert not (folder / "lab--tiny-model").exists()
    assert list(folder.rglob("model.safetensors")) == []
    hub.altered = b""
    assert pull(REPO).anew


def test_a_small_file_that_differs_from_the_listing_is_not_kept(
    hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = offered(REPO)
    hub.revisions[COMMIT]["config.json"] = FILES["config.json"].replace(b"tiny", b"evil")
    monkeypatch.setattr(sys.modules["xray.models.weights.pull"], "offered", lambda *_: offer)
    with pytest.raises(XrayError, match=r"refused config\.json of"):
        pull(REPO)
    assert list(folder.rglob("config.json")) == []


def test_a_cut_connection_is_gone_on_with(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    hub.cuts = [1000]
    path = f"/{REPO}/resolve/{COMMIT}/model.safetensors"
    hub.revisions[COMMIT] = {"model.safetensors": TENSORS}
    assert (pull(REPO).path / "model.safetensors").read_bytes() == TENSORS
    assert [headers.get("range") for headers in hub.headers(path)] == [None, "bytes=1000-"]


def test_what_arrived_before_an_interruption_is_not_fetched_again(hub: Server, folder: Path) -> None:
    hub.refusals = {f"/{REPO}/resolve/{COMMIT}/model": (403, "")}
    with pytest.raises(XrayError, match="cannot pull"):
        pull(REPO)
    with pytest.raises(XrayError, match="xray weights pull lab/tiny-model"):
        locate(REPO)
    assert list(folder.rglob("config.json"))
    hub.refusals, hub.asked = {}, []
    assert pull(REPO).anew
    assert [path for path in hub.paths() if path.endswith("config.json")] == []
    assert verify() == {REPO: []}


def test_a_flipped_byte_is_repaired_without_fetching_the_rest(hub: Server) -> None:
    hub.revisions[COMMIT]["more.safetensors"] = b"more" * 100
    where = pull(REPO).path / "model.safetensors"
    where.write_bytes(b"X" + TENSORS[1:])
    hub.asked.clear()
    assert pull(REPO).anew
    assert where.read_bytes() == TENSORS
    assert [path for path in hub.paths() if path.endswith("more.safetensors")] == []
    assert verify() == {REPO: []}


@pytest.mark.parametrize(
    ("status", "code"), [(401, ""), (401, "RepoNotFound"), (401, "GatedRepo"), (403, "GatedRepo"), (403, "")]
)
def test_gated_repositories_say_what_to_do(
    hub: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int, code: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.refusals = {"/": (status, code)}
    with pytest.raises(XrayError) as caught:
        pull(REPO)
    message = str(caught.value)
    for part in (
        REPO,
        str(status),
        "hf auth login",
        "HF_TOKEN",
        f"xray weights pull {REPO} --folder F",
        "XRAY_WEIGHTS=F",
    ):
        assert part in message
    assert hub.asked[0][2]["authorization"] == "Bearer hf_secretsecret"
    assert "secret" not in message + "".join(capfd.readouterr())


def test_a_repository_that_is_gated_only_when_files_are_asked_for(hub: Server, folder: Path) -> None:
    hub.refusals = {f"/{REPO}/resolve": (403, "GatedRepo")}
    with pytest.raises(XrayError, match="cannot pull"):
        pull(REPO)
    assert not (folder / "lab--tiny-model").exists()


def test_no_token_in_the_manifest(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    path = pull(REPO).path
    assert {headers.get("authorization") for _, _, headers in hub.asked} == {"Bearer hf_secretsecret"}
    assert "secret" not in "".join(file.read_text("latin-1") for file in path.parent.rglob("*") if file.is_file())


@pytest.mark.parametrize("revision", ["nonsense", "f" * 40])
def test_an_unknown_revision(hub: Server, revision: str) -> None:
    with pytest.raises(XrayError, match="the hub has no 'lab/tiny-model', or not this revision"):
        pull(REPO, revision)


def test_without_a_connection_the_error_says_what_to_do(
    hub: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(XrayError, match=r"cannot pull 'lab/tiny-model': .*--folder F.*XRAY_WEIGHTS=F"):
        pull(REPO)
    assert not folder.exists()


def test_in_offline_mode_the_error_names_the_variable(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(XrayError, match="HF_HUB_OFFLINE is set"):
        pull(REPO)


def test_a_connection_lost_in_the_middle_never_passes_for_a_pull(hub: Server, folder: Path) -> None:
    started = folder / f".lab--tiny-model.{platform.node()}.partial"
    started.mkdir(parents=True)
    (started / "config.json").write_bytes(FILES["config.json"])
    hub.refusals = {f"/api/models/{REPO}/tree": (403, "")}  # the client takes a folder as it is if it cannot list
    with pytest.raises(XrayError, match=r"model\.safetensors did not arrive; pull again to go on"):
        pull(REPO)
    assert not (folder / "lab--tiny-model").exists()


def test_a_repository_of_pickles_is_refused_by_name(hub: Server, folder: Path) -> None:
    hub.revisions[COMMIT] = {"config.json": b"{}", "pytorch_model.bin": b"\x80"}
    with pytest.raises(XrayError, match=r"only as pickles \(pytorch_model\.bin\)"):
        pull(REPO)
    with pytest.raises(XrayError, match=r"only as pickles"):
        pull(REPO, files=["*.bin"])
    assert not folder.exists()


def test_files_can_be_chosen(hub: Server) -> None:
    pulled = pull(REPO, files=["model.safetensors"])
    assert locate(REPO) == pulled.path / "model.safetensors"


def test_a_folder_that_cannot_be_written(hub: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(XrayError, match="cannot write"):
        pull(REPO, folder=tmp_path / "file")


def test_two_processes_pull_the_same_at_once(hub: Server, folder: Path, tmp_path: Path) -> None:
    hub.revisions[COMMIT]["model.safetensors"] = TENSORS * 20
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    program = f"from xray.models.weights import pull; print(pull({REPO!r}).manifest.fingerprint)"
    both = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1] == fingerprint(locate(REPO))
    assert verify() == {REPO: []}
    assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock")) == ["lab--tiny-model"]


def test_git_blob(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello\n")
    assert git_blob(tmp_path / "file") == "ce013625030ba8dba906f756967f9e9ca394464a"  # of git hash-object


names = st.lists(
    st.sampled_from(["model_index.json", "unet/m.safetensors", "unet/m.fp16.safetensors", "unet/m.non_ema.safetensors"])
    | st.from_regex(r"(vae/|unet/|\.git/|\.\./)?[a-z]{1,3}(\.fp16)?\.(safetensors|bin|json|pt|py)", fullmatch=True),
    unique=True,
)


@given(names)
def test_chosen_files_are_loadable_and_no_weights_are_lost(names: list[str]) -> None:
    got = chosen(names, ["*"])
    assert got == sorted(set(got)) == chosen(reversed(names), ["*"])
    assert set(got) <= set(names)
    assert all(name.endswith(LOADED) and not name.startswith(".") for name in got)
    safe = [name for name in names if name.endswith(".safetensors") and not name.startswith(".")]
    if "model_index.json" in names:
        safe = [name for name in safe if "/" in name]
    by_folder = {name.rpartition("/")[0] for name in safe}
    assert {name.rpartition("/")[0] for name in got if name.endswith(".safetensors")} == by_folder
    for place in by_folder:  # never two variants of one folder
        taken = {variant(name) for name in got if name.rpartition("/")[0] == place and name.endswith(".safetensors")}
        assert len(taken) == 1
