from __future__ import annotations

from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.models.weights import CATALOG, locate, weights_folder
from xray.models.weights.folder import MANIFEST, folder_name, read_manifest


def put(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_weights_folder_is_the_variable_or_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, expected in (("", "weights"), ("~/shared", "shared")):
        monkeypatch.setenv("XRAY_WEIGHTS", value)
        assert weights_folder() == tmp_path / expected


def test_a_name_means_its_folder_or_the_only_visible_file_in_it(folder: Path) -> None:
    checkpoint = put(folder / "sam-vit-h" / "sam_vit_h_4b8939.pth")
    for hidden in (MANIFEST, ".cache/huggingface/notes.json", ".nfs0001"):
        put(folder / "sam-vit-h" / hidden)
    put(folder / "lab--model" / "model.safetensors")
    put(folder / "lab--model" / "unet" / "config.json")
    assert locate("sam-vit-h") == checkpoint
    assert locate("lab/model") == folder / "lab--model"


def test_pulled_weights_win_over_a_path_without_a_dot(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = put(tmp_path / "my" / "lora.safetensors")
    assert locate(str(file)) == locate("my/lora.safetensors") == locate("~/my/lora.safetensors") == file
    assert locate("./my") == locate("my") == file.parent
    pulled = put(folder / "lab--model" / "model.safetensors")
    own = put(tmp_path / "lab" / "model" / "model.safetensors")
    put(tmp_path / "sam-vit-h" / "model.pth")
    assert locate("lab/model") == pulled
    assert locate("./lab/model") == own.parent
    with pytest.raises(XrayError, match="xray weights pull sam-vit-h"):
        locate("sam-vit-h")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("sam-vit-h", r"'sam-vit-h'.*xray weights pull sam-vit-h.*--folder F.*XRAY_WEIGHTS=F"),
        ("lab/model", r"'lab/model'.*xray weights pull lab/model"),
        ("sam-vit-hug", r"'sam-vit-hug'; did you mean 'sam-vit-h.*choices: "),
        ("./nowhere", r"no weights at '\./nowhere'"),
        ("nowhere.onnx", r"no weights at 'nowhere\.onnx'"),
        ("", "unknown weights ''"),
    ],
)
def test_missing_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XrayError, match=message):
        locate(reference)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"files": {}, "nonsense": 1}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: bytes) -> None:
    put(tmp_path / MANIFEST, text)
    with pytest.raises(XrayError, match=MANIFEST):
        read_manifest(tmp_path)


def test_catalogue_entries_are_complete() -> None:
    for name, entry in CATALOG.items():
        assert folder_name(name) == name
        assert bool(entry.repo) != bool(entry.url)
        assert all((entry.use, entry.licence, entry.seen))
        assert 0 < entry.gigabytes < 20
        assert all(len(sha256) == 64 and int(sha256, 16) for sha256 in entry.sha256.values())
        if entry.url:
            assert entry.url.startswith("https://")
            assert list(entry.sha256) == [entry.url.rpartition("/")[2]]
        else:
            assert entry.files
            assert len(entry.revision or "") == 40 or entry.sha256, "a branch needs hashes that pin its files"
            assert all(file.endswith(".safetensors") for file in entry.sha256)
