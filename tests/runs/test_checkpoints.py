from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.learner_inputs import learner, trial
from support.small_disks import disk

from xray.core.errors import XrayError
from xray.core.uri import to_uri
from xray.runs.checkpoints import Checkpoints, Standing


def standing(epochs: int = 1) -> Standing:
    taught = learner(trial(epochs=5))
    for _ in range(epochs):
        taught.epoch()
    return taught.standing()


def test_a_standing_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Checkpoints(to_uri(tmp_path / "a trial"))
    assert kept.read() is None
    written = standing()
    kept.write(written)
    read = kept.begin()
    assert read is not None
    assert (read.history, read.decisive) == (written.history, written.decisive)
    assert all(torch.equal(value, read.model[name]) for name, value in written.model.items())
    for place, state in written.optimizer["state"].items():
        assert all(torch.equal(value, read.optimizer["state"][place][name]) for name, value in state.items())


def test_the_end_keeps_the_best_weights_alone(tmp_path: Path) -> None:
    kept = Checkpoints(to_uri(tmp_path))
    written = standing()
    kept.write(written)
    name, told_of_file = kept.finish(written.best, {"categories": ["a", "b"]})
    assert kept.begun  # until its predictions are there
    data = (tmp_path / name).read_bytes()
    assert told_of_file == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    kept.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    weights, told = kept.finished()
    assert told == {"categories": ["a", "b"]}
    assert weights.keys() == written.best.keys()


def test_why_a_training_failed_is_kept_until_it_begins_again(tmp_path: Path) -> None:
    kept = Checkpoints(to_uri(tmp_path))
    assert kept.failure() is None
    kept.fail("the loss is no number")
    assert kept.failure() == "the loss is no number"
    assert kept.begin() is None
    assert kept.failure() is None


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoints(to_uri(tmp_path))
    kept.write(standing())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        XrayError,
        match=r"no space left for '.*last\.safetensors', \d.* [kM]B .*: make room.* What was there before stays",
    ):
        kept.write(standing(2))
    monkeypatch.undo()
    read = kept.read()
    assert read is not None
    assert len(read.history) == 1


@pytest.mark.parametrize("cut", [0, 7, 100, 5000])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, cut: int) -> None:
    kept = Checkpoints(to_uri(tmp_path))
    kept.write(standing())
    file = tmp_path / "last.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(XrayError, match=r"the checkpoint .*last\.safetensors is damaged; remove it"):
        kept.read()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB, where one can be had."""
    with disk(tmp_path / "disk", "size=20m") as folder:
        yield folder


def test_a_disk_that_is_really_full_leaves_a_checkpoint_to_go_on_from(small_disk: Path) -> None:
    kept = Checkpoints(to_uri(small_disk / "trial"))
    begun = learner(trial(epochs=4))
    begun.epoch()
    kept.write(begun.standing())
    (small_disk / "others").write_bytes(
        bytes(20 * 2**20 - (small_disk / "trial/last.safetensors").stat().st_size - 2**18)
    )
    begun.epoch()
    with pytest.raises(XrayError, match=r"no space left for .*last\.safetensors"):
        kept.write(begun.standing())
    assert [path.name for path in (small_disk / "trial").iterdir()] == ["last.safetensors"]
    (small_disk / "others").unlink()
    goes_on = learner(trial(epochs=4))
    standing = kept.begin()
    assert standing is not None
    goes_on.restore(standing)
    assert goes_on.epochs == 1
    assert goes_on.epoch()["train_loss"] == begun.history[1]["train_loss"]
    kept.write(goes_on.standing())
