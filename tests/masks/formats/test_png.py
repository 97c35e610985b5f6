from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.mask_inputs import HEIGHT, WIDTH, png

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.parts import pack
from xray.masks import Mask
from xray.masks.base import AnnotationFile
from xray.masks.fitting import read_mask
from xray.masks.formats.png import ImageNetS, Png


def encodings(mask: Mask) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    """Files with the mask in every image mode, and the notes of reading them."""
    grey = mask.astype(np.uint8) * 255
    palette = Image.fromarray(1 - mask.astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 0, 0, 0])  # white first: the colour counts, not the index
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    converted = ("mask_converted",)
    white = np.full_like(grey, 255)
    return {
        "8-bit": (png(grey), ()),
        "0 and 1": (png(mask.astype(np.uint8)), ()),
        "dim": (png(np.where(mask, 128, 127).astype(np.uint8)), ()),
        "1-bit": (png(mask), ()),
        "palette": (stream.getvalue(), ()),
        "RGB": (png(np.dstack([grey] * 3)), ()),
        "16-bit": (png(mask.astype(np.uint16) * 65535), converted),
        "16-bit dim": (png(np.where(mask, 32768, 32767).astype(np.uint16)), converted),
        "16-bit of 8": (png(mask.astype(np.uint16) * 255), converted),
        "16-bit 0 and 1": (png(mask.astype(np.uint16)), converted),
        "RGBA by opacity": (png(np.dstack([white, white, white, grey])), converted),
        "RGBA by luminance": (png(np.dstack([grey, grey, grey, white])), converted),
        "grey and alpha": (png(np.dstack([white, grey]), "LA"), converted),
    }


def test_every_image_mode_gives_the_same_mask(mask: Mask, photo: Decoded) -> None:
    for kind, (data, expected_notes) in encodings(mask).items():
        result, notes = Png(root="masks").read(data, photo)
        assert (result == mask).all(), kind
        assert (result.dtype, notes) == (bool, expected_notes), kind


def test_a_huge_mask_is_rejected_from_its_header(photo: Decoded) -> None:
    small = png(np.zeros((1, 1), np.uint8))
    huge = small[:16] + (65500).to_bytes(4, "big") * 2 + small[24:]
    huge = huge[:29] + zlib.crc32(huge[12:29]).to_bytes(4, "big") + huge[33:]
    with pytest.raises(Rejected, match="mask_wrong_size"):
        Png(root="masks").read(huge, photo)


def test_a_truncated_mask_is_corrupt(mask: Mask, photo: Decoded) -> None:
    data = encodings(mask)["8-bit"][0]
    after_the_pixels = 4 + 4 + 12  # the last chunk of pixels' checksums and the end mark
    for cut in range(len(data) - after_the_pixels):
        with pytest.raises(Rejected) as caught:
            Png(root="masks").read(data[:cut], photo)
        assert caught.value.reason == "corrupt_mask", cut


@settings(deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(1, 255))
def test_flipped_bits_give_a_mask_or_a_rejection(position: int, value: int) -> None:
    data = bytearray(png(np.eye(HEIGHT, WIDTH, dtype=np.uint8)))
    data[position % len(data)] ^= value
    reason, shape = "corrupt_mask", (HEIGHT, WIDTH)
    try:
        photo = Decoded(np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, ())
        shape = read_mask(Png(root="masks"), bytes(data), photo)[0].shape
    except Rejected as rejected:
        reason = rejected.reason
    assert reason in ("corrupt_mask", "mask_wrong_size")
    assert shape == (HEIGHT, WIDTH)


def test_imagenet_s_label_maps(mask: Mask, photo: Decoded) -> None:
    ids = np.where(mask, 300, 0)
    ids[:, 50:] = 1000
    ids[0, 0] = 7
    all_classes = mask.copy()
    all_classes[0, 0] = True
    label_map = png(np.dstack([ids % 256, ids // 256, np.zeros_like(ids)]).astype(np.uint8))
    assert (ImageNetS(root="x").read(label_map, photo)[0] == all_classes).all()
    assert (ImageNetS(root="x", class_id=300).read(label_map, photo)[0] == mask).all()
    with pytest.raises(Rejected, match=r"corrupt_mask.*RGB.*L"):
        ImageNetS(root="x").read(png(mask.astype(np.uint8)), photo)


def test_more_parts_than_can_be_read_in_seconds_are_refused(mask: Mask, photo: Decoded) -> None:
    parts = pack([png(mask)] * 6000)
    with pytest.raises(Rejected) as caught:
        Png(root="masks").read(parts, photo)
    assert caught.value.reason == "corrupt_mask"
    assert Png(root="masks").resolve([AnnotationFile("a.png", parts, WIDTH, HEIGHT)])


def test_a_mask_above_the_limit_of_pixels_is_refused_before_it_is_decoded() -> None:
    stream = io.BytesIO()
    Image.new("1", (9000, 8000)).save(stream, "PNG")
    small = AnnotationFile("a.png", png(np.eye(60, 40, dtype=np.uint8) * 255), 40, 60)
    for mask in (Png(root="m"), Png(root="m", resize=True)):
        alone, _ = mask.resolve([small])
        assert mask.resolve([small, AnnotationFile("b.png", stream.getvalue(), 90, 80)])[0] == alone
        photo = Decoded(np.zeros((80, 90, 3), np.uint8), None, ())
        with pytest.raises(Rejected, match="mask_wrong_size"):
            alone.read_image(stream.getvalue(), photo)
