from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from xray.core.errors import Rejected
from xray.core.images import Decoded, decode
from xray.masks import Hint, Mask
from xray.masks.alpha import Alpha
from xray.masks.from_source import FromSource
from xray.masks.given import Given
from xray.sources.base import Candidate


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def candidate(key: str, mask_uri: str) -> Candidate:
    return Candidate(key=key, category="c", uri="file:///photos/x.jpg", mask_uri=mask_uri)


def cutout(mask: Mask) -> Decoded:
    alpha = np.where(mask, 128, 127).astype(np.uint8)
    return decode(png(np.dstack([np.full((*mask.shape, 3), 90, np.uint8), alpha])))


def test_alpha_is_the_object_from_half_opacity_on(mask: Mask) -> None:
    assert (Alpha().read(None, cutout(mask))[0] == mask).all()


def test_alpha_ignores_the_masks_of_the_source() -> None:
    (found,) = Alpha().attach([candidate("a", mask_uri="file:///a.png")])
    assert found.mask_uri is None


@pytest.mark.parametrize("annotations", [Alpha(), FromSource()])
def test_without_transparency_there_is_no_mask(annotations: Alpha | FromSource, photo: Decoded) -> None:
    with pytest.raises(Rejected) as caught:
        annotations.read(None, photo)
    assert caught.value.reason == "missing_mask"


def test_a_given_mask_goes_before_the_alpha_channel(mask: Mask) -> None:
    decoded = cutout(mask)
    assert (FromSource().read(png(~mask), decoded)[0] == ~mask).all()
    assert (FromSource().read(None, decoded)[0] == mask).all()
    with pytest.raises(Rejected) as caught:
        FromSource().read(b"", decoded)
    assert caught.value.reason == "corrupt_mask", "a damaged mask is not replaced by the alpha channel"
    kept = candidate("a", mask_uri="file:///a.png")
    assert list(FromSource().attach([kept])) == [kept]


def test_given_says_where_the_mask_is_from(mask: Mask, photo: Decoded) -> None:
    assert Given().refine(photo, Hint(mask), seed=0).origin == "given"
    assert Given().refine(cutout(mask), Hint(mask), seed=0).origin == "alpha"
    other = Given().refine(cutout(mask), Hint(~mask), seed=0)
    assert other.origin == "given"
    assert (other.mask == ~mask).all()
    with pytest.raises(Rejected) as caught:
        Given().refine(photo, Hint(boxes=((0, 0, 9, 9),), points=((1, 1, True),)), seed=0)
    assert caught.value.reason == "missing_mask"
