"""What is worked on and committed: shards, and the receipts that stages leave of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

MASK = ("mask",)
GENERATE = ("generate",)


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
        files: by table: path in the run, sha256, bytes and rows.
        counts: rows by scenario, then by "status reason".
        seconds: of one worker's time.
        facts: what else is to be known of it, such as the hash of the weights.
    """

    shard: str
    files: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Mapping[str, int]]
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
