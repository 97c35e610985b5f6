"""What is kept of a training: where it stands while it goes on, and the best weights when it has ended.

Both are safetensors files that say in their metadata what they hold; each is written under another name and renamed, so
that one that cannot be written leaves the one before as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from xray.core.errors import XrayError
from xray.core.files import delete_file, exists, read_bytes, write_bytes
from xray.core.uri import join
from xray.models.weights.checkpoint import Weights
from xray.runs.receipts import sums

if TYPE_CHECKING:
    import torch

_STANDING, _BEST, _FAILED = "last.safetensors", "model.safetensors", "failed.json"


@dataclass
class Standing:
    """Where a training stands at the end of an epoch.

    Args:
        model: weights and buffers.
        optimizer: as its `state_dict` tells.
        best: weights and buffers of the best epoch so far.
        history: a row an epoch (see `xray.core.schema.HISTORY`).
        decisive: the settings that it began with (see `xray.runs.trial.Trial.decisive`).
        scaler: of mixed precision, as its `state_dict` tells.
    """

    model: Weights
    optimizer: dict[str, Any]
    best: Weights
    history: list[dict[str, Any]]
    decisive: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        import torch
        from safetensors.torch import save

        plain: dict[str, dict[str, Any]] = {}
        tensors = _named("model", self.model) | _named("best", self.best)
        for place, state in self.optimizer["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer/{place}/{name}"] = value
                else:
                    plain.setdefault(str(place), {})[name] = value
        told = {
            "plain": plain,
            "groups": self.optimizer["param_groups"],
            "history": self.history,
            "decisive": self.decisive,
            "scaler": self.scaler,
        }
        return save(_apart(tensors), {"xray": json.dumps(told)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From a safetensors file."""
        tensors, told = _read(data)
        parts: dict[str, Any] = {"model": {}, "best": {}}
        state: dict[int, dict[str, Any]] = {int(place): dict(values) for place, values in told["plain"].items()}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            if part == "optimizer":
                place, _, name = name.partition("/")
                state.setdefault(int(place), {})[name] = value
            else:
                parts[part][name] = value
        optimizer = {"state": state, "param_groups": told["groups"]}
        return cls(parts["model"], optimizer, parts["best"], told["history"], told["decisive"], told["scaler"])


@dataclass(frozen=True)
class Checkpoints:
    """The files of one trial.

    Args:
        folder: its URI.
    """

    folder: str

    def write(self, standing: Standing) -> None:
        """Keep where a training stands.

        Raises:
            XrayError: it cannot be written, as where no space is left; the one before stays.
        """
        write_bytes(join(self.folder, _STANDING), standing.to_bytes())

    def read(self) -> Standing | None:
        """Where a training stood last; None if it has not begun.

        Raises:
            XrayError: the file is damaged.
        """
        if not self.begun:
            return None
        try:
            return Standing.from_bytes(read_bytes(join(self.folder, _STANDING)))
        except (ValueError, KeyError) as error:
            raise XrayError(f"the checkpoint {join(self.folder, _STANDING)} is damaged; remove it: {error}") from error

    def finish(self, best: Weights, told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Keep the best weights with what they are.

        Returns:
            The file's name in the folder, and what a receipt tells of its bytes.
        """
        from safetensors.torch import save

        data = save(_apart(dict(best)), {"xray": json.dumps(told)})
        write_bytes(join(self.folder, _BEST), data)
        return _BEST, sums(data)

    def forget(self) -> None:
        """Drop where a training stood."""
        self._drop(_STANDING)

    def fail(self, reason: str) -> None:
        """Keep why a training came to no end."""
        write_bytes(join(self.folder, _FAILED), json.dumps({"reason": reason}).encode())

    def failure(self) -> str | None:
        """Why it came to no end, if it did not."""
        if not exists(join(self.folder, _FAILED)):
            return None
        return str(json.loads(read_bytes(join(self.folder, _FAILED)))["reason"])

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return exists(join(self.folder, _STANDING))

    def begin(self) -> Standing | None:
        """Forget that it failed, and go on where it stood; see `read`."""
        self._drop(_FAILED)
        return self.read()

    def _drop(self, name: str) -> None:
        if exists(join(self.folder, name)):
            delete_file(join(self.folder, name))

    def finished(self) -> tuple[Weights, dict[str, Any]]:
        """The best weights, and what they are.

        Raises:
            Rejected: there are none.
        """
        return _read(read_bytes(join(self.folder, _BEST)))


def copied(module: torch.nn.Module) -> Weights:
    """The weights and buffers of a module as they are now, on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in module.state_dict().items()}


def _named(part: str, weights: Weights) -> Weights:
    return {f"{part}/{name}": value for name, value in weights.items()}


def _apart(tensors: Weights) -> Weights:
    """Each tensor with memory of its own, as safetensors wants it."""
    return {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}


def _read(data: bytes) -> tuple[Weights, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        told: dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["xray"])
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return tensors, told
