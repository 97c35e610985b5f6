from __future__ import annotations

import numpy as np
import pytest
from support.mask_inputs import candidate, png

from xray.core.errors import Rejected
from xray.core.images import Decoded, decode
from xray.masks import Hint, Mask
from xray.masks.formats.from_source import Alpha, FromSource
from xray.masks.given import Given


def cutout(mask: Mask) -> Decoded:
    alpha = np.where(mask, 128, 127).astype(np.uint8)
    return decode(png(np.dstack([np.full((*mask.shape, 3), 90, np.uint8), alpha])))


def test_alpha_takes_pixels_from_half_opacity_on(mask: Mask, photo: Decoded) -> None:
    (result,) = Alpha().attach([candidate("a", mask_uri="file:///a.png")])
    assert result.mask_uri is None
    assert (Alpha().read(None, cutout(mask))[0] == mask).all()
    with pytest.raises(Rejected, match="missing_mask"):
        Alpha().read(None, photo)


def test_a_given_mask_takes_precedence_over_the_alpha_channel(mask: Mask) -> None:
    decoded = cutout(mask)
    assert (FromSource().read(png(~mask), decoded)[0] == ~mask).all()
    assert (FromSource().read(None, decoded)[0] == mask).all()
    with pytest.raises(Rejected, match="corrupt_mask"):  # no fallback to the alpha channel
        FromSource().read(b"", decoded)
    unchanged = candidate("a", mask_uri="file:///a.png")
    assert list(FromSource().attach([unchanged])) == [unchanged]


def test_given_keeps_the_mask_and_names_its_origin(mask: Mask, photo: Decoded) -> None:
    assert Given().refine(photo, Hint(mask), seed=0).origin == "given"
    assert Given().refine(cutout(mask), Hint(mask), seed=0).origin == "alpha"
    other = Given().refine(cutout(mask), Hint(~mask), seed=0)
    assert other.origin == "given"
    assert (other.mask == ~mask).all()
    with pytest.raises(Rejected, match="missing_mask"):
        Given().refine(photo, Hint(boxes=((0, 0, 9, 9),), points=((1, 1, True),)), seed=0)
