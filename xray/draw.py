"""What is left to chance, decided once and for all by hashes: donors, prompts, seeds."""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xray.categories import Category
from xray.scenarios import Prompt, Scenario

_WINDOW = 256
_64_BITS = 2**64 - 1
Row = dict[str, Any]


def digest(*parts: object, bits: int = 80) -> int:
    """A number of so many bits that depends on all parts and on nothing else."""
    data = "\0".join(str(part) for part in parts).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest()) >> (128 - bits)


class Donors:
    """The bank, for drawing; a photograph that comes or goes changes hardly any other draw.

    The donors stand on a ring by a hash of their id. From the point that the seed decides, up to 256 that fit are
    looked at, and the one whose hash with the seed is lowest is taken (rendezvous hashing: Thaler & Ravishankar,
    IEEE/ACM Trans. Networking 6, 1998): each with equal chance, whatever the order of the bank.

    Args:
        rows: of BACKGROUNDS.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._ring = sorted(((digest(row["donor_id"], bits=63), row) for row in rows), key=lambda item: item[0])
        self._points = [point for point, _ in self._ring]
        self._categories = Counter(row["category"] for _, row in self._ring)

    def draw(self, seed: int, category: str, place: str | None, image: str) -> Row | None:
        """A photograph of another place and category, each with equal chance; None if there is none."""
        if len(self._ring) == self._categories[category]:
            return None
        start = bisect.bisect(self._points, digest(seed, "donor", bits=63))
        ring = (self._ring[(start + step) % len(self._ring)] for step in range(len(self._ring)))
        fitting = (
            (point, row)
            for point, row in ring
            if row["category"] != category
            and not (place is not None and row["place"] == place)
            and row["donor_id"] != image
        )
        window = list(islice(fitting, _WINDOW))
        return min(window, key=lambda item: _mixed(item[0] ^ seed))[1] if window else None


def _mixed(number: int) -> int:
    """A number of 64 bits in which every bit depends on every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _64_BITS
    return number ^ (number >> 31)


@dataclass(frozen=True)
class Draw:
    """All that a plan decides by chance.

    Args:
        seed: of the run.
        donors: the bank.
        categories: by name.
    """

    seed: int
    donors: Donors
    categories: Mapping[str, Category]

    def donor(self, scenario: Scenario, number: int, row: Row) -> Row | None:
        """The donor of a photograph (a row of SOURCE), if the scenario needs one and there is one."""
        if not scenario.needs_donor:
            return None
        return self.donors.draw(number, row["category"], row["place"], row["image_id"])

    def prompt(self, scenario: Scenario, number: int, variant: int, row: Row) -> Prompt | None:
        """What to paint around the object of a photograph (a row of SOURCE), if the scenario paints."""
        category = self.categories.get(row["category"])
        return scenario.prompt(category, number, variant) if scenario.paints and category else None
