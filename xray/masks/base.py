"""Base classes of annotation formats (they read masks) and refiners (they improve masks)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xray.core.device import DeviceModel
from xray.core.images import Decoded
from xray.core.plugins import settings
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


@settings
class Annotations:
    """The base class of annotation formats; a subclass is a `@settings` dataclass with a `name`.

    Args:
        drawn_on: pixels that annotations of photographs with an EXIF orientation belong to, where the size does not
            tell: `upright` as viewers show them, or `stored` as in the file; None: decided by `xray plan`.
        resize: true to scale masks of the same shape but another size to their photographs (nearest pixel).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    package: ClassVar[str] = "xray.masks.formats"
    separate: ClassVar[bool] = True
    """True if annotations are apart from the source, so that a photograph without one is worth a note."""

    drawn_on: Literal["upright", "stored"] | None = field(default=None, kw_only=True)
    resize: bool = field(default=False, kw_only=True)

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Set `mask_uri`, `boxes` or `points` of each candidate from its annotation; called by `xray plan`.

        Only this format counts: a candidate without an annotation in it loses the `mask_uri` of its source. A
        candidate with a damaged annotation gets a `problem`.

        Raises:
            XrayError: the folder or file of annotations is missing or not of this format.
        """
        raise NotImplementedError

    def notes(self) -> list[str]:
        """Return notes on what the latest `attach` left unused or undecided, one sentence each; for `xray plan`."""
        return []

    def resolve(self, files: Iterable[AnnotationFile]) -> tuple[Annotations, list[str]]:
        """Decide what was left open, from the annotations; called by `xray plan`.

        Args:
            files: those at `mask_uri`, read one after the other; of very many, an even sample.

        Returns:
            The format with all settings that `read` needs, and notes for the user.

        Raises:
            ConfigError: what the files mean is not certain.
        """
        return self, []

    def phrases_of(self, category: str) -> tuple[str, ...]:
        """Return what to look for in photographs of a category, in words; empty if annotations are files."""
        return ()

    def combine(self, refiner: Refiner) -> Refiner:
        """Return the refiner that makes masks from these annotations; by default the recipe's, unchanged.

        Raises:
            ConfigError: they do not fit together.
        """
        return refiner

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Decode the bytes at `mask_uri`; return the mask and the reason codes of conversions.

        Args:
            data: bytes at `mask_uri`; None for a candidate without `mask_uri`.
            decoded: the image, for its size, orientation and alpha channel.

        Raises:
            Rejected: missing_mask (a refiner may still make one from a box), corrupt_mask, mask_wrong_size.

        The mask may have the size that it was drawn on, if the shape is that of the photograph; then
        `xray.masks.fitting.read_mask` scales or rejects it.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Hint:
    """The location of the object as far as the source gives it; each field may be empty.

    Args:
        mask: True on the object, shape (H, W); may be coarse.
        boxes: one per object, x0, y0, x1, y1 in upright pixels, exclusive ends.
        points: x, y in upright pixels, and True on the object.
        looked_in: where annotations were looked for, for the detail of a rejection.
        phrases: what to look for, in words; several must find the same.
    """

    mask: Mask | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    looked_in: str = ""
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefinedMask:
    """A mask with its origin and the refiner's measurements.

    Args:
        mask: True on the object, shape (H, W).
        origin: given, alpha, grabcut, sam, text or guess.
        predicted_iou: the refiner's own estimate, 0–1, if it makes one.
        stability: stability score, 0–1, if the refiner measures it.
        agreement: agreement with the given mask, 0–1, if there is one; see `xray.masks.quality.agreement`.
        notes: reason codes, such as `given_kept`.
        detection: phrases, boxes, scores and number of instances, as JSON, if a detector found the object.
    """

    mask: Mask
    origin: str
    predicted_iou: float | None = None
    stability: float | None = None
    agreement: float | None = None
    notes: tuple[str, ...] = ()
    detection: str | None = None


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
    needs_hint: ClassVar[bool] = True
    """False if it makes a mask of a photograph without any annotation."""
    caveat: ClassVar[str] = ""
    """A warning for the plan and the report if its masks are no measurement of where the object is."""

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
