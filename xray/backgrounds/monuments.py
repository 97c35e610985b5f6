"""Photographs of monuments as backgrounds: the part of the `animals` sample without animals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from xray.backgrounds.base import Bank
from xray.core.cache import cache_folder, fill_once
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.sources.animals.sample import SamplePhoto, fetch_photos, list_photos, read_photo, write_image
from xray.sources.base import Candidate

_VERSION = 1  # part of the name of the folder in the cache


@settings
class Monuments(Bank):
    """A bank of 41 photographs of buildings and landscapes from Debian's `gcompris-qt-data`.

    No animal is in them. Each is a place of its own. They come with the `animals` source: one download serves both.

    Args:
        cache: folder of the photographs; by default the user's cache.
    """

    name: ClassVar[str] = "monuments"
    summary: ClassVar[str] = "41 photographs of monuments, from a Debian package"
    caveat: ClassVar[str] = "backgrounds are photographs of 41 monuments, where no animal of the sample lives"

    cache: Path | None = None

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the photographs, in the order of their list."""
        photos, whole = list_photos("monuments.csv"), fetch_photos(self.cache or cache_folder())
        folder = fill_once(
            whole.with_name(f"{whole.name}-monuments-{_VERSION}"), lambda partial: _fill(photos, whole, partial)
        )
        for photo in photos:
            yield Candidate(
                photo.name,
                category="",
                uri=to_uri(folder / f"{photo.name}.jpg"),
                place=photo.name,
                licence=photo.licence,
                credit=photo.credit,
            )


def _fill(photos: Sequence[SamplePhoto], whole: Path, folder: Path) -> None:
    for photo in photos:
        write_image(folder / f"{photo.name}.jpg", read_photo(whole / photo.file))
