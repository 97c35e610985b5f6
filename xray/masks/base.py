"""Base classes of annotation formats (they read masks) and refiners (they improve masks)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xray.core.device import DeviceModel
from xray.core.images import Decoded
from xray.sources.base import Box, Candidate, Point

Mask = NDArray[np.bool_]


class AnnotationFile(NamedTuple):
    """A file at `mask_uri`.

    Args:
        name: its name, for messages.
        data: its bytes.
        width: of the upright photograph, in pixels.
        height: of the upright photograph, in pixels.
    """

    name: str
    data: bytes
    width: int
    height: int


class Annotations:
    """The base class of annotation formats; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    separate: ClassVar[bool] = True
    """True if annotations are apart from the source, so that a photograph without one is worth a note."""

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Set `mask_uri`, `boxes` or `points` of each candidate from its annotation; called by `xray plan`.

        Only this format counts: a candidate without an annotation in it loses the `mask_uri` of its source. A
        candidate with a damaged annotation gets a `problem`.

        Raises:
            XrayError: the folder or file of annotations is missing or not of this format.
        """
        raise NotImplementedError

    def resolve(self, files: Sequence[AnnotationFile]) -> tuple[Annotations, list[str]]:
        """Decide what was left open, from a sample of the annotations; called by `xray plan`.

        Args:
            files: some of the files at `mask_uri`.

        Returns:
            The format with all settings that `read` needs, and notes for the user.

        Raises:
            ConfigError: what the files mean is not certain.
        """
        return self, []

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Decode the bytes at `mask_uri`; return the mask and the reason codes of conversions.

        Args:
            data: bytes at `mask_uri`; None for a candidate without `mask_uri`.
            decoded: the image, for its size, orientation and alpha channel.

        Raises:
            Rejected: missing_mask (a refiner may still make one from a box), corrupt_mask, mask_wrong_size.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Hint:
    """The location of the object as far as the source gives it; each field may be empty.

    Args:
        mask: True on the object, shape (H, W); may be coarse.
        boxes: one per object, x0, y0, x1, y1 in upright pixels, exclusive ends.
        points: x, y in upright pixels, and True on the object.
    """

    mask: Mask | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class RefinedMask:
    """A mask with its origin and the refiner's measurements.

    Args:
        mask: True on the object, shape (H, W).
        origin: given, alpha, grabcut or sam.
        predicted_iou: the refiner's own estimate, 0–1, if it makes one.
        stability: stability score, 0–1, if the refiner measures it.
        agreement: agreement with the given mask, 0–1, if there is one; see `xray.masks.quality.agreement`.
        notes: reason codes, such as `given_kept`.
    """

    mask: Mask
    origin: str
    predicted_iou: float | None = None
    stability: float | None = None
    agreement: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefinerInput:
    """A photograph whose mask is to be refined; the arguments of `Refiner.refine`."""

    decoded: Decoded
    hint: Hint
    seed: int


class Refiner:
    """The base class of mask refiners; a subclass is a `@settings` dataclass with a `name`.

    A refiner with weights sets `accelerated`, implements `load` and runs in its own pool. Others implement `refine`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    accelerated: ClassVar[bool] = False

    def weights(self) -> Mapping[str, str]:
        """Return the weights that `load` reads, by role: names, files or folders. The plan stores their hashes."""
        return {}

    def load(self, device: str) -> DeviceModel[RefinerInput, RefinedMask]:
        """Load the weights onto a device and warm up; called once per actor.

        Raises:
            XrayError: the weights are missing, damaged or unsafe.
        """
        raise NotImplementedError

    def refine(self, decoded: Decoded, hint: Hint, seed: int) -> RefinedMask:
        """Compute the mask of the object; the seed decides everything random.

        Raises:
            Rejected: missing_mask, missing_box.
        """
        raise NotImplementedError
