"""Photographs of nature from a Debian package as backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import cv2
import pyarrow as pa
from pydantic import Field

from xray.backgrounds.base import Bank
from xray.core.cache import cache_folder, fill_once, settings_hash
from xray.core.errors import ConfigError, XrayError
from xray.core.images import decode, encode
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.sources import debian
from xray.sources.base import Candidate
from xray.sources.nature import NATURE_LICENCE, NATURE_PACKAGE, nature_photos


@settings
class Places(Bank):
    """A bank of the nature photographs in Debian's `mate-backgrounds`, downloaded and scaled down once, into the cache.

    The `stamps` source uses them as backgrounds too, under the same place names.

    Args:
        longest: maximum width and height in pixels.
        cache: folder that stores package and photographs; default: the user's cache.
    """

    name: ClassVar[str] = "places"
    summary: ClassVar[str] = "a dozen photographs of nature, from a Debian package"
    caveat: ClassVar[str] = "backgrounds are a dozen photographs of nature, several of them close-ups of flowers"

    longest: Annotated[int, Field(ge=64)] = 1024
    cache: Path | None = None

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the photographs, sorted by name."""
        cache = self.cache or cache_folder()
        try:
            unpacked = debian.fetch([NATURE_PACKAGE], cache / "debian")
        except XrayError as error:
            raise ConfigError(f"{error}; drawn landscapes need no package: `backgrounds: {{kind: drawn}}`") from error
        photos = nature_photos(unpacked / NATURE_PACKAGE)
        cache_key = {"longest": self.longest, NATURE_PACKAGE: debian.version_of(unpacked, NATURE_PACKAGE)}
        folder = cache / "places" / settings_hash(cache_key)
        fill_once(folder, lambda partial: scale_down(photos, self.longest, partial))
        for place in photos:
            uri = to_uri(folder / f"{place}.jpg")
            yield Candidate(place, category="", uri=uri, place=place, licence=NATURE_LICENCE)


def scale_down(photos: Mapping[str, Path], longest: int, folder: Path) -> None:
    """Write photographs as JPEG files (quality 95) whose longer side has at most `longest` pixels."""
    for place, path in photos.items():
        image = decode(path.read_bytes()).image
        scale = min(1.0, longest / max(image.shape[:2]))
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        (folder / f"{place}.jpg").write_bytes(encode(small, "jpeg", 95))  # type: ignore[arg-type]
