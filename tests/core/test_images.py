from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xray.core.errors import Rejected
from xray.core.images import Limits, decode, encode, flatten, read_header, upright

RNG = np.random.default_rng(0)
SMOOTH = np.stack(np.meshgrid(np.arange(64), np.arange(48), indexing="xy"), -1).sum(-1)[..., None].repeat(3, 2)
PHOTO = (SMOOTH * 2 % 256).astype(np.uint8)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


def reason(data: bytes, **options: object) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data, **options)  # type: ignore[arg-type]
    return caught.value.reason


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG", "AVIF", "HEIF"])
def test_every_format_is_read_as_rgb(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    decoded = decode(saved(Image.fromarray(PHOTO), format, **options))
    assert decoded.image.shape == PHOTO.shape
    assert decoded.image.dtype == np.uint8
    tolerance = {"JPEG": 6, "GIF": 8, "AVIF": 6, "HEIF": 6}.get(format, 0)
    assert int(np.abs(decoded.image.astype(int) - PHOTO).max()) <= tolerance


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]), st.integers(0, 2**32 - 1))
def test_png_round_trip_is_exact(height: int, width: int, channels: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    decoded = decode(encode(image, "png"), Limits(min_side=1))
    if channels == 3:
        assert np.array_equal(decoded.image, image)
    elif decoded.alpha is not None:
        assert np.array_equal(decoded.alpha, image[..., 3])
        assert np.array_equal(decoded.image, flatten(image))


def test_jpeg_keeps_full_colour_resolution() -> None:
    """A single red column on green survives, since chroma is not subsampled."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 1] = 200
    image[:, 31] = (255, 0, 0)
    decoded = decode(encode(image, "jpeg", 100)).image.astype(int)
    assert decoded[32, 31, 0] - decoded[32, 31, 1] > 150


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 30}, {"quality": 90, "method": 0}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_has_the_pixels_that_pillow_decodes(mode: str, options: dict[str, object]) -> None:
    pixels = RNG.integers(0, 256, (48, 65, len(mode)), dtype=np.uint8)
    data = saved(Image.fromarray(pixels), "WEBP", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert(mode))
    decoded = decode(data)
    if mode == "RGB":
        assert np.array_equal(decoded.image, expected)
    else:
        assert decoded.alpha is not None
        assert np.array_equal(decoded.alpha, expected[..., 3])
        assert np.array_equal(decoded.image, flatten(expected))


def test_flatten_on_black_and_on_a_colour() -> None:
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], np.uint8)
    assert flatten(rgba).tolist() == [[[200, 100, 50], [0, 0, 0], [100, 50, 25]]]
    assert flatten(rgba, (255, 255, 255))[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone_as_by_pillow(orientation: int, format: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    data = saved(Image.fromarray(PHOTO), format, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    decoded = decode(data)
    assert np.array_equal(decoded.image, expected)
    lossy = format in ("JPEG", "AVIF")
    assert np.abs(upright(PHOTO, orientation).astype(int) - expected).mean() < (5 if lossy else 1e-9)
    assert decoded.orientation == orientation
    assert ("rotated_by_exif" in decoded.notes) == (orientation != 1)
    header = read_header(data)
    assert (header.height, header.width) == expected.shape[:2]


def heic(image: Image.Image, **options: object) -> bytes:
    pillow_heif.register_heif_opener()
    return saved(image, "HEIF", **{"quality": 95, **options})


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once_as_its_container_says(orientation: int) -> None:
    """Telephones write the rotation into the container, and into EXIF, which does not count."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = heic(Image.open(io.BytesIO(saved(Image.fromarray(PHOTO), "PNG", exif=exif))))
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)
    expected = upright(PHOTO, orientation)
    decoded = decode(data)
    assert decoded.image.shape == expected.shape
    assert np.abs(decoded.image.astype(int) - expected).mean() < 5
    assert (decoded.orientation, decoded.notes) == (1, ())
    header = read_header(data)
    assert (header.height, header.width, header.orientation) == (*expected.shape[:2], 1)


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_heic_and_avif_with_alpha_grey_or_more_bits(format: str) -> None:
    pillow_heif.register_heif_opener()
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    rgba[:10, :, 3] = 0
    decoded = decode(saved(Image.fromarray(rgba), format))
    assert decoded.notes == ("flattened_alpha",)
    assert decoded.image[:8].max() < 4
    assert decode(saved(Image.fromarray(PHOTO[..., 0]), format)).image.shape == PHOTO.shape
    assert decode(saved(Image.fromarray(PHOTO), format), name="photo.HEIC").notes == (
        () if format == "HEIF" else ("wrong_extension",)
    )


def test_heic_of_10_bits_is_read_as_8() -> None:
    sink = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 48), (PHOTO.astype(np.uint16) * 256).tobytes(), sink, quality=95)
    assert np.abs(decode(sink.getvalue()).image.astype(int) - PHOTO).mean() < 5


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_damaged_heic_and_avif_are_not_of_an_unknown_format(format: str) -> None:
    pillow_heif.register_heif_opener()
    data = saved(Image.fromarray(PHOTO), format)
    assert {reason(data[:length]) for length in range(40, len(data) - 1, 50)} == {"corrupt_image"}


