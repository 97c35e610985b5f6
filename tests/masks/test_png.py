from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from xray.core.errors import Rejected, XrayError
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.from_source import FromSource
from xray.masks.imagenet_s import ImageNetS
from xray.masks.png import Png, read_png_mask
from xray.sources.base import Candidate

HEIGHT, WIDTH = 40, 60


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(array, mode) if mode else Image.fromarray(array)).save(stream, "PNG")
    return stream.getvalue()


def candidate(key: str, uri: str = "file:///photos/x.jpg", **more: Any) -> Candidate:
    return Candidate(key=key, category="c", uri=uri, **more)


def encodings(mask: Mask) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    grey = mask.astype(np.uint8) * 255
    palette = Image.fromarray(1 - mask.astype(np.uint8), "P")
    palette.putpalette([255, 255, 255, 0, 0, 0])  # white comes first: the index says nothing, the colour does
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    converted = ("mask_converted",)
    opaque = np.dstack([np.full((*mask.shape, 3), 255, np.uint8), grey])
    white_on_black = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
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
        "RGBA by opacity": (png(opaque), converted),
        "RGBA by luminance": (png(white_on_black), converted),
        "grey and alpha": (png(np.dstack([np.full_like(grey, 255), grey]), "LA"), converted),
    }


def test_every_kind_of_image_gives_the_same_mask(mask: Mask, photo: Decoded) -> None:
    for kind, (data, notes) in encodings(mask).items():
        found, said = read_png_mask(data, photo)
        assert (found == mask).all(), kind
        assert said == notes, kind
        assert found.dtype == bool


def test_transparent_pixels_are_background_whatever_their_colour(mask: Mask, photo: Decoded) -> None:
    hidden = np.dstack([np.full((*mask.shape, 3), 255, np.uint8), np.where(mask, 255, 0).astype(np.uint8)])
    assert (read_png_mask(png(hidden), photo)[0] == mask).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "missing_mask"),
        (b"", "corrupt_mask"),
        (b"{}", "corrupt_mask"),
        (b"\x89PNG\r\n\x1a\n", "corrupt_mask"),
        (png(np.zeros((HEIGHT, WIDTH), np.uint8))[:60], "corrupt_mask"),
        (png(np.zeros((HEIGHT, WIDTH + 1), np.uint8)), "mask_wrong_size"),
        (png(np.zeros((WIDTH, HEIGHT), np.uint8)), "mask_wrong_size"),
    ],
)
def test_bad_masks_are_rejected(photo: Decoded, data: bytes | None, reason: str) -> None:
    for form in (Png(root="masks"), FromSource(), ImageNetS(root="masks")):
        with pytest.raises(Rejected) as caught:
            form.read(data, photo)
        assert caught.value.reason == reason


def test_wrong_size_names_both_sizes(photo: Decoded) -> None:
    with pytest.raises(Rejected, match="mask 61×40, image 60×40"):
        read_png_mask(png(np.zeros((40, 61), np.uint8)), photo)


def test_a_huge_mask_is_refused_from_its_header(photo: Decoded) -> None:
    small = png(np.zeros((1, 1), np.uint8))
    huge = small[:16] + (65500).to_bytes(4, "big") * 2 + small[24:]
    huge = huge[:29] + zlib.crc32(huge[12:29]).to_bytes(4, "big") + huge[33:]
    with pytest.raises(Rejected) as caught:
        read_png_mask(huge, photo)
    assert caught.value.reason == "mask_wrong_size"


def test_truncation_is_never_a_mask(mask: Mask, photo: Decoded) -> None:
    data = encodings(mask)["8-bit"][0]
    after_the_pixels = 4 + 4 + 12  # the last chunk of pixels' checksums and the end mark
    for cut in range(len(data) - after_the_pixels):
        with pytest.raises(Rejected) as caught:
            read_png_mask(data[:cut], photo)
        assert caught.value.reason == "corrupt_mask", cut


@settings(deadline=None, max_examples=60)
@given(position=st.integers(0, 10_000), value=st.integers(1, 255))
def test_flipped_bits_are_masks_or_verdicts(position: int, value: int) -> None:
    data = bytearray(png(np.eye(HEIGHT, WIDTH, dtype=np.uint8)))
    data[position % len(data)] ^= value
    shape, reason = (HEIGHT, WIDTH), ""
    try:
        shape = read_png_mask(bytes(data), Decoded(np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, ()))[0].shape
    except Rejected as rejected:
        reason = rejected.reason
    assert shape == (HEIGHT, WIDTH)
    assert reason in ("", "corrupt_mask", "mask_wrong_size")


def test_masks_of_either_position_fit_an_image_that_lies_on_its_side(mask: Mask, turned: tuple[Decoded, Mask]) -> None:
    decoded, stored = turned
    assert decoded.orientation == 6
    assert ((decoded.image[:, :, 0] > 127) == mask).mean() > 0.98, "the photograph shows the mask, upright"
    upright, notes = read_png_mask(png(mask), decoded)
    assert notes == ()
    assert (upright == mask).all()
    found, notes = read_png_mask(png(stored), decoded)
    assert notes == ("mask_rotated_by_exif",)
    assert (found == mask).all()


def test_masks_are_paired_by_key(tmp_path: Path) -> None:
    for name in ("a/one.png", "b/two.png", "three.png", "a/na me%.png", "id.7.png", "a/four_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    keys = ["a/one.jpg", "b/one.jpg", "b/two.JPEG", "deep/three.jpg", "a/na me%.jpg", "a/na%20me%25.jpg", "id.7"]
    found = Png(root=str(tmp_path)).attach(candidate(key, mask_uri="file:///source.png") for key in keys)
    names = [c.mask_uri and c.mask_uri.removeprefix(tmp_path.as_uri() + "/") for c in found]
    odd = "a/na%20me%25.png"
    assert names == ["a/one.png", None, "b/two.png", "three.png", odd, odd, "id.7.png"]
    (four,) = Png(root=tmp_path.as_uri(), suffix="_mask.png").attach([candidate("a/four.jpg")])
    assert four.mask_uri == (tmp_path / "a/four_mask.png").as_uri()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"no folder .*nowhere"):
        list(Png(root=str(tmp_path / "nowhere")).attach([candidate("a.jpg")]))


def test_imagenet_s_label_maps(mask: Mask, photo: Decoded, turned: tuple[Decoded, Mask]) -> None:
    ids = np.where(mask, 300, 0)
    ids[:, 50:] = 1000
    ids[0, 0] = 7
    everything = mask.copy()
    everything[0, 0] = True

    def label_map(ids: np.ndarray) -> bytes:
        return png(np.dstack([ids % 256, ids // 256, np.zeros_like(ids)]).astype(np.uint8))

    assert (ImageNetS(root="x").read(label_map(ids), photo)[0] == everything).all()
    assert (ImageNetS(root="x", class_id=300).read(label_map(ids), photo)[0] == mask).all()
    found, notes = ImageNetS(root="x").read(label_map(np.where(turned[1], 300, 0)), turned[0])
    assert notes == ("mask_rotated_by_exif",)
    assert (found == mask).all()
    with pytest.raises(Rejected, match=r"corrupt_mask.*is RGB, this is L"):
        ImageNetS(root="x").read(png(mask.astype(np.uint8)), photo)
