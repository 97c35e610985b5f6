"""Stages, shards, and the receipts that stages leave of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from xray.core.errors import DamagedError

Stage = tuple[str, ...]

MASK: Stage = ("mask",)
REMOVE: Stage = ("remove",)
GENERATE: Stage = ("generate",)
DERIVED: Stage = ("derived",)
"""Not a stage of shards: tables such as `scores`, whose facts are kept as receipts are."""

_TABLES = {
    "mask": {"masks"},
    "remove": {"removed"},
    "generate": {"images"},
    "evaluate": {"predictions"},
    "features": {"features"},
    "train": {"predictions"},
}
"""The tables that each kind of stage always leaves."""


def evaluation(model: str) -> Stage:
    """The stage of evaluating one model."""
    return ("evaluate", model)


def features(model: str) -> Stage:
    """The stage of computing the features of one pretrained model, which its heads are trained on."""
    return ("features", model)


def training(model: str, scenario: str) -> Stage:
    """The stage of training one model within a scenario; its shards are folds, or repeats of them."""
    return ("train", model, scenario)


def training_shard(fold: int, repeat: int = 0) -> str:
    """Name the training of a fold; the first one of several by the fold alone.

    >>> training_shard(11), training_shard(11, repeat=2)
    ('11', '11-2')
    """
    return f"{fold}-{repeat}" if repeat else str(fold)


def parse_training_shard(shard: str) -> tuple[int, int]:
    """Return the fold and the repeat of a training.

    >>> parse_training_shard("11"), parse_training_shard("11-2")
    ((11, 0), (11, 2))
    """
    fold, _, repeat = shard.partition("-")
    return int(fold), int(repeat or 0)


def file_facts(data: bytes) -> dict[str, Any]:
    """Describe a file's bytes as receipts do.

    >>> file_facts(b"")["sha256"][:8], file_facts(b"")["bytes"]
    ('e3b0c442', 0)
    """
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


@dataclass(frozen=True)
class Shard:
    """The rows of a shard: the unit of work.

    Args:
        name: `PP-SS-NNNNN` (see `xray.runs.ids.ShardId`).
        source: its photographs (SOURCE).
        plan: the images to make of them (PLAN).
    """

    name: str
    source: pa.Table
    plan: pa.Table


@dataclass(frozen=True)
class Receipt:
    """The record of one shard that was committed in one stage.

    Args:
        shard: its name; of `MASK` and `REMOVE` a photo batch, of a training see `training_shard`.
        files: path in the run, sha256, bytes and rows by table; `weights`, those of a trained model, have no rows.
        counts: rows by scenario, then by outcome.
        seconds: time of one worker.
        facts: anything else worth recording, such as the hash of the weights.
        made_from: hashes of what it was made from, by name; see `xray.runs.dependencies`. Empty in runs of an earlier
            version: then nothing is compared.
        content: hashes of what trainings depend on, by name; see `xray.runs.dependencies.content_of`.
    """

    shard: str
    files: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Mapping[str, int]]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    made_from: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any], name: str) -> Self:
        """Return the receipt that JSON values describe.

        Raises:
            DamagedError: they describe none, or a file outside of the run; it names the receipt's file, `name`.
        """
        try:
            receipt = cls(**values)
            names = [part for entry in receipt.files.values() for part in entry["path"]]
            numbers = [n for counts in receipt.counts.values() for n in counts.values()]
            numbers += [entry["bytes"] for entry in receipt.files.values()]
            texts = [receipt.shard, *receipt.made_from.values(), *receipt.content.values()]
            faulty = [name for name, entry in receipt.files.items() if not _is_file_entry(name, entry)]
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise _damaged(name, repr(error)) from error
        if outside := [part for part in names if not _is_name(part)]:
            raise _damaged(name, f"it names a file outside of the run, by {outside[0]!r}")
        if not all(isinstance(one, int) for one in numbers) or not all(isinstance(one, str) for one in texts):
            raise _damaged(name, "sizes and counts must be numbers, hashes text")
        if faulty:
            raise _damaged(name, f"what it says of the file of {faulty[0]!r} is incomplete, or of other types")
        if not isinstance(receipt.seconds, int | float) or not isinstance(receipt.facts, Mapping):
            raise _damaged(name, "its seconds must be a number, its facts a mapping")
        return receipt

    def check_of(self, stage: Stage, shard: str, name: str) -> None:
        """Check that this can be the receipt of a shard; its files may be those of another shard with the same rows.

        Raises:
            DamagedError: it is of another shard, or lacks a table of the stage or the number of its rows, or its files
                are not in the folders of the stage.
        """
        if self.shard != shard:
            raise _damaged(name, f"it is that of {self.shard[:80]!r}")
        if lacking := sorted(_TABLES.get(stage[0], set()) - self.files.keys()):
            raise _damaged(name, f"it names no file of {lacking[0]!r}")
        for table, entry in self.files.items():
            folder = ["trials", *stage[1:]] if table == "weights" else [table, *stage[1:]]
            if entry["path"][: len(folder)] != folder or len(entry["path"]) != len(folder) + 1 + (table == "weights"):
                raise _damaged(name, f"its file of {table!r} is not in {'/'.join(folder)}")
            if table != "weights" and "rows" not in entry:
                raise _damaged(name, f"it does not say how many rows {table!r} has")

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(file["bytes"] for file in self.files.values())


def _damaged(name: str, problem: str) -> DamagedError:
    return DamagedError(f"{name} is no receipt ({problem}); `xray verify RUN` lists all damage")


def _is_name(part: object) -> bool:
    """Whether a part of a path names a file or folder below the one before it."""
    if not isinstance(part, str) or any("\ud800" <= character <= "\udfff" for character in part):
        return False
    return "/" not in part and "\0" not in part and part not in ("", ".", "..")


def _is_file_entry(name: str, entry: Mapping[str, Any]) -> bool:
    """Whether what a receipt says of a file has the types that readers rely on."""
    extends = entry.get("extends", [])
    return (
        isinstance(entry["path"], list)
        and bool(entry["path"])
        and all(_is_size(entry[key]) for key in ("bytes", "rows") if key in entry)
        and isinstance(entry.get("sha256", "" if name == "weights" else None), str)
        and isinstance(extends, list)
        and all(isinstance(one, str) for one in extends)
        and _are_chunks(entry.get("chunks", []), entry["bytes"])
        and isinstance(entry.get("rest", None if entry.get("chunks") else ""), str)
    )


def _are_chunks(chunks: Any, size: int) -> bool:
    """Whether these are parts of a file, one after the other, each with its hash."""
    if not isinstance(chunks, list):
        return False
    end = 0
    for start, stop, sha in chunks:
        if not (_is_size(start) and _is_size(stop) and end <= start <= stop <= size and isinstance(sha, str)):
            return False
        end = stop
    return True


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
