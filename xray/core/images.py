"""Decoding and encoding of images.

libjpeg-turbo decodes JPEG in strict mode, so that damaged data is an error and not grey blocks. Pillow decodes all
other formats, HEIC by its plug-in pi-heif, which is optional. The header is checked first: an image that claims
too many pixels is refused before any memory is allocated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import simplejpeg
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from pydantic import Field

from xray.core.errors import Rejected, rejecting
from xray.core.image_checks import BoundedFile, check_heif_items, check_scans, check_structure, is_animated_gif
from xray.core.plugins import settings
from xray.core.types import Pixels

Format = Literal["jpeg", "png"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_SUFFIXES = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "MPO": ("jpg", "jpeg", "mpo"), "TIFF": ("tif", "tiff"),
    "HEIF": ("heic", "heif", "hif"),
}  # fmt: skip
_ORIENTATION = 0x0112
_TURNED_BY_PILLOW = "TIFF"
_MAGIC = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}  # fmt: skip
_JPEG = ("JPEG", "MPO")
_WITH_PRIMARY = ("MPO", "HEIF")
_MAX_EXIF = 1 << 17
_BAND = 1 << 22
"""Pixels that are converted at a time."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_HEIF_SEQUENCES = (b"hevc", b"hevx", b"hevm", b"hevs", b"msf1")

FLIPS = {1: (), 2: (1,), 3: (0, 1), 4: (0,), 5: (), 6: (1,), 7: (0, 1), 8: (0,)}
"""The axes that each EXIF orientation flips, after 5–8 have swapped them."""

# Editors store more than 1 MB of history or colour profile, which Pillow takes for a decompression bomb.
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 2**20


@settings
class Limits:
    """Limits on the size of images, checked before they are decoded.

    Args:
        max_bytes: maximum size of the file of a photograph or mask, checked before it is read.
        max_pixels: maximum of width × height; the default is an 8-bit RGB image of 192 MB. Pillow always refuses
            formats other than JPEG above 178,956,970 pixels.
        min_side: minimum of the shorter side, in pixels.
    """

    max_bytes: Annotated[int, Field(ge=1)] = 256_000_000
    max_pixels: Annotated[int, Field(ge=1)] = 64_000_000
    min_side: Annotated[int, Field(ge=1)] = 32


DEFAULT = Limits()
ANY = Limits(max_pixels=2**31, min_side=1)
"""Limits for images that xray itself generated."""


@dataclass(frozen=True)
class Header:
    """The header of an image: Pillow's name of the format, size when upright (pixels) and EXIF orientation, 1–8."""

    format: str
    width: int
    height: int
    orientation: int


@dataclass(frozen=True)
class Decoded:
    """A decoded, upright image.

    Args:
        image: RGB, shape (H, W, 3).
        alpha: opacity 0–255, shape (H, W); None if the image is opaque.
        notes: reason codes of all conversions.
        orientation: EXIF orientation that was undone, 1–8.
    """

    image: Pixels
    alpha: Pixels | None
    notes: tuple[str, ...]
    orientation: int = 1


def open_image(data: bytes) -> Image.Image:
    """Open an image with Pillow; nothing beyond its header is read.

    Raises:
        Rejected: empty_file, unknown_format, corrupt_image, too_large, too_many_pixels.
    """
    if not data:
        raise Rejected("empty_file")
    formats = _formats(data)
    with rejecting("corrupt_image"):
        check_structure(data)
        try:
            return Image.open(BoundedFile(data), formats=formats)
        except UnidentifiedImageError as error:
            name = formats[0] if formats is not _FORMATS else _begins_as(data)
            if name:
                raise Rejected("corrupt_image", f"{len(data):,} bytes are no complete {name} image") from error
            raise Rejected("unknown_format", f"starts with {data[:12]!r}") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise Rejected("too_many_pixels", str(error)) from error


def _begins_as(data: bytes) -> str:
    """Return the format that the first bytes of a file say; empty if they say none."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


def _formats(data: bytes) -> tuple[str, ...]:
    """Return Pillow's names of the formats that a file may have; register HEIF for files that are of it."""
    brands = data[8 : int.from_bytes(data[:4], "big")]
    if data[4:8] != b"ftyp":
        return _FORMATS
    if b"avif" in brands or b"avis" in brands:
        return ("AVIF",)
    if data[8:12] in _HEIF_SEQUENCES:
        raise Rejected("animated_image", "a HEIF image sequence")
    if data[8:12] not in _HEIF_BRANDS:
        return _FORMATS
    try:
        import pi_heif
    except ModuleNotFoundError as error:
        raise Rejected("unknown_format", "HEIC needs pi-heif: pip install 'xray-robustness[formats]'") from error
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    check_heif_items(data)
    return ("HEIF",)


