from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support.learner_inputs import make_learner, make_trial
from support.small_disks import disk

from xray.core.errors import DamagedError, StorageError
from xray.core.uri import to_uri
from xray.runs.checkpoints import Checkpoints, TrainState


def trained_state(epochs: int = 1) -> TrainState:
    learner = make_learner(make_trial(epochs=5))
    for _ in range(epochs):
        learner.epoch()
    return learner.state()


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path / "a trial"))
    assert checkpoints.read() is None
    written = trained_state()
    checkpoints.write(written)
    read = checkpoints.resume()
    assert read is not None
    assert (read.history, read.decisive) == (written.history, written.decisive)
    assert all(torch.equal(value, read.model[name]) for name, value in written.model.items())
    for index, state in written.optimizer["state"].items():
        assert all(torch.equal(value, read.optimizer["state"][index][name]) for name, value in state.items())


def test_finishing_keeps_the_state_until_it_is_dropped(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    written = trained_state()
    checkpoints.write(written)
    name, entry = checkpoints.finish(written.best, {"categories": ["a", "b"]})
    assert checkpoints.started
    data = (tmp_path / name).read_bytes()
    assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    checkpoints.drop_state()
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    weights, metadata = checkpoints.finished()
    assert metadata == {"categories": ["a", "b"]}
    assert weights.keys() == written.best.keys()


def test_a_failure_is_recorded_until_the_training_resumes(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    assert checkpoints.failure() is None
    checkpoints.fail("the loss is not a number")
    assert checkpoints.failure() == "the loss is not a number"
    assert checkpoints.resume() is None
    assert checkpoints.failure() is None


def test_a_failed_write_keeps_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    checkpoints.write(trained_state())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"last\.safetensors"):
        checkpoints.write(trained_state(2))
    monkeypatch.undo()
    read = checkpoints.read()
    assert read is not None
    assert len(read.history) == 1


@pytest.mark.parametrize("size", [0, 7, 100, 5000])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, size: int) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    checkpoints.write(trained_state())
    file = tmp_path / "last.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(StorageError, match=r"last\.safetensors is damaged"):
        checkpoints.read()


def test_a_flipped_bit_in_a_checkpoint_drops_it_and_nothing_else(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    assert not checkpoints.drop_damaged_state()
    checkpoints.write(trained_state())
    file = tmp_path / "last.safetensors"
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for position in (*range(0, header, header // 30), *range(header, len(whole), len(whole) // 10)):
        data = bytearray(whole)
        data[position] ^= 1 << position % 8
        file.write_bytes(data)
        with pytest.raises(DamagedError, match=r"last\.safetensors"):
            checkpoints.read()
        assert checkpoints.drop_damaged_state()
        assert not file.exists()
    file.write_bytes(whole)
    assert not checkpoints.drop_damaged_state()
    assert file.exists()


def test_a_checkpoint_of_an_earlier_version_has_no_hash(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    checkpoints.write(trained_state())
    file = tmp_path / "last.safetensors"
    with safe_open(file, "pt") as content:
        metadata = content.metadata()
    save_file(load_file(file), file, {"xray": metadata["xray"]})
    assert checkpoints.read() is not None


def test_finished_weights_are_compared_with_their_receipt(tmp_path: Path) -> None:
    checkpoints = Checkpoints(to_uri(tmp_path))
    name, entry = checkpoints.finish(trained_state().best, {})
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    assert checkpoints.finished()
    with pytest.raises(DamagedError, match=r"model\.safetensors is not as it was committed"):
        checkpoints.finished(entry)


@pytest.mark.parametrize(
    ("data", "reason"), [(b'{"reason": "no GPU"}', "no GPU"), (b'{"reasos": "no GPU"}', None), (b"{", None)]
)
def test_failures_of_earlier_versions_have_no_hash_and_damaged_ones_are_refused(
    tmp_path: Path, data: bytes, reason: str | None
) -> None:
    (tmp_path / "failed.json").write_bytes(data)
    with contextlib.nullcontext() if reason else pytest.raises(DamagedError, match=r"failed\.json"):
        assert Checkpoints(to_uri(tmp_path)).failure() == reason


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB, where the machine allows one."""
    with disk(tmp_path / "disk", "size=20m") as folder:
        yield folder


def test_a_full_disk_leaves_a_checkpoint_to_resume_from(small_disk: Path) -> None:
    checkpoints = Checkpoints(to_uri(small_disk / "trial"))
    trial = make_trial(epochs=4)
    started = make_learner(trial)
    started.epoch()
    checkpoints.write(started.state())
    size = (small_disk / "trial/last.safetensors").stat().st_size
    (small_disk / "others").write_bytes(bytes(20 * 2**20 - size - 2**18))
    started.epoch()
    with pytest.raises(StorageError, match=r"last\.safetensors"):
        checkpoints.write(started.state())
    assert [path.name for path in (small_disk / "trial").iterdir()] == ["last.safetensors"]
    (small_disk / "others").unlink()
    resumed = make_learner(trial)
    state = checkpoints.resume()
    assert state is not None
    resumed.restore(state)
    assert resumed.epochs == 1
    assert resumed.epoch()["train_loss"] == started.history[1]["train_loss"]
    checkpoints.write(resumed.state())
