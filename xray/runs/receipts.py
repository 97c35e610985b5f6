"""What is worked on and committed: shards, and the receipts that stages leave of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Stage = tuple[str, ...]

MASK: Stage = ("mask",)
GENERATE: Stage = ("generate",)


def evaluation(model: str) -> tuple[str, str]:
    """The stage of evaluating one model."""
    return ("evaluate", model)


def training(model: str, scenario: str) -> tuple[str, str, str]:
    """The stage of training one model within a scenario; its units are folds."""
    return ("train", model, scenario)


def unit_of(shard: str) -> str:
    """The unit of photographs that a shard is about.

    >>> unit_of("01-00-00007")
    '00-00007'
    """
    return shard.partition("-")[2]


def sums(data: bytes) -> dict[str, Any]:
    """What a receipt tells of a file's bytes.

    >>> sums(b"")["sha256"][:8], sums(b"")["bytes"]
    ('e3b0c442', 0)
    """
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


@dataclass(frozen=True)
class Shard:
    """A unit of work.

    Args:
        name: `PP-SS-NNNNN`.
        source: its photographs (SOURCE).
        plan: what is to be made of them (PLAN).
    """

    name: str
    source: pa.Table
    plan: pa.Table


@dataclass(frozen=True)
class Receipt:
    """What was committed for one shard in one stage.

    Args:
        shard: its name.
        files: by table: path in the run, sha256, bytes and rows; `weights`, those of a trained model, have no rows.
        counts: rows by scenario, then by "status reason".
        seconds: of one worker's time.
        facts: what else is to be known of it, such as the hash of the weights.
    """

    shard: str
    files: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Mapping[str, int]]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
