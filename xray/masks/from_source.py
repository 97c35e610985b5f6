"""Masks that come with the photographs (the default format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.alpha import alpha_mask
from xray.masks.base import Annotations, Mask
from xray.masks.png import read_png_mask
from xray.sources.base import Candidate


@settings
class FromSource(Annotations):
    """The mask image that the source gives, read by `read_png_mask`, else the image's alpha channel."""

    name: ClassVar[str] = "source"
    summary: ClassVar[str] = "masks that the source gives as PNG, else the images' alpha channel"

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Return the candidates unchanged."""
        yield from candidates

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        if data is not None:
            return read_png_mask(data, decoded)
        mask = alpha_mask(decoded)
        if mask is None:
            raise Rejected("missing_mask", "the source gives no mask, and the image has no transparency")
        return mask, ()