def orientation_of(picture: Image.Image) -> int:
    """Return the EXIF orientation of an open image, 1–8; of HEIF 1, because its plug-in turns the pixels."""
    if len(picture.info.get("Raw profile type exif", "")) > _MAX_EXIF:
        raise Rejected("too_large", f"more than {_MAX_EXIF:,} characters of EXIF")
    orientation = picture.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def is_animated(picture: Image.Image, data: bytes) -> bool:
    """Return whether an open image has several frames, none of which is the primary one."""
    if picture.format == "GIF":
        return is_animated_gif(data)
    return picture.format not in _WITH_PRIMARY and bool(getattr(picture, "is_animated", False))


def _check(picture: Image.Image, data: bytes, limits: Limits) -> Header:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise Rejected("too_many_pixels", f"{width}×{height}, at most {limits.max_pixels:,} pixels")
    if min(width, height) < limits.min_side:
        raise Rejected("too_small", f"{width}×{height}, at least {limits.min_side} pixels per side")
    with rejecting("corrupt_image"):
        orientation = orientation_of(picture)
        if is_animated(picture, data):
            raise Rejected("animated_image", "more than one frame")
        if picture.format in _JPEG:
            check_scans(data, width * height)
    if orientation >= 5 and picture.format != _TURNED_BY_PILLOW:
        width, height = height, width
    return Header(picture.format or "", width, height, orientation)


def read_header(data: bytes, limits: Limits = DEFAULT) -> Header:
    """Read the header of an image without decoding its pixels.

    Raises:
        Rejected: empty_file, unknown_format, corrupt_image, too_many_pixels, too_small, animated_image.
    """
    return _check(open_image(data), data, limits)


def decode(data: bytes, limits: Limits = DEFAULT, *, name: str = "") -> Decoded:
    """Decode an image to upright 8-bit RGB; `name`, of the file, shows an extension of another format.

    Raises:
        Rejected: the reasons of `read_header`, unsupported_depth, and corrupt_image for damaged pixel data.

    >>> decode(encode(np.zeros((40, 60, 3), np.uint8), "png")).image.shape
    (40, 60, 3)
    """
    picture = open_image(data)
    header = _check(picture, data, limits)
    notes = []
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix and suffix not in _SUFFIXES.get(header.format, (header.format.lower(),)):
        notes.append("wrong_extension")
    alpha = None
    with rejecting("corrupt_image"):
        if header.format in _JPEG and picture.mode in ("RGB", "L"):
            image = simplejpeg.decode_jpeg(data, "RGB", strict=True)
        elif _is_still_webp(header.format, data):
            image, alpha, conversions = _decode_webp(data, picture.size)
            notes += conversions
        else:
            image, alpha, conversions = _convert(load(picture, data))
            notes += conversions
    if header.orientation != 1:
        if header.format != _TURNED_BY_PILLOW:
            image = upright(image, header.orientation)
            alpha = None if alpha is None else upright(alpha, header.orientation)
        notes.append("rotated_by_exif")
    return Decoded(image, alpha, tuple(notes), header.orientation)


def load(picture: Image.Image, data: bytes) -> Image.Image:
    """Decode the pixels of an open image (see `open_image`).

    Raises:
        Rejected: corrupt_image.
    """
    with rejecting("corrupt_image"):
        if _is_still_webp(picture.format, data):
            return Image.fromarray(_webp_pixels(data, picture.size))
        file = getattr(picture, "fp", None)
        if isinstance(file, BoundedFile):
            file.begin_pixels()
        picture.load()
        return picture


def _is_still_webp(format: str | None, data: bytes) -> bool:
    """Return whether OpenCV decodes a file: in half of Pillow's memory, to the same pixels."""
    return format == "WEBP" and b"ANMF" not in data


