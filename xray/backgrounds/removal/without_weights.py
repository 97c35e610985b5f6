"""Removers without weights in the interface of those with weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xray.backgrounds.removal.base import RemovalInput, Remover
from xray.core.errors import Rejected, rejecting
from xray.core.types import Pixels

Result = Pixels | Rejected
Spread = Callable[[Callable[[RemovalInput], Result], Sequence[RemovalInput]], list[Result]]


class WithoutWeights:
    """A remover without weights as a `DeviceModel`: all happens in `run`, one photograph at a time in each process.

    Libraries with a random state of their own give the same pixels only if nothing else uses them meanwhile.

    Args:
        remover: the remover.
        spread: calls a function with each of some items, in this process or in others.
    """

    def __init__(self, remover: Remover, spread: Spread = lambda function, items: list(map(function, items))) -> None:
        self.remover, self.spread = remover, spread
        self.facts: Mapping[str, Any] = {"kind": remover.name}

    def prepare(self, item: RemovalInput) -> RemovalInput:
        """Return the item."""
        return item

    def run(self, batch: Sequence[RemovalInput]) -> list[Pixels | Rejected]:
        """Remove the objects; see `Remover.remove`."""
        return self.spread(functools.partial(_remove, self.remover), batch)

    def finish(self, item: RemovalInput, raw: Pixels) -> Pixels:
        """Return the photograph without its object."""
        return raw


def _remove(remover: Remover, item: RemovalInput) -> Pixels | Rejected:
    try:
        with rejecting("error"):
            return remover.remove(item.photo, item.seed)
    except Rejected as verdict:
        return verdict
