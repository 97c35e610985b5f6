"""Signs that masks are wrong: of one mask, and of all masks of a run together.

A mask file can be read without fault and still mark something else: the background, the ignored band along an outline,
the bright parts of an object, the object of another photograph. The thresholds lie between what 66 photographs of 12
kinds of objects show with their right masks, and with wrong ones:

    measure    right masks: median, largest    wrong masks: median
    border     0.00, 0.46                      1.00 (inverted)
    hollow     0.00, 0.41                      0.53–0.81 (bands along the outline)
    narrow     0.02, 0.41                      0.74 (bright parts of the object), 1.00 (narrow bands)
    misfit     0.00, 0.06                      0.50 (masks of other photographs), 0.41 (masks turned upside down)
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.perceptual_hash import HASH_BYTES, perceptual_hash, similar
from xray.core.types import Pixels
from xray.masks.base import Mask
from xray.masks.quality import border_of, fills_box, without_frame
from xray.sources.base import join_names

_SIDE = 192
"""Longer side of the copies that outlines are compared on, in pixels."""
_NARROW = 0.012
"""Radius, as a share of the image's diagonal, of the disc that parts of a narrow mask do not hold."""
_BORDER, _HOLLOW, _LARGEST_NARROW, _TINY, _HUGE, _MISFIT = 0.9, 0.45, 0.6, 0.01, 0.9, 0.5
_SET_HOLLOW, _SET_NARROW, _SET_MISFIT = 0.3, 0.5, 0.25
_MIN_SET, _MIN_FITS, _MAX_OTHERS = 3, 6, 24
_MAX_NAMES = 3
BORDERS = "cover the borders of their photographs"
"""In sentences on masks that may show the background."""


