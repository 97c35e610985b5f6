"""Where masks come from (annotations), and who makes them better (refiners)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xray.core.device import DeviceModel
from xray.core.images import Decoded
from xray.sources.base import Box, Candidate, Point

Mask = NDArray[np.bool_]


class Annotations:
    """Base of the annotation formats; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """The candidates with `mask_uri`, `boxes` or `points` from their annotation; runs in the plan.

        A format that is asked for is the only one that counts: a candidate without an annotation in it has no
        `mask_uri` afterwards, whatever the source gave. One whose annotation is damaged gets a `problem`.

        Raises:
            XrayError: the folder or file of annotations is not there or is not of this format.
        """
        raise NotImplementedError

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """The mask in the bytes at `mask_uri`, and reason codes of conversions that were made.

        Args:
            data: bytes at `mask_uri`; None where the candidate has no `mask_uri`.
            decoded: the image, for its size, orientation and alpha channel.

        Raises:
            Rejected: missing_mask (there is none, a refiner may still make one from a box), corrupt_mask,
                mask_wrong_size.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Hint:
    """What the source tells of where the object is; all of it may be there, or nothing.

    Args:
        mask: True on the object, shape (H, W); it may be coarse.
        boxes: each x0, y0, x1, y1 in upright pixels, exclusive ends; one an object.
        points: each x, y in upright pixels, and whether it lies on the object.
    """

    mask: Mask | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Refined:
    """A mask and how it came about.

    Args:
        mask: True on the object, shape (H, W).
        origin: given | alpha | grabcut | sam.
        predicted_iou: the refiner's own estimate, 0–1, if it makes one.
        stability: stability score, 0–1, if it makes one.
        agreement: with the given mask, 0–1, where there are both: see `xray.masks.quality.agreement`.
        notes: reason codes of what is to be known, such as `given_kept`.
    """

    mask: Mask
    origin: str
    predicted_iou: float | None = None
    stability: float | None = None
    agreement: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unrefined:
    """A photograph whose mask is asked for.

    Args:
        decoded: the photograph.
        hint: where its object is.
        seed: decides everything random.
    """

    decoded: Decoded
    hint: Hint
    seed: int


class Refiner:
    """Base of mask refiners; a subclass is a `@settings` dataclass with a `name`.

    One with weights is `accelerated`: it works in a pool of its own, through `load`. The others have `refine`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    accelerated: ClassVar[bool] = False

    def weights(self) -> Mapping[str, str]:
        """What `load` reads, by role: names, folders or files of weights; the plan holds their hashes."""
        return {}

    def load(self, device: str) -> DeviceModel[Unrefined, Refined]:
        """Bring weights to a device, once an actor, and warm them up.

        Raises:
            XrayError: they are not there, damaged, or not safe.
        """
        raise NotImplementedError

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> Refined:
        """The mask of the object.

        Args:
            decoded: the image.
            hint: where the object is, as far as the source tells.
            seed: decides everything random.

        Raises:
            Rejected: missing_mask, missing_box.
        """
        raise NotImplementedError
