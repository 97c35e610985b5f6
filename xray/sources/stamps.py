"""Real cut-outs over real backgrounds, from two Debian packages: a sample that needs no data set.

The cut-outs are photographs of single objects with a hand-made alpha channel, the backgrounds photographs of nature.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xray.core.cache import cache_folder, fill_once, settings_hash
from xray.core.errors import ConfigError, XrayError
from xray.core.images import decode
from xray.core.plugins import settings
from xray.core.types import Pixels
from xray.sources import debian
from xray.sources.base import Candidate, Source
from xray.sources.categories.base import Category
from xray.sources.categories.stamps12 import STAMPS12
from xray.sources.nature import NATURE_PACKAGE, nature_photos
from xray.sources.scenes import Scene, read_scenes, write_scenes

STAMPS_PACKAGE = "tuxpaint-stamps-default"
STAMPS_FOLDER = "usr/share/tuxpaint/stamps"
_VERSION = 1  # part of the cache key

_LONGER_SIDE = 0.8  # of the object, as a share of the frame
_MIN_LONGER_SIDE = 0.6
_MAX_SCALE = 2.0
_JITTER = 0.3  # of the free space around the centre
_CROP = (0.4, 0.6)  # of a background: the whole photograph often contains a second object, such as a flower

Floats = NDArray[np.float32]


@settings
class Stamps(Source):
    """Cut-outs of Debian's `tuxpaint-stamps-default` over photographs of `mate-backgrounds`.

    The packages are fetched and the scenes composed once, into the cache (see `xray.core.cache`). The split is
    `unknown`, because a pretrained model may have seen the cut-outs.

    Args:
        size: width and height of a scene in pixels; half of the cut-outs are smaller than 200.
        background_seed: determines the background and position of each object.
        cache: folder of packages and scenes; by default the user's cache.
    """

    name: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "139 real cut-outs over real photographs, from Debian packages"
    caveat: ClassVar[str] = (
        "originals are real cut-outs composed over real photographs of nature, not plain photographs; their layout was "
        "chosen for a plausible accuracy of efficientnet-lite0, from which drops are measured, so that no accuracy and "
        "no drop in this sample is a finding"
    )

    size: Annotated[int, Field(ge=64, le=2048)] = 256
    background_seed: int = 0
    cache: Path | None = None

    def categories(self) -> Sequence[Category]:
        """Return the twelve groups of cut-outs."""
        return STAMPS12

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the scenes of these categories."""
        groups = sorted({row["category"] for row in stamp_list()})
        licence = f"GPL-2 ({STAMPS_PACKAGE}) over GPL-2+ ({NATURE_PACKAGE})"
        return read_scenes("stamps", groups, categories, self._scenes, licence)

    def _scenes(self) -> Path:
        cache = self.cache or cache_folder()
        try:
            unpacked = debian.fetch([STAMPS_PACKAGE, NATURE_PACKAGE], cache / "debian")
        except XrayError as error:
            raise ConfigError(f"{error}; drawn images need no package: `source: {{kind: shapes}}`") from error
        cache_key = {
            "composition": _VERSION,
            "size": self.size,
            "seed": self.background_seed,
            **{package: debian.version_of(unpacked, package) for package in (STAMPS_PACKAGE, NATURE_PACKAGE)},
        }
        backgrounds = nature_photos(unpacked / NATURE_PACKAGE)
        scenes = compose(unpacked / STAMPS_PACKAGE / STAMPS_FOLDER, backgrounds, self.size, self.background_seed)
        return fill_once(cache / "scenes" / settings_hash(cache_key), lambda folder: write_scenes(scenes, folder))


def stamp_list() -> list[dict[str, str]]:
    """Return the stamps as `{category, stamp}`: those of the twelve largest groups that show an ImageNet class."""
    with resources.files("xray.sources").joinpath("stamps.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def compose(
    stamps: Path,
    backgrounds: Mapping[str, Path],
    size: int,
    seed: int,
    rows: Sequence[Mapping[str, str]] | None = None,
) -> Iterator[Scene]:
    """Compose every stamp over a background.

    Args:
        stamps: folder of the cut-outs, RGBA images.
        backgrounds: photographs by the name of their place.
        size: width and height of a scene in pixels.
        seed: determines backgrounds and positions; each stamp has its own random stream.
        rows: `{category, stamp}` with paths below `stamps`; by default `stamp_list()`.
    """
    photos = {place: decode(path.read_bytes()).image for place, path in sorted(backgrounds.items())}
    for row in stamp_list() if rows is None else rows:
        path = stamps / row["stamp"]
        if not path.is_file():
            raise ConfigError(f"no stamp {row['stamp']!r} in {str(stamps)!r}")
        chance = random.Random(f"{seed}/{row['stamp']}")
        place = chance.choice(list(photos))
        background = crop(photos[place], size, chance)
        image, mask = place_object(cut_out(path), background, chance)
        stem = row["stamp"].removesuffix(".png").replace("/", "-")
        yield Scene(stem, row["category"], place, image, mask)


def cut_out(path: Path) -> Floats:
    """Read a stamp and crop it to its visible part: premultiplied RGBA 0–1, shape (H, W, 4)."""
    rgba = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise ConfigError(f"stamp {str(path)!r} is not an image with alpha")
    rows, columns = np.nonzero(rgba[:, :, 3])
    rgba = rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, [2, 1, 0, 3]]
    floats: Floats = rgba.astype(np.float32) / np.float32(65535 if rgba.dtype == np.uint16 else 255)
    floats[:, :, :3] *= floats[:, :, 3:]
    return floats


def crop(photo: Pixels, size: int, chance: random.Random) -> Pixels:
    """Crop a random square, 40–60 % of the shorter side, and resize it to `size`."""
    height, width = photo.shape[:2]
    side = round(min(height, width) * chance.uniform(*_CROP))
    top, left = chance.randint(0, height - side), chance.randint(0, width - side)
    part = photo[top : top + side, left : left + side]
    shrinks = side >= size
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[return-value]


def place_object(cut: Floats, background: Pixels, chance: random.Random) -> tuple[Pixels, NDArray[np.bool_]]:
    """Compose a cut-out near the centre of a background; return the image and the mask of alpha ≥ 0.5.

    The longer side of the cut-out is 80 % of the frame. Small cut-outs get down to 60 %, so that they are not enlarged
    more than twice (the smallest stamps are, in frames of more than 160 pixels).

    Args:
        cut: premultiplied RGBA 0–1, shape (h, w, 4).
        background: RGB, shape (H, H, 3).
        chance: for the position.
    """
    frame = background.shape[0]
    height, width = cut.shape[:2]
    share = min(_LONGER_SIDE, max(_MIN_LONGER_SIDE, _MAX_SCALE * max(height, width) / frame))
    scale = share * frame / max(height, width)
    to = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(cut, to, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC).clip(0, 1)
    left, top = (round((frame - length) / 2 * (1 + _JITTER * chance.uniform(-1, 1))) for length in to)
    window = np.s_[top : top + to[1], left : left + to[0]]
    image, mask = background.copy(), np.zeros(background.shape[:2], np.bool_)
    alpha = small[:, :, 3:]
    image[window] = np.rint(background[window] * (1 - alpha) + small[:, :, :3] * 255).clip(0, 255)
    mask[window] = alpha[:, :, 0] >= 128 / 255
    return image, mask
