"""Landscapes drawn by the program, without an object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from xray.backgrounds.base import Bank
from xray.core.cache import cache_folder, digest, filled_once
from xray.core.images import encode
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.sources.base import Candidate
from xray.sources.landscapes import PLACES, landscape

_DRAWING = 1  # another number draws all landscapes anew


@settings
class Drawn(Bank):
    """Landscapes of the `shapes` source without an object, drawn once into the cache.

    Args:
        per_place: landscapes of each place.
        size: height and width in pixels.
        seed: decides how they look.
        cache: folder to keep them in; the user's cache by default.
    """

    name: ClassVar[str] = "drawn"
    summary: ClassVar[str] = "landscapes drawn by the program; works offline"
    stand_in: ClassVar[str] = "backgrounds are drawn by the program: no photographs"

    per_place: Annotated[int, Field(ge=1, le=10_000)] = 3
    size: tuple[Annotated[int, Field(ge=48, le=4096)], Annotated[int, Field(ge=48, le=4096)]] = (240, 320)
    seed: int = 1
    cache: Path | None = None

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """The landscapes, place by place."""
        made_from = {"drawing": _DRAWING, "n": self.per_place, "size": self.size, "seed": self.seed}
        folder = filled_once((self.cache or cache_folder()) / "landscapes" / digest(made_from), self._draw)
        for place in PLACES:
            for number in range(self.per_place):
                stem = f"{place}-{number:04d}"
                uri = to_uri(folder / f"{stem}.jpg")
                yield Candidate(stem, category="", uri=uri, place=place, licence="Apache-2.0 (drawn by xray)")

    def _draw(self, folder: Path) -> None:
        for place in PLACES:
            for number in range(self.per_place):
                image = landscape(place, f"{self.seed}/{number}", self.size)
                (folder / f"{place}-{number:04d}.jpg").write_bytes(encode(image, "jpeg", 95))
