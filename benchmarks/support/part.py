"""Which settings of a mode of `intervals.py` are simulated, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Figures = dict[str, float | bool]
One = TypeVar("One")


@dataclass(frozen=True)
class Part:
    """How often which settings of a mode are simulated.

    Args:
        runs: simulations of each.
        first: number of the first setting; a setting's number is also its seed, so that parts add up to the whole.
        end: number of the first setting after these; None: all others.
        step: from one to the next.
    """

    runs: int
    first: int = 0
    end: int | None = None
    step: int = 1

    def of(self, settings: Iterable[One]) -> Iterator[tuple[int, One]]:
        """Yield the number of each chosen setting, and the setting.

        Raises:
            SystemExit: there is none.
        """
        chosen = [*enumerate(settings)][self.first : self.end : self.step]
        if not chosen:
            raise SystemExit(f"no setting has a number from {self.first} to {self.end}")
        yield from chosen
