"""Masks in the alpha channel of the images themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.sources.base import Candidate


def alpha_mask(decoded: Decoded) -> Mask | None:
    """Where an image is at least half opaque (alpha ≥ 128), shape (H, W); None if it has no transparency."""
    return None if decoded.alpha is None else decoded.alpha >= 128


@settings
class Alpha(Annotations):
    """The object is where the image is at least half opaque."""

    name: ClassVar[str] = "alpha"
    summary: ClassVar[str] = "the alpha channel of the images (cut-outs)"

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """The candidates without the masks of their source."""
        for candidate in candidates:
            yield replace(candidate, mask_uri=None)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """The mask in the alpha channel; see `Annotations.read`."""
        mask = alpha_mask(decoded)
        if mask is None:
            raise Rejected("missing_mask", "the image has no transparency")
        return mask, ()
