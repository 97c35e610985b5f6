"""The files of one training: the state to resume from while it goes on, and the best weights once it has ended.

Both are safetensors files that describe themselves in their metadata. Each is written under another name and renamed,
so that a failed write leaves the previous file unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from xray.core.errors import StorageError
from xray.core.files import delete_file, exists, read_bytes, write_bytes
from xray.core.uri import join
from xray.models.weights.checkpoint import Weights
from xray.runs.receipts import file_facts

if TYPE_CHECKING:
    import torch

_STATE, _BEST, _FAILED = "last.safetensors", "model.safetensors", "failed.json"


@dataclass
class TrainState:
    """The state of a training at the end of an epoch.

    Args:
        model: weights and buffers.
        optimizer: its `state_dict`.
        best: weights and buffers of the best epoch so far.
        history: one row per epoch (see `xray.core.schema.HISTORY`).
        decisive: the settings that it started with (see `xray.runs.trial.Trial.decisive`).
        scaler: `state_dict` of the gradient scaler of mixed precision.
    """

    model: Weights
    optimizer: dict[str, Any]
    best: Weights
    history: list[dict[str, Any]]
    decisive: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Encode as a safetensors file."""
        import torch
        from safetensors.torch import save

        plain: dict[str, dict[str, Any]] = {}
        tensors = _prefixed("model", self.model) | _prefixed("best", self.best)
        for index, state in self.optimizer["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain.setdefault(str(index), {})[name] = value
        metadata = {
            "plain": plain,
            "groups": self.optimizer["param_groups"],
            "history": self.history,
            "decisive": self.decisive,
            "scaler": self.scaler,
        }
        return save(_detached(tensors), {"xray": json.dumps(metadata)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode a safetensors file.

        Raises:
            ValueError: it is damaged.
            KeyError: its metadata lack something.
        """
        tensors, metadata = _load(data)
        parts: dict[str, Any] = {"model": {}, "best": {}}
        state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in metadata["plain"].items()}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            if part == "optimizer":
                index, _, name = name.partition("/")
                state.setdefault(int(index), {})[name] = value
            else:
                parts[part][name] = value
        return cls(
            parts["model"],
            {"state": state, "param_groups": metadata["groups"]},
            parts["best"],
            metadata["history"],
            metadata["decisive"],
            metadata["scaler"],
        )


@dataclass(frozen=True)
class Checkpoints:
    """The files of one trial.

    Args:
        folder: its URI.
    """

    folder: str

    @property
    def started(self) -> bool:
        """Whether there is a state to resume from."""
        return exists(join(self.folder, _STATE))

    def write(self, state: TrainState) -> None:
        """Write the state of a training.

        Raises:
            StorageError: the disk is full or cannot be written to; the previous state stays.
        """
        write_bytes(join(self.folder, _STATE), state.to_bytes())

    def read(self) -> TrainState | None:
        """Read the last state of a training; None if there is none.

        Raises:
            StorageError: the file is damaged.
        """
        if not self.started:
            return None
        try:
            return TrainState.from_bytes(read_bytes(join(self.folder, _STATE)))
        except (ValueError, KeyError) as error:
            raise StorageError(f"the checkpoint {join(self.folder, _STATE)} is damaged; remove it: {error}") from error

    def resume(self) -> TrainState | None:
        """Remove the record of a failure, and read the last state; see `read`."""
        self._delete(_FAILED)
        return self.read()

    def drop_state(self) -> None:
        """Remove the state of a training."""
        self._delete(_STATE)

    def finish(self, best: Weights, metadata: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Write the best weights.

        Returns:
            The file's name in the folder, and its entry for a receipt (see `xray.runs.receipts.file_facts`).
        """
        from safetensors.torch import save

        data = save(_detached(best), {"xray": json.dumps(metadata)})
        write_bytes(join(self.folder, _BEST), data)
        return _BEST, file_facts(data)

    def finished(self) -> tuple[Weights, dict[str, Any]]:
        """Read the best weights and their metadata.

        Raises:
            Rejected: there are none.
        """
        return _load(read_bytes(join(self.folder, _BEST)))

    def fail(self, reason: str) -> None:
        """Record why the training failed."""
        write_bytes(join(self.folder, _FAILED), json.dumps({"reason": reason}).encode())

    def failure(self) -> str | None:
        """Return the error message if the training failed, else None."""
        if not exists(join(self.folder, _FAILED)):
            return None
        return str(json.loads(read_bytes(join(self.folder, _FAILED)))["reason"])

    def _delete(self, name: str) -> None:
        if exists(join(self.folder, name)):
            delete_file(join(self.folder, name))


def copy_weights(module: torch.nn.Module) -> Weights:
    """Copy a module's current weights and buffers to the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in module.state_dict().items()}


def _prefixed(part: str, weights: Weights) -> Weights:
    return {f"{part}/{name}": value for name, value in weights.items()}


def _detached(tensors: Weights) -> Weights:
    """Give each tensor its own memory, which safetensors requires."""
    return {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}


def _load(data: bytes) -> tuple[Weights, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata: dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["xray"])
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return tensors, metadata
