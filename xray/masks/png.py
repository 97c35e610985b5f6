"""Folders of mask images: any PNG, and the label maps of ImageNet-S."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.masks.mask_files import apply_orientation, orientation_of_mask
from xray.masks.pairing import Pairing
from xray.sources.base import Candidate

_FORMATS = ("PNG", "BMP", "TIFF", "WEBP", "JPEG")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, OverflowError)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_BACKGROUND, _IGNORE = 0, 1000


def load_label_image(data: bytes | None, decoded: Decoded) -> tuple[Image.Image, int]:
    """Decode a mask file; return the image and the EXIF orientation that must still be applied.

    The size is checked first, so that a mask never has more decoded pixels than its photograph.
    """
    if data is None:
        raise Rejected("missing_mask")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        orientation = orientation_of_mask(*image.size, decoded)
        image.load()
    except UnidentifiedImageError as error:
        raise Rejected("corrupt_mask", f"not an image: begins with {data[:8]!r}") from error
    except _BOMB as error:
        raise Rejected("mask_wrong_size", str(error)) from error
    except _DAMAGED as error:
        raise Rejected("corrupt_mask", str(error)) from error
    return image, orientation


def _one_channel(image: Image.Image) -> tuple[NDArray[np.uint16], int, bool]:
    """Reduce an image to one channel; return values, maximum of their type, and True if they were converted."""
    if image.mode in _ALPHA or "transparency" in image.info:
        luminance, alpha = image.convert("RGBA").convert("LA").split()
        product = np.asarray(luminance).astype(np.uint16) * np.asarray(alpha)
        return (product + 127) // 255, 255, True
    if image.mode.startswith("I"):
        values = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return values, 65535 if values.max(initial=0) > 255 else 255, True
    return np.asarray(image.convert("L")).astype(np.uint16), 255, False


def read_png_mask(data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
    """Read the mask in an image file, by one rule for all image modes.

    The image is reduced to one channel: 1-bit, 8-bit and 16-bit grey as they are (16-bit data that fits 8 bits is
    taken as 8-bit), palettes and RGB by luminance, RGBA by opacity times luminance. The object is every pixel above
    half of the type's range, or above 0 if no value exceeds 1 (masks of 0 and 1).

    The mask has the size of the upright image, or of its stored pixels (see `orientation_of_mask`).

    Returns:
        The mask, shape (H, W), and its notes: `mask_converted` (16-bit or transparent), `mask_rotated_by_exif`.

    Raises:
        Rejected: missing_mask, corrupt_mask, mask_wrong_size.
    """
    image, orientation = load_label_image(data, decoded)
    values, maximum, converted = _one_channel(image)
    threshold = 0 if values.max(initial=0) <= 1 else maximum // 2
    mask, notes = apply_orientation(values > threshold, orientation)
    return mask, ("mask_converted", *notes) if converted else notes


@settings
class Png(Annotations):
    """A folder of mask images, paired with photos by `xray.masks.pairing` and read by `read_png_mask`.

    Args:
        root: the folder, a path or URI.
        suffix: end of the masks' names, such as `.png` or `_mask.png`.
    """

    name: ClassVar[str] = "png"
    summary: ClassVar[str] = "a folder of PNG masks named like the photos"

    root: str
    suffix: Annotated[str, Field(min_length=1)] = ".png"

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        pairing = Pairing(self.root, self.suffix)
        for candidate in candidates:
            yield replace(candidate, mask_uri=pairing.find(candidate))

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `read_png_mask`."""
        return read_png_mask(data, decoded)


@settings
class ImageNetS(Annotations):
    """A folder of ImageNet-S label maps: RGB PNG, class id = R + 256·G, 0 is background, 1000 is ignored.

    Source: Gao et al., Large-scale Unsupervised Semantic Segmentation, arXiv 2106.03149.

    Args:
        root: the folder, a path or URI, such as `ImageNetS919/validation-segmentation`.
        class_id: the class of the object, 1–999; by default all classes.
    """

    name: ClassVar[str] = "imagenet_s"
    summary: ClassVar[str] = "a folder of ImageNet-S label maps"

    root: str
    class_id: Annotated[int, Field(ge=1, lt=_IGNORE)] | None = None

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        pairing = Pairing(self.root, ".png")
        for candidate in candidates:
            yield replace(candidate, mask_uri=pairing.find(candidate))

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        image, orientation = load_label_image(data, decoded)
        if image.mode != "RGB":
            raise Rejected("corrupt_mask", f"an ImageNet-S label map must be RGB, not {image.mode}")
        rgb = np.asarray(image).astype(np.uint16)
        ids = rgb[:, :, 0] + 256 * rgb[:, :, 1]
        mask = (ids != _BACKGROUND) & (ids != _IGNORE) if self.class_id is None else ids == self.class_id
        return apply_orientation(mask, orientation)