def _webp_pixels(data: bytes, size: tuple[int, int]) -> Pixels:
    """Decode a WebP to RGB or RGBA, shape (H, W, 3 or 4)."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[1::-1] != size:
        raise Rejected("corrupt_image", "the pixels cannot be decoded")
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(pixels, code, dst=pixels)  # type: ignore[return-value]


def _decode_webp(data: bytes, size: tuple[int, int]) -> tuple[Pixels, Pixels | None, list[str]]:
    """Decode a WebP; see `_convert`."""
    pixels = _webp_pixels(data, size)
    if pixels.shape[2] == 3:
        return pixels, None, []
    rows = max(1, _BAND // size[0])
    parts = ((slice(top, top + rows), pixels[top : top + rows]) for top in range(0, size[1], rows))
    return _flattened(parts, size[1], size[0], [])


def _flattened(
    parts: Iterable[tuple[slice, Pixels]], height: int, width: int, notes: list[str]
) -> tuple[Pixels, Pixels | None, list[str]]:
    """Flatten the rows of an RGBA image, some at a time; see `_convert`."""
    image, alpha = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
    for rows, rgba in parts:
        image[rows], alpha[rows] = flatten(rgba), rgba[:, :, 3]
    return (image, None, notes) if alpha.min() == 255 else (image, alpha, [*notes, "flattened_alpha"])


def bands(picture: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield the rows of a decoded image, some at a time, so that conversions take little memory."""
    rows = max(1, _BAND // picture.width)
    for top in range(0, picture.height, rows):
        end = min(top + rows, picture.height)
        yield slice(top, end), picture.crop((0, top, picture.width, end))


def pixels_of(picture: Image.Image, mode: str) -> Pixels:
    """Convert a decoded image to a mode of Pillow with 8 bits a channel; shape (H, W), or (H, W, channels)."""
    channels = len(mode)
    shape = (picture.height, picture.width, channels) if channels > 1 else (picture.height, picture.width)
    pixels = np.empty(shape, np.uint8)
    for rows, band in bands(picture):
        pixels[rows] = np.asarray(band if band.mode == mode else band.convert(mode))
    return pixels


def _convert(picture: Image.Image) -> tuple[Pixels, Pixels | None, list[str]]:
    """Return RGB, opacity unless all of it is opaque, and reason codes of conversions."""
    mode = picture.mode
    if mode == "F" or mode.startswith("I"):
        return _grey(picture), None, ["converted_16_bit"]
    notes = {"CMYK": ["converted_cmyk"], "P": ["converted_palette"]}.get(mode, [])
    if mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return pixels_of(picture, "RGB"), None, notes
    parts = ((rows, np.asarray(band.convert("RGBA"))) for rows, band in bands(picture))
    return _flattened(parts, picture.height, picture.width, notes)


def _grey(picture: Image.Image) -> Pixels:
    """Return an image of integers up to 16 bits as RGB."""
    extrema: Any = picture.getextrema()
    lowest, highest = extrema
    if picture.mode == "F" or lowest < 0 or highest > 65_535:
        raise Rejected("unsupported_depth", f"mode {picture.mode}, values {lowest} to {highest}")
    image = np.empty((picture.height, picture.width, 3), np.uint8)
    for rows, band in bands(picture):
        grey = np.asarray(band)
        image[rows] = (grey >> 8 if highest > 255 else grey).astype(np.uint8)[:, :, None]
    return image


def flatten(rgba_HWC: Pixels, colour: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    """Blend an RGBA image, shape (H, W, 4), over one RGB colour; values are rounded to the nearest integer.

    >>> flatten(np.array([[[200, 100, 0, 128]]], np.uint8)).tolist()
    [[[100, 50, 0]]]
    """
    alpha = rgba_HWC[:, :, 3:].astype(np.uint16)
    blended = rgba_HWC[:, :, :3] * alpha + np.asarray(colour, np.uint16) * (255 - alpha)
    return ((blended + 127) // 255).astype(np.uint8)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (1–8, EXIF 2.32 section 4.6.4) of an array whose first two axes are rows and columns."""
    transposed = np.swapaxes(pixels, 0, 1) if orientation >= 5 else pixels
    return np.ascontiguousarray(np.flip(transposed, FLIPS[orientation]))


def encode(image: Pixels, format: Format = "jpeg", quality: int = 95) -> bytes:
    """Encode an RGB image; as PNG also RGBA, or grey, shape (H, W).

    JPEG, of quality 1–100, has full colour resolution (4:4:4): colours of object and background do not mix.
    """
    if format == "jpeg":
        return simplejpeg.encode_jpeg(  # type: ignore[no-any-return]
            np.ascontiguousarray(image), quality, "RGB", colorsubsampling="444"
        )
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    return cv2.imencode(".png", image)[1].tobytes()
