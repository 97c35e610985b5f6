"""What a reference means, and what is said where it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.models.weights import KNOWN, Known, locate, weights_folder
from xray.models.weights.folder import MANIFEST, folder_name, read_manifest


def put(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_folder_is_the_variable_or_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path))
    monkeypatch.delenv("XRAY_WEIGHTS", raising=False)
    assert weights_folder() == tmp_path / "weights"
    monkeypatch.setenv("XRAY_WEIGHTS", "")
    assert weights_folder() == tmp_path / "weights"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XRAY_WEIGHTS", "~/shared")
    assert weights_folder() == tmp_path / "shared"


def test_a_name_is_a_folder_or_the_one_file_in_it(folder: Path) -> None:
    checkpoint = put(folder / "sam-vit-h" / "sam_vit_h_4b8939.pth")
    put(checkpoint.with_name(MANIFEST), b"{}")
    put(folder / "sdxl-base" / "model_index.json")
    put(folder / "sdxl-base" / "unet" / "model.safetensors")
    put(folder / "lab--model" / "model.safetensors")
    put(folder / "lab--model" / "config.json")
    assert locate("sam-vit-h") == checkpoint
    assert locate("sdxl-base") == folder / "sdxl-base"
    assert locate("lab/model") == folder / "lab--model"


def test_hidden_files_do_not_count(folder: Path) -> None:
    lora = put(folder / "lcm-lora-sdxl" / "pytorch_lora_weights.safetensors")
    put(lora.parent / ".cache" / "huggingface" / "notes.json")
    put(lora.parent / ".nfs0001")
    assert locate("lcm-lora-sdxl") == lora


def test_paths(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(tmp_path / "my" / "lora.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate(str(file)) == locate("my/lora.safetensors") == locate("~/my/lora.safetensors") == file
    assert locate("./my") == locate("my") == file.parent


def test_what_was_pulled_wins_over_a_path_unless_it_begins_with_a_dot(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pulled = put(folder / "lab--model" / "model.safetensors")
    mine = put(tmp_path / "lab" / "model" / "model.safetensors")
    put(tmp_path / "sam-vit-h" / "model.pth")
    assert locate("lab/model") == pulled
    assert locate("./lab/model") == mine.parent
    with pytest.raises(XrayError, match="xray weights pull sam-vit-h"):
        locate("sam-vit-h")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("sam-vit-h", r"'sam-vit-h' are not in .*xray weights pull sam-vit-h.*--folder F.*XRAY_WEIGHTS=F.*of your own"),
        ("lab/model", r"'lab/model' are not in .*no such file or folder; xray weights pull lab/model"),
        ("sam-vit-hug", r"unknown weights 'sam-vit-hug'; did you mean 'sam-vit-h.*choices: .*hub id org/name"),
        ("./mine", r"no weights at '\./mine': no such file or folder"),
        ("/nowhere/at/all", "no weights at '/nowhere/at/all'"),
        ("", "unknown weights ''"),
    ],
)
def test_what_is_not_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XrayError, match=says):
        locate(reference)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    for text in (b"{", b"[]", b'{"files": []}', b'{"files": {}, "nonsense": 1}'):
        put(tmp_path / MANIFEST, text)
        with pytest.raises(XrayError, match=MANIFEST):
            read_manifest(tmp_path)


def test_every_registered_entry_is_whole() -> None:
    for name, known in KNOWN.items():
        assert folder_name(name) == name
        assert bool(known.repo) != bool(known.url)
        assert known.use
        assert known.licence
        assert known.seen
        assert 0 < known.gigabytes < 20
        assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in known.sha256.values())
        if known.url:
            assert known.url.startswith("https://")
            assert list(known.sha256) == [known.url.rpartition("/")[2]]
        else:
            check_repository(known)


def check_repository(known: Known) -> None:
    assert known.files
    assert known.revision
    assert len(known.revision) == 40 or known.sha256  # a branch is only good if hashes pin what it has
    assert all(name.endswith(".safetensors") for name in known.sha256)
