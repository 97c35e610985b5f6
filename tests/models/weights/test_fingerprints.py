"""Hashes of what is loaded, and the refusal of what would run code."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.models.weights import check_pinned, fingerprint, pinned, refuse_pickles, variant_of
from xray.models.weights.folder import MANIFEST

from .test_locate import put


@pytest.fixture
def model(tmp_path: Path) -> Path:
    put(tmp_path / "model" / "config.json", b"{}")
    put(tmp_path / "model" / "unet" / "model.safetensors", b"tensors")
    return tmp_path / "model"


def test_of_a_file_it_is_its_hash(tmp_path: Path) -> None:
    assert fingerprint(put(tmp_path / "a.pth", b"data")) == hashlib.sha256(b"data").hexdigest()


def test_of_a_folder_it_can_be_checked_by_hand(model: Path) -> None:
    listing = subprocess.check_output(["sha256sum", "config.json", "unet/model.safetensors"], cwd=model)
    assert fingerprint(model) == hashlib.sha256(listing).hexdigest()


@pytest.mark.parametrize(
    "name",
    [MANIFEST, ".hidden.json", ".cache/notes.json", "unet/.cache/notes.json", "README.md", "pytorch_model.bin", "x.py"],
)
def test_what_is_not_loaded_does_not_count(model: Path, name: str) -> None:
    before = fingerprint(model)
    put(model / name)
    assert fingerprint(model) == before


def test_everything_that_is_loaded_counts(model: Path) -> None:
    seen = {fingerprint(model)}
    put(model / "tokenizer" / "vocab.json")
    seen.add(fingerprint(model))
    (model / "tokenizer" / "vocab.json").rename(model / "tokenizer" / "merges.txt")
    seen.add(fingerprint(model))
    put(model / "unet" / "model.safetensors", b"tensorz")
    seen.add(fingerprint(model))
    assert len(seen) == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.dictionaries(st.sampled_from([f"{a}{b}.json" for a in "ab" for b in ("", "/c", "-")]), st.binary(), min_size=1)
)
def test_it_is_the_same_whatever_order_files_were_written_in(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folders = [tmp_path_factory.mktemp("model") for _ in range(2)]
    for folder, names in zip(folders, (list(files), list(reversed(files))), strict=True):
        for name in names:
            put(folder / name, files[name])
    assert fingerprint(folders[0]) == fingerprint(folders[1])


def test_links_count_as_what_they_lead_to(model: Path, tmp_path: Path) -> None:
    before = fingerprint(model)
    (model / "config.json").rename(tmp_path / "blob")
    (model / "config.json").symlink_to(tmp_path / "blob")
    assert fingerprint(model) == before


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="no file there ends in"):
        fingerprint(tmp_path)
    with pytest.raises(XrayError, match="no weights at"):
        fingerprint(tmp_path / "nowhere")
    put(tmp_path / "pytorch_model.bin")
    with pytest.raises(XrayError, match=r"refused the weights .*pytorch_model\.bin"):
        fingerprint(tmp_path)


@pytest.mark.parametrize("ending", ["bin", "ckpt", "pt", "pth", "pkl"])
def test_weights_that_are_only_pickles_are_named(model: Path, ending: str) -> None:
    put(model / "unet" / f"model.{ending}")
    refuse_pickles(model)
    bad = put(model / "vae" / f"model.{ending}")
    with pytest.raises(XrayError, match="a pickle can run code") as caught:
        refuse_pickles(model)
    assert str(bad) in str(caught.value)


def test_a_plan_is_held_to_its_weights(model: Path) -> None:
    pins = pinned([str(model), str(model)])
    assert pins == {str(model): fingerprint(model)}
    check_pinned(pins)
    put(model / "unet" / "model.safetensors", b"tensorz")
    with pytest.raises(XrayError, match="have changed since the plan") as caught:
        check_pinned(pins)
    for part in (str(model), pins[str(model)][:12], fingerprint(model)[:12]):
        assert part in str(caught.value)


def test_the_variant_of_a_folder(tmp_path: Path) -> None:
    put(tmp_path / "full" / "model.safetensors")
    put(tmp_path / "full" / "model.fp16.safetensors")
    assert variant_of(tmp_path / "full") is None
    put(tmp_path / "half" / "unet" / "model.fp16.safetensors")
    put(tmp_path / "half" / "vae" / "model.safetensors")
    assert variant_of(tmp_path / "half") == "fp16"
    assert variant_of(tmp_path / "half" / "vae") is None
    put(tmp_path / "odd" / "model.fp16-00001-of-00002.safetensors")
    assert variant_of(tmp_path / "odd") == "fp16"
    put(tmp_path / "lora" / "Hyper-SDXL.lora.v1.safetensors")
    assert variant_of(tmp_path) == "fp16"
