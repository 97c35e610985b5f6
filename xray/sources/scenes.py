"""Generated images, stored as a folder of photographs with masks.

images/<category>/<stem>.jpg    masks/<category>/<stem>.png    scenes.csv
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.core.types import Pixels
from xray.core.uri import to_uri
from xray.sources.base import Candidate, join_names
from xray.sources.categories.base import Category, categories_by_label, category_of_folder

_TABLE = "scenes.csv"


@dataclass(frozen=True)
class Scene:
    """An object in front of a background; `stem` is the name of its files, unique in the category."""

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


def read_scenes(
    kind: str, names: Sequence[str], categories: Sequence[Category], folder: Callable[[], Path], licence: str
) -> Iterator[Candidate]:
    """Yield the scenes of these categories, in the order in which they were written.

    Args:
        kind: of the objects, for the error.
        names: of the objects that exist.
        categories: of the recipe.
        folder: returns the folder of the scenes; called if there is such an object.
        licence: of the scenes.
    """
    by_label = categories_by_label(categories)
    selected = {name: category_of_folder(name, by_label) for name in names}
    if not any(selected.values()):
        listed = join_names(category.name for category in categories)
        raise ConfigError(f"no {kind} of the categories {listed} (choices: {', '.join(names)})")
    root = folder()
    with (root / _TABLE).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if category := selected[row["category"]]:
                image, mask = _paths(root, row["category"], row["stem"])
                yield Candidate(
                    key=f"{row['category']}/{row['stem']}",
                    category=category.name,
                    uri=to_uri(image),
                    mask_uri=to_uri(mask),
                    place=row["place"],
                    licence=licence,
                )


def _paths(folder: Path, category: str, stem: str) -> tuple[Path, Path]:
    return folder / "images" / category / f"{stem}.jpg", folder / "masks" / category / f"{stem}.png"