@dataclass(frozen=True)
class Look:
    """What a mask looks like on its photograph.

    Args:
        name: of the photograph, for people.
        area: share of the image, 0–1.
        border: share of the image's outermost pixels that are on the object, 0–1; or of those 3 % further inside, if it
            is larger, because some masks have a frame.
        hollow: share of what the mask encloses that it does not mark, 0–1; of a ring nearly 1.
        narrow: share of the mask in which no disc of 1.2 % of the image's diagonal fits, 0–1.
        is_box: true if the mask fills its bounding box.
        small_HW: the mask at a longer side of 192 pixels.
        edges_HW: strength of the photograph's edges, of the same shape.
        hash: perceptual hash of the photograph.
        misfit: share of masks of other photographs whose outlines lie on stronger edges of this photograph, 0–1; None
            with fewer than 6 photographs.
    """

    name: str
    area: float
    border: float
    hollow: float
    narrow: float
    is_box: bool
    small_HW: Mask
    edges_HW: NDArray[np.float32]
    hash: bytes
    misfit: float | None = None

    @classmethod
    def at(cls, name: str, image: Pixels, mask: Mask) -> Look:
        """Measure a mask, shape (H, W), on its photograph, RGB of shape (H, W, 3).

        >>> image = np.zeros((100, 100, 3), np.uint8)
        >>> ring = np.zeros((100, 100), bool)
        >>> ring[20:80, 20:80] = True
        >>> ring[21:79, 21:79] = False
        >>> look = Look.at("1.jpg", image, ring)
        >>> round(look.hollow, 2), look.narrow, look.signs
        (0.93, 1.0, ('ring, narrow band or specks',))
        """
        scale = _SIDE / max(mask.shape)
        size = (max(3, round(mask.shape[1] * scale)), max(3, round(mask.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cls(
            name,
            float(mask.mean()),
            max(share_of_border(mask), share_of_border(without_frame(mask))),
            _hollow(mask),
            _narrow(mask),
            fills_box(mask),
            cv2.resize(mask.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127,
            _edges(small),
            perceptual_hash(np.asarray(small, np.uint8)),
        )

    @property
    def signs(self) -> tuple[str, ...]:
        """What is strange about the mask, for people; empty if nothing is."""
        signs = {
            "covers the borders": self.border >= _BORDER,
            "ring, narrow band or specks": self.hollow >= _HOLLOW or self.narrow >= _LARGEST_NARROW,
            "outline on no edges": self.misfit is not None and self.misfit >= _MISFIT and not self.is_box,
            f"less than {_TINY:.0%} of the image": self.area < _TINY,
            f"more than {_HUGE:.0%} of the image": self.area > _HUGE,
        }
        return tuple(sign for sign, present in signs.items() if present)


def share_of_border(mask: Mask) -> float:
    """Return the share of a mask's outermost pixels that are on the object, 0–1.

    >>> share_of_border(np.eye(3, dtype=bool))
    0.25
    """
    return float(border_of(mask).mean())


def _hollow(mask: Mask) -> float:
    framed = np.pad((~mask).astype(np.uint8), 1, constant_values=1)
    _, labels = cv2.connectedComponents(framed, connectivity=4)
    filled = np.count_nonzero(labels != labels[0, 0])
    return float(1 - np.count_nonzero(mask) / filled) if filled else 0.0


def _narrow(mask: Mask) -> float:
    """Compare a mask with its opening by a disc, computed with two distance transforms."""
    pixels = np.count_nonzero(mask)
    if not pixels:
        return 0.0
    radius = _NARROW * float(np.hypot(*mask.shape))
    inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > radius
    if not inner.any():
        return 1.0
    opened = cv2.distanceTransform((~inner).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius
    return float(1 - np.count_nonzero(opened & mask) / pixels)


def _edges(image: NDArray[np.generic]) -> NDArray[np.float32]:
    smooth = cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), 1)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength: NDArray[np.float32] = np.hypot(across, down).max(axis=2)
    return strength


def is_black_and_white(image: Pixels) -> bool:
    """Return whether a photograph, RGB of shape (H, W, 3), has hardly any colours but black and white: it is a mask.

    >>> is_black_and_white(np.eye(64, dtype=np.uint8)[:, :, None].repeat(3, axis=2) * np.uint8(255))
    True
    """
    few = image[:: max(1, image.shape[0] // 256), :: max(1, image.shape[1] // 256)].astype(np.int16)
    extreme = (few <= 16).all(axis=2) | (few >= 239).all(axis=2)
    return bool(extreme.mean() > 0.98 and (few <= 16).any() and (few >= 239).any())


def with_misfits(looks: Sequence[Look]) -> list[Look]:
    """Return looks with their `misfit`: each outline compared with those of up to 24 other photographs."""
    if len(looks) < _MIN_FITS:
        return list(looks)
    step = max(1, (len(looks) - 1) // _MAX_OTHERS)
    compared = []
    for index, look in enumerate(looks):
        own = _strength(look, look.small_HW)
        others = [looks[(index + shift) % len(looks)] for shift in range(1, len(looks), step)]
        stronger = [_strength(look, other.small_HW) >= own for other in others]
        compared.append(dataclasses.replace(look, misfit=float(np.mean(stronger))))
    return compared


def _strength(look: Look, mask: Mask) -> float:
    """Return the mean strength of a photograph's edges along the outline of a mask; 0 without an outline."""
    height, width = look.edges_HW.shape
    inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    outline = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    return float(look.edges_HW[1:-1, 1:-1][outline].mean()) if outline.any() else 0.0


def question(looks: Sequence[Look], *, can_invert: bool = False) -> list[str]:
    """Return what is strange about masks as a set, one sentence each.

    Args:
        looks: of the masks of different photographs, as `with_misfits` returns them.
        can_invert: true if the annotation format has the setting `invert`.
    """
    return [
        f"masks may be wrong: {finding}"
        for finding in (_borders(looks, can_invert), _bands(looks), _others(looks), _same(looks), _sizes(looks))
        if finding
    ]


def _borders(looks: Sequence[Look], can_invert: bool) -> str:
    affected = [look for look in looks if look.border >= _BORDER]
    if not affected:
        return ""
    few = len(affected) < len(looks) / 2
    if few:
        return covers_borders([look.name for look in affected], len(looks))
    advice = "if they show the background, write `invert: true`" if can_invert else "do they show the background?"
    return f"{len(affected):,} of {len(looks):,} {BORDERS}; {advice}"


def covers_borders(names: Sequence[str], total: int) -> str:
    """Return a sentence on single masks that cover the borders of their photographs."""
    return f"{len(names):,} of {total:,} {BORDERS}, unlike the others: {join_names(names, _MAX_NAMES)}"


def _bands(looks: Sequence[Look]) -> str:
    if len(looks) < _MIN_SET:
        return ""
    hollow, narrow = (float(np.median([getattr(look, name) for look in looks])) for name in ("hollow", "narrow"))
    if hollow < _SET_HOLLOW and narrow < _SET_NARROW:
        return ""
    return f"most are rings, narrow bands or specks, such as {_names(looks)}: which values or labels are the object?"


def _others(looks: Sequence[Look]) -> str:
    fits = [look.misfit for look in looks if look.misfit is not None and not look.is_box]
    if len(fits) < _MIN_FITS:
        return ""
    if (misfit := float(np.mean(fits))) < _SET_MISFIT:
        few = [look for look in looks if look.misfit is not None and look.misfit >= _MISFIT and not look.is_box]
        text = f"{len(few):,} of {len(looks):,} have outlines on no edges of their photographs, unlike the others"
        return f"{text}: {_names(few)}" if few else ""
    return (
        f"their outlines do not lie on edges of their photographs: {misfit:.0%} of the outlines of other photographs "
        "fit as well. They may be of other photographs, turned, shifted or coarse"
    )


def _same(looks: Sequence[Look]) -> str:
    """Question one mask of several photographs; near-duplicates, such as those of a burst, may share theirs."""
    sharing = defaultdict[bytes, list[Look]](list)
    for look in looks:
        if not look.is_box:
            sharing[look.small_HW.tobytes()].append(look)
    suspect = [alike for alike in sharing.values() if len(alike) >= _MIN_SET and _different(alike) >= _MIN_SET]
    if not suspect:
        return ""
    most = max(suspect, key=len)
    return f"{len(most):,} of {len(looks):,} are alike: {_names(most)}"


def _different(looks: Sequence[Look]) -> int:
    """Return how many photographs there are, near-duplicates counted once."""
    hashes = np.frombuffer(b"".join(look.hash for look in looks), np.uint8)
    return len(set(similar(hashes.reshape(-1, HASH_BYTES)).tolist()))


def _sizes(looks: Sequence[Look]) -> str:
    if len(looks) < _MIN_SET:
        return ""
    median = float(np.median([look.area for look in looks]))
    if _TINY <= median <= _HUGE:
        return ""
    return f"half of them cover {'less' if median < _TINY else 'more'} than {median:.2%} of their images"


def _names(looks: Sequence[Look]) -> str:
    return join_names([look.name for look in looks], _MAX_NAMES)
