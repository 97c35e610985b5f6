"""Where masks come from (annotations), and who makes them better (refiners)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from xray.codec import Decoded
from xray.sources.base import Box, Candidate

Mask = NDArray[np.bool_]


class Annotations:
    """Base of the annotation formats; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """The candidates with `mask_uri` or `box` from their annotation; runs in the plan.

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
class Refined:
    """A mask and how it came about.

    Args:
        mask: True on the object, shape (H, W).
        origin: given | alpha | grabcut | sam.
        predicted_iou: the refiner's own estimate, if it makes one.
        stability: stability score, 0–1, if it makes one.
    """

    mask: Mask
    origin: str
    predicted_iou: float | None = None
    stability: float | None = None


class Refiner:
    """Base of mask refiners; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def load(self, device: str) -> Self:
        """Bring weights to a device, once a worker; refiners without weights are ready as they are."""
        return self

    def refine(self, decoded: Decoded, given: Mask | None, box: Box | None, seed: int) -> Refined:
        """The mask of the object.

        Args:
            decoded: the image.
            given: the annotated mask, shape (H, W), if there is one.
            box: x0, y0, x1, y1 in upright pixels, exclusive ends, if there is one.
            seed: decides everything random.

        Raises:
            Rejected: missing_mask, missing_box.
        """
        raise NotImplementedError
