"""Masks that come with the images: mask images of the source, and the images' alpha channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.masks.reading.mask_images import Label, MaskImages
from xray.masks.reading.values import Values
from xray.sources.base import Candidate


def alpha_mask(decoded: Decoded) -> Mask | None:
    """Return the pixels with alpha ≥ 128, shape (H, W), or None if the image has no alpha channel."""
    return None if decoded.alpha is None else decoded.alpha >= 128


@settings
class Alpha(Annotations):
    """A format that takes the pixels with at least half opacity as the object."""

    name: ClassVar[str] = "alpha"
    summary: ClassVar[str] = "the alpha channel of the images (cut-outs)"
    separate: ClassVar[bool] = False

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Remove the masks of the source; see `Annotations.attach`."""
        for candidate in candidates:
            yield replace(candidate, mask_uri=None)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Return the mask in the alpha channel; see `Annotations.read`."""
        mask = alpha_mask(decoded)
        if mask is None:
            raise Rejected("missing_mask", "the image has no transparency")
        return mask, ()


@settings
class FromSource(MaskImages):
    """The mask image that the source gives, else the image's alpha channel.

    Args:
        values: meaning of the masks' numbers, as of `png`; None: decided by `xray plan`.
        ignore: labels to ignore, as of `png`.
        invert: true if the masks show the background.
    """

    name: ClassVar[str] = "source"
    summary: ClassVar[str] = "masks that the source gives as PNG, else the images' alpha channel"
    separate: ClassVar[bool] = False

    values: Values | None = None
    ignore: tuple[Label, ...] | None = None
    invert: bool = False

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Return the candidates unchanged."""
        yield from candidates

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        if data is not None:
            return self.read_image(data, decoded)
        mask = alpha_mask(decoded)
        if mask is None:
            raise Rejected("missing_mask", "the source gives no mask, and the image has no transparency")
        return mask, ()
