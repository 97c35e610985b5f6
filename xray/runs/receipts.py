"""Stages, shards, and the receipts that stages leave of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Stage = tuple[str, ...]

MASK: Stage = ("mask",)
REMOVE: Stage = ("remove",)
GENERATE: Stage = ("generate",)


def evaluation(model: str) -> Stage:
    """The stage of evaluating one model."""
    return ("evaluate", model)


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
    """

    shard: str
    files: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Mapping[str, int]]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(file["bytes"] for file in self.files.values())
