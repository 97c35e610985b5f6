"""Generated images, stored as a folder of photographs with masks.

images/<category>/<stem>.jpg    masks/<category>/<stem>.png    scenes.csv
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xray.core.images import Pixels, encode
from xray.core.uri import to_uri
from xray.sources.base import Candidate

_TABLE = "scenes.csv"


@dataclass(frozen=True)
class Scene:
    """An object in front of a background.

    Args:
        stem: the file's name without its suffix, unique in the category.
        category: name of the object's category and of its folder.
        place: name of the background.
        image: RGB, shape (H, W, 3).
        mask: True on the object, shape (H, W).
    """

    stem: str
    category: str
    place: str
    image: Pixels
    mask: NDArray[np.bool_]


def write_scenes(scenes: Iterable[Scene], folder: Path) -> None:
    """Write scenes as JPEG (quality 95), masks as PNG (255 on the object), and a table of the scenes."""
    with (folder / _TABLE).open("x", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("category", "stem", "place"))
        for scene in scenes:
            table.writerow((scene.category, scene.stem, scene.place))
            image, mask = _paths(folder, scene.category, scene.stem)
            for path in (image, mask):
                path.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(encode(scene.image, "jpeg", 95))
            mask.write_bytes(encode(scene.mask.view(np.uint8) * np.uint8(255), "png"))


def read_scenes(folder: Path, licence: str) -> Iterator[Candidate]:
    """Yield the scenes in a folder, in the order in which they were written."""
    with (folder / _TABLE).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            image, mask = _paths(folder, row["category"], row["stem"])
            yield Candidate(
                key=f"{row['category']}/{row['stem']}",
                category=row["category"],
                uri=to_uri(image),
                mask_uri=to_uri(mask),
                place=row["place"],
                licence=licence,
            )


def _paths(folder: Path, category: str, stem: str) -> tuple[Path, Path]:
    return folder / "images" / category / f"{stem}.jpg", folder / "masks" / category / f"{stem}.png"