@pytest.mark.parametrize("kind", [b"Exif", b"hvc1"])
def test_heic_with_an_item_whose_type_is_no_text_is_corrupt(kind: bytes) -> None:
    """pi-heif crashes the process."""
    exif = Image.Exif()
    exif[0x010E] = "a photograph"
    data = bytearray(heic(Image.fromarray(PHOTO), exif=exif))
    at = data.index(kind, data.index(b"infe"))
    data[at + 3] = 0xFF
    assert reason(bytes(data)) == "corrupt_image"


def test_heic_without_its_plug_in_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(Image.fromarray(PHOTO))
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(Rejected, match=r"unknown_format: .*\[formats\]"):
        decode(data)


def test_a_heic_of_several_images_is_its_primary_one_and_a_sequence_is_refused() -> None:
    data = heic(Image.fromarray(PHOTO), save_all=True, append_images=[Image.fromarray(PHOTO[:40])])
    assert decode(data).image.shape == PHOTO.shape
    assert reason(data[:8] + b"hevc" + data[12:]) == "animated_image"


def test_a_png_may_hold_megabytes_of_text_and_a_large_colour_profile() -> None:
    from PIL import PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", " " * 1_500_000, zip=True)
    data = saved(Image.fromarray(PHOTO), "PNG", pnginfo=text, icc_profile=bytes(1_500_000))
    assert np.array_equal(decode(data).image, PHOTO)


def test_cmyk_jpeg_is_converted_with_a_note() -> None:
    decoded = decode(saved(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=100))
    assert decoded.notes == ("converted_cmyk",)
    assert np.abs(decoded.image.astype(int) - PHOTO).mean() < 3


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    decoded = decode(saved(Image.fromarray(ramp), "PNG"))
    assert decoded.notes == ("converted_16_bit",)
    assert np.array_equal(decoded.image[..., 0], (ramp >> 8).astype(np.uint8))


@pytest.mark.parametrize("values", [np.full((48, 64), 70_000, np.int32), np.full((48, 64), 0.5, np.float32)])
def test_deeper_samples_are_refused(values: np.ndarray[Any, Any]) -> None:
    assert reason(saved(Image.fromarray(values), "TIFF")) == "unsupported_depth"


def test_palette_and_rgba_images_are_converted_with_a_note() -> None:
    palette = Image.fromarray(PHOTO).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode(saved(palette, "PNG")).notes == ("converted_palette",)
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    assert decode(saved(Image.fromarray(rgba), "PNG")).notes == ()
    rgba[:10, :, 3] = 0
    decoded = decode(saved(Image.fromarray(rgba), "PNG"))
    assert decoded.notes == ("flattened_alpha",)
    assert decoded.image[:10].max() == 0


def test_animated_image_is_refused() -> None:
    frames = [Image.fromarray(np.full((40, 40, 3), value, np.uint8)) for value in (0, 120, 240)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert reason(data) == "animated_image"


def test_an_image_with_a_wrong_extension_is_decoded_with_a_note() -> None:
    assert decode(encode(PHOTO, "png"), name="photo.jpg").notes == ("wrong_extension",)
    assert decode(encode(PHOTO), name="photo.JPEG").notes == ()


def test_empty_unknown_and_tiny_files_are_refused() -> None:
    assert reason(b"") == "empty_file"
    assert reason(b"GARBAGE" * 10) == "unknown_format"
    assert reason(encode(PHOTO[:1, :1], "png")) == "too_small"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "HEIF", "AVIF"])
def test_an_image_truncated_at_any_length_is_refused(format: str) -> None:
    pillow_heif.register_heif_opener()
    data = saved(Image.fromarray(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)), format)
    for length in range(0, len(data) - 60, 37):
        assert reason(data[:length]) in {"empty_file", "unknown_format", "corrupt_image"}


def test_flipped_bits_are_refused_or_decoded() -> None:
    data = encode(PHOTO)
    refused = 0
    for index in range(2, len(data), 5):
        damaged = bytearray(data)
        damaged[index] ^= 0x10
        try:
            decode(bytes(damaged))
        except Rejected:
            refused += 1
    assert refused > 0


def bomb_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def bomb_jpeg(side: int) -> bytes:
    data = bytearray(encode(PHOTO))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def bomb_heic(side: int) -> bytes:
    data = bytearray(heic(Image.new("RGB", (64, 64))))  # of other sizes the encoder's padding is cropped
    size = data.index(b"ispe") + 8
    data[size : size + 8] = struct.pack(">II", side, side)
    return bytes(data)


@pytest.mark.parametrize(
    "data", [bomb_png(20_000, 20_000), bomb_png(10_000, 10_000), bomb_jpeg(65_500), bomb_heic(12_000)]
)
def test_pixel_bombs_are_refused_from_the_header(data: bytes, recwarn: pytest.WarningsRecorder) -> None:
    tracemalloc.start()
    try:
        assert reason(data) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_limits_are_respected() -> None:
    assert reason(encode(PHOTO), limits=Limits(max_pixels=100)) == "too_many_pixels"
    assert reason(encode(PHOTO), limits=Limits(min_side=50)) == "too_small"
