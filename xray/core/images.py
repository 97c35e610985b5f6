"""Decoding and encoding of images.

libjpeg-turbo decodes JPEG in strict mode, so that damaged data is an error and not grey blocks. Pillow decodes all
other formats, HEIC by its plug-in pi-heif, which is optional. The header is checked first: an image that claims
too many pixels is refused before any memory is allocated.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
import simplejpeg
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.core.types import Pixels

Format = Literal["jpeg", "png"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, OverflowError, RuntimeError)
_SUFFIXES = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "MPO": ("jpg", "jpeg", "mpo"), "TIFF": ("tif", "tiff"),
    "HEIF": ("heic", "heif", "hif"),
}  # fmt: skip
_ORIENTATION = 0x0112
_TURNED_BY_PILLOW = "TIFF"
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
        max_pixels: maximum of width × height; the default is an 8-bit RGB image of 192 MB. Pillow always refuses
            formats other than JPEG above 178,956,970 pixels.
        min_side: minimum of the shorter side, in pixels.
    """

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


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Rejected("empty_file")
    formats = _formats(data)
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        if formats is not _FORMATS:
            raise Rejected("corrupt_image", f"{len(data):,} bytes are no complete {formats[0]} image") from error
        raise Rejected("unknown_format", f"starts with {data[:12]!r}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Rejected("too_many_pixels", str(error)) from error
    except _DAMAGED as error:
        raise Rejected("corrupt_image", str(error)) from error


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
    pi_heif.register_heif_opener()
    return ("HEIF",)


def _check(picture: Image.Image, limits: Limits) -> Header:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise Rejected("too_many_pixels", f"{width}×{height}, at most {limits.max_pixels:,} pixels")
    if min(width, height) < limits.min_side:
        raise Rejected("too_small", f"{width}×{height}, at least {limits.min_side} pixels per side")
    try:
        frames = 1 if picture.format in ("MPO", "HEIF") else getattr(picture, "n_frames", 1)  # they have a primary one
        orientation = picture.getexif().get(_ORIENTATION, 1)  # of HEIF 1: its plug-in turns the pixels
    except _DAMAGED as error:
        raise Rejected("corrupt_image", str(error)) from error
    if frames > 1:
        raise Rejected("animated_image", f"{frames} frames")
    if orientation not in range(1, 9):
        orientation = 1
    if orientation >= 5 and picture.format != _TURNED_BY_PILLOW:
        width, height = height, width
    return Header(picture.format or "", width, height, orientation)


def read_header(data: bytes, limits: Limits = DEFAULT) -> Header:
    """Read the header of an image without decoding its pixels.

    Raises:
        Rejected: empty_file, unknown_format, corrupt_image, too_many_pixels, too_small, animated_image.
    """
    return _check(_open(data), limits)


def decode(data: bytes, limits: Limits = DEFAULT, *, name: str = "") -> Decoded:
    """Decode an image to upright 8-bit RGB; `name`, of the file, shows an extension of another format.

    Raises:
        Rejected: the reasons of `read_header`, unsupported_depth, and corrupt_image for damaged pixel data.

    >>> decode(encode(np.zeros((40, 60, 3), np.uint8), "png")).image.shape
    (40, 60, 3)
    """
    picture = _open(data)
    header = _check(picture, limits)
    notes = []
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix and suffix not in _SUFFIXES.get(header.format, (header.format.lower(),)):
        notes.append("wrong_extension")
    alpha = None
    if header.format in ("JPEG", "MPO") and picture.mode in ("RGB", "L"):
        try:
            image = simplejpeg.decode_jpeg(data, "RGB", strict=True)
        except ValueError as error:
            raise Rejected("corrupt_image", str(error)) from error
    else:
        image, alpha, conversions = _decode_other(picture)
        notes += conversions
    if header.orientation != 1:
        if header.format != _TURNED_BY_PILLOW:
            image = upright(image, header.orientation)
            alpha = None if alpha is None else upright(alpha, header.orientation)
        notes.append("rotated_by_exif")
    return Decoded(image, alpha, tuple(notes), header.orientation)


def _decode_other(picture: Image.Image) -> tuple[Pixels, Pixels | None, list[str]]:
    try:
        picture.load()
    except _DAMAGED as error:
        raise Rejected("corrupt_image", str(error)) from error
    mode = picture.mode
    if mode == "F" or mode.startswith("I"):
        grey = np.asarray(picture)
        if mode == "F" or grey.min(initial=0) < 0 or grey.max(initial=0) > 65_535:
            raise Rejected("unsupported_depth", f"mode {mode}, values {grey.min()} to {grey.max()}")
        grey = grey >> 8 if grey.max(initial=0) > 255 else grey
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2), None, ["converted_16_bit"]
    notes = {"CMYK": ["converted_cmyk"], "P": ["converted_palette"]}.get(mode, [])
    if mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"))
        alpha = np.ascontiguousarray(rgba[:, :, 3])
        if alpha.min() < 255:
            return flatten(rgba), alpha, [*notes, "flattened_alpha"]
        return np.ascontiguousarray(rgba[:, :, :3]), None, notes
    return np.array(picture.convert("RGB")), None, notes


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
