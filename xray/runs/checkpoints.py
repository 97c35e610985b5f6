"""The files of one training: the state to resume from while it goes on, and the best weights once it has ended.

Both are safetensors files that describe themselves in their metadata. Each is written under another name and renamed,
so that a failed write leaves the previous file unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import xxhash

from xray.core.checksummed import check_record, with_checksum
from xray.core.errors import DamagedError
from xray.core.files import delete_file, exists, write_bytes
from xray.core.uri import join, location
from xray.core.verified import Committed
from xray.models.weights.checkpoint import Weights
from xray.runs.receipts import file_facts

if TYPE_CHECKING:
    import torch

_HASH = "xxh3_64"
_RESTART = "the training starts again with the same command"
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
        made_from: hashes of what it is trained on (see `xray.runs.dependencies`); None if an earlier version wrote it.
    """

    model: Weights
    optimizer: dict[str, Any]
    best: Weights
    history: list[dict[str, Any]]
    decisive: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)
    made_from: dict[str, str] | None = None

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
        metadata = json.dumps(
            {
                "plain": plain,
                "groups": self.optimizer["param_groups"],
                "history": self.history,
                "decisive": self.decisive,
                "scaler": self.scaler,
                "made_from": self.made_from,
            }
        )
        tensors = _detached(tensors)
        return save(tensors, {"xray": metadata, _HASH: _content_hash(tensors, metadata)})

    @classmethod
    def from_bytes(cls, data: pa.Buffer) -> Self:
        """Decode a safetensors file.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is damaged.
        """
        tensors, metadata = _load(data, hashed=True)
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
            metadata.get("made_from"),
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
            DamagedError: it is not as it was written.
        """
        if not self.started:
            return None
        uri = join(self.folder, _STATE)
        data = Committed(uri, {}, _RESTART).read()
        try:
            return TrainState.from_bytes(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"the checkpoint {location(uri)} is damaged ({error}); {_RESTART}") from error

    def resume(self) -> TrainState | None:
        """Remove the record of a failure, and read the last state; see `read`."""
        self._delete(_FAILED)
        return self.read()

    def drop_damaged_state(self) -> bool:
        """Remove the state of a training if it is damaged, so that the training starts again; return whether it was."""
        try:
            self.read()
        except DamagedError:
            self.drop_state()
            return True
        return False

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

    def finished(self, entry: Mapping[str, Any] | None = None) -> tuple[Weights, dict[str, Any]]:
        """Read the best weights and their metadata; `entry` is that of the receipt, which they are compared with.

        Raises:
            DamagedError: there are none, or they are not as they were committed.
        """
        uri = join(self.folder, _BEST)
        mend = "`xray verify RUN --repair` and `xray sweep` train the model again"
        data = Committed(uri, entry or {}, mend).read()
        try:
            return _load(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"the weights {location(uri)} are damaged ({error}); {mend}") from error

    def fail(self, reason: str) -> None:
        """Record why the training failed."""
        write_bytes(join(self.folder, _FAILED), with_checksum({"reason": reason}))

    def failure(self) -> str | None:
        """Return the error message if the training failed, else None.

        Raises:
            DamagedError: the record of the failure is not as it was written.
        """
        uri = join(self.folder, _FAILED)
        if not exists(uri):
            return None
        data = Committed(uri, {}, _RESTART).read().to_pybytes()
        return str(check_record(data, uri, ["reason"], "`xray sweep` tries the training again")["reason"])

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


def _content_hash(tensors: Weights, metadata: str) -> str:
    """Hash names, types, shapes and values of tensors, and their metadata."""
    import torch

    content = xxhash.xxh3_64(metadata.encode())
    for name, value in sorted(tensors.items()):
        content.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        content.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()


def _load(data: pa.Buffer, *, hashed: bool = False) -> tuple[Weights, dict[str, Any]]:
    """Decode a safetensors file; if `hashed`, it has its own hash, unless an earlier version wrote it."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = data.to_pybytes()
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    if hashed and header.keys() != {"xray"} and header[_HASH] != _content_hash(tensors, header["xray"]):
        raise ValueError("its hash is another one")
    metadata: dict[str, Any] = json.loads(header["xray"])
    return tensors, metadata
