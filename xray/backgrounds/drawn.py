"""Landscapes drawn by xray, without an object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from xray.backgrounds.base import Bank
from xray.core.cache import cache_folder, fill_once, settings_hash
from xray.core.images import encode
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.sources.base import Candidate
from xray.sources.landscapes import PLACES, landscape

_DRAWING = 1  # part of the cache key: a new number redraws all landscapes


@settings
class Drawn(Bank):
    """A bank of landscapes, as in the `shapes` source but without an object, drawn once into the cache.

    Args:
        per_place: number of landscapes per place.
        size: height and width in pixels.
        seed: seed of the drawing.
        cache: folder that stores them; default: the user's cache.
    """

    name: ClassVar[str] = "drawn"
    summary: ClassVar[str] = "landscapes drawn by xray; works offline"
    caveat: ClassVar[str] = "backgrounds are drawn by xray: they are not photographs"

    per_place: Annotated[int, Field(ge=1, le=10_000)] = 3
    size: tuple[Annotated[int, Field(ge=48, le=4096)], Annotated[int, Field(ge=48, le=4096)]] = (240, 320)
    seed: int = 1
    cache: Path | None = None

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the landscapes, ordered by place."""
        cache_key = {"drawing": _DRAWING, "n": self.per_place, "size": self.size, "seed": self.seed}
        folder = fill_once((self.cache or cache_folder()) / "landscapes" / settings_hash(cache_key), self._draw)
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
