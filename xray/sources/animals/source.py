"""Photographs of animals where they live, with masks made by hand: a sample for a first run, from a Debian package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xray.core.cache import cache_folder, fill_once
from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.core.plugins import settings
from xray.core.uri import to_uri
from xray.sources.animals.sample import (
    SamplePhoto,
    fetch_photos,
    list_photos,
    read_mask,
    read_photo,
    write_file,
    write_image,
)
from xray.sources.base import Candidate, Source, join_names
from xray.sources.categories.animals import ANIMALS
from xray.sources.categories.base import Category, categories_by_label, category_of_folder

Closeness = Literal["class", "genus", "family", "order"]
Frame = Literal["whole", "square"]
_VERSION = 1  # part of the name of the folder in the cache


@settings
class Animals(Source):
    """55 photographs of animals in 9 groups, from Debian's `gcompris-qt-data`, with masks made by hand.

    The package (44 MB) is fetched once, by apt-get or over HTTPS; the photographs stay in the cache (see
    `xray.core.cache`). Their authors and licences are in the plan and in the report. The split is `unknown`: they come
    from Wikimedia Commons, and large networks may have seen them.

    Args:
        frame: `whole` pictures, 1024 pixels on their longer side; or the largest `square` around the animal: most
            networks see only the centre of a picture, where an animal at its side is lost.
        closeness: of the nearest ImageNet-1k class. `class`: one names the animal or a group that holds it (31
            photographs); or else one of its `genus` (38), its `family` (46) or its `order` (all 55).
        cache: folder of the photographs; by default the user's cache.
    """

    name: ClassVar[str] = "animals"
    summary: ClassVar[str] = "55 photographs of animals with masks made by hand, from a Debian package"
    caveat: ClassVar[str] = (
        "few photographs in uneven groups (15 of hoofed animals, 2 of marsupials): no accuracy of a single category is "
        "a finding; masks by one annotator"
    )

    frame: Frame = "whole"
    closeness: Closeness = "order"
    cache: Path | None = None

    def categories(self) -> Sequence[Category]:
        """Return the nine groups of animals."""
        return ANIMALS

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the photographs of these categories."""
        by_label = categories_by_label(categories)
        nearest = get_args(Closeness)[: get_args(Closeness).index(self.closeness) + 1]
        photos = [photo for photo in list_photos("photographs.csv") if photo.closeness in nearest]
        selected = {photo: category_of_folder(photo.category, by_label) for photo in photos}
        if not any(selected.values()):
            listed, choices = (join_names(one.name for one in group) for group in (categories, ANIMALS))
            raise ConfigError(f"no animals of the categories {listed} (choices: {choices})")
        folder = self._framed()
        for photo, category in selected.items():
            if category is not None:
                yield Candidate(
                    key=f"{photo.category}/{photo.name}",
                    category=category.name,
                    uri=to_uri(folder / f"images/{photo.category}/{photo.name}.jpg"),
                    mask_uri=to_uri(folder / f"masks/{photo.category}/{photo.name}.png"),
                    licence=photo.licence,
                    credit=photo.credit,
                )

    def _framed(self) -> Path:
        """Return the folder of images and masks, filling it first if it does not exist."""
        cache = self.cache or cache_folder()
        whole, photos = fetch_photos(cache), list_photos("photographs.csv")
        folder = cache / "animals" / f"{whole.name}-{self.frame}-{_VERSION}"
        return fill_once(folder, lambda partial: self._fill(photos, whole, partial))

    def _fill(self, photos: Sequence[SamplePhoto], whole: Path, folder: Path) -> None:
        for photo in photos:
            mask = read_mask(photo)
            window = square_around(mask) if self.frame == "square" else np.s_[:, :]
            image = np.ascontiguousarray(read_photo(whole / photo.file)[window])
            grey = np.where(mask[window], np.uint8(255), np.uint8(0))
            write_image(folder / f"images/{photo.category}/{photo.name}.jpg", image)
            write_file(folder / f"masks/{photo.category}/{photo.name}.png", encode(grey, "png"))


def square_around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return rows and columns of the largest square with the most of the object, in the middle if there is free space.

    >>> square_around(np.eye(1, 9, 7, dtype=bool).repeat(4, axis=0))
    (slice(0, 4, None), slice(5, 9, None))
    """
    side = min(mask.shape)
    return _most(mask.sum(axis=1), side), _most(mask.sum(axis=0), side)


def _most(pixels: NDArray[np.int_], length: int) -> slice:
    """Return the part of a length with the most object pixels; of equal ones that around the object's middle."""
    sums = np.convolve(pixels, np.ones(length, np.int_), "valid")
    (where,) = np.nonzero(pixels)
    offsets = np.abs(np.arange(len(sums)) + length / 2 - (where[0] + where[-1] + 1) / 2)
    start = int(np.lexsort((offsets, -sums))[0])
    return slice(start, start + length)
