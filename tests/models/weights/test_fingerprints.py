from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.models.weights import check_pinned, fingerprint, pinned, refuse_pickles, variant_of
from xray.models.weights.folder import MANIFEST

from .test_locate import put


@pytest.fixture
def model(tmp_path: Path) -> Path:
    put(tmp_path / "model" / "config.json", b"{}")
    put(tmp_path / "model" / "unet" / "model.safetensors", b"tensors")
    return tmp_path / "model"


def test_fingerprints_equal_those_of_sha256sum(model: Path) -> None:
    assert fingerprint(put(model.parent / "a.pth", b"data")) == hashlib.sha256(b"data").hexdigest()
    listing = subprocess.check_output(["sha256sum", "config.json", "unet/model.safetensors"], cwd=model)
    assert fingerprint(model) == hashlib.sha256(listing).hexdigest()


def test_loaded_files_count_by_name_and_content_and_others_are_ignored(model: Path) -> None:
    before = fingerprint(model)
    for name in (MANIFEST, ".hidden.json", "unet/.cache/notes.json", "README.md", "pytorch_model.bin", "x.py"):
        put(model / name)
    assert fingerprint(model) == before

    seen = {before}
    put(model / "tokenizer" / "vocab.json")
    seen.add(fingerprint(model))
    (model / "tokenizer" / "vocab.json").rename(model / "tokenizer" / "merges.txt")
    seen.add(fingerprint(model))
    put(model / "unet" / "model.safetensors", b"tensorz")
    seen.add(fingerprint(model))
    assert len(seen) == 4


def test_links_count_as_their_targets(model: Path, tmp_path: Path) -> None:
    before = fingerprint(model)
    (model / "config.json").rename(tmp_path / "blob")
    (model / "config.json").symlink_to(tmp_path / "blob")
    assert fingerprint(model) == before


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(XrayError, match="no weights at"):
            fingerprint(path)
    put(tmp_path / "pytorch_model.bin")
    with pytest.raises(XrayError, match=r"refused the weights .*pytorch_model\.bin"):
        fingerprint(tmp_path)


@pytest.mark.parametrize("suffix", ["bin", "ckpt", "pt", "pth", "pkl"])
def test_pickles_without_safetensors_beside_them_are_refused(model: Path, suffix: str) -> None:
    put(model / "unet" / f"model.{suffix}")
    refuse_pickles(model)
    bad = put(model / "vae" / f"model.{suffix}")
    with pytest.raises(XrayError, match="pickle") as caught:
        refuse_pickles(model)
    assert str(bad) in str(caught.value)


def test_weights_that_differ_from_the_plan_are_refused(model: Path) -> None:
    pins = pinned([str(model), str(model)])
    assert pins == {str(model): fingerprint(model)}
    check_pinned(pins)
    put(model / "unet" / "model.safetensors", b"tensorz")
    with pytest.raises(XrayError) as caught:
        check_pinned(pins)
    for part in (str(model), pins[str(model)][:12], fingerprint(model)[:12]):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.safetensors", "model.fp16.safetensors"], None),
        (["unet/model.fp16.safetensors", "vae/model.safetensors"], "fp16"),
        (["model.fp16-00001-of-00002.safetensors"], "fp16"),
        (["Hyper-SDXL.lora.v1.safetensors"], "v1"),
        ([], None),
    ],
)
def test_variant_of_a_folder(tmp_path: Path, names: list[str], expected: str | None) -> None:
    for name in names:
        put(tmp_path / name)
    assert variant_of(tmp_path) == expected
