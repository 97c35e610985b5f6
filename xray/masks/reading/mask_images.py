"""Masks that are images: decoding, and the base of the annotation formats that read them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from PIL import Image
from pydantic import Field

from xray.core import images
from xray.core.errors import Rejected, rejecting
from xray.core.image_checks import check_scans
from xray.core.images import Decoded
from xray.core.parallel import map_ahead
from xray.core.parts import unpack
from xray.masks.base import AnnotationFile, Annotations, Mask
from xray.masks.fitting import same_shape
from xray.masks.mask_files import apply_orientation, orientation_of_mask
from xray.masks.reading.brightness import bright
from xray.masks.reading.objects import MAX_PAINTED, too_large
from xray.masks.reading.values import Decision, Numbers, Seen, Values, decide, share_ignored
from xray.masks.signs import covers_borders

Label = Annotated[int, Field(ge=0)]

_OF_IMAGES = {
    "empty_file": "corrupt_mask", "unknown_format": "corrupt_mask", "corrupt_image": "corrupt_mask",
    "too_many_pixels": "mask_wrong_size", "animated_image": "mask_ambiguous",
}  # fmt: skip
"""What a reason to refuse an image means for a mask."""
_MAX_PIXELS = 1_000_000
_MAX_PARTS = 5000
"""Files that are parts of one mask: each takes a millisecond at least."""
OTHER_SIZE = "do not have the size of their photographs"
_READERS = 4


def load_label_image(data: bytes | None, decoded: Decoded) -> tuple[Image.Image, int]:
    """Decode a mask file; return the image and the EXIF orientation that must still be applied.

    The size is checked first, so that a mask never has many more decoded pixels than its photograph.

    Raises:
        Rejected: missing_mask, corrupt_mask, mask_wrong_size, mask_ambiguous, too_large.
    """
    if data is None:
        raise Rejected("missing_mask")
    with _of_mask(data):
        image = images.open_image(data)
        with rejecting("corrupt_image"):
            orientation = _own_orientation(image, decoded) or orientation_of_mask(*image.size, decoded)
        return _load(image, data, decoded.image.shape[0] * decoded.image.shape[1]), orientation


@contextlib.contextmanager
def _of_mask(data: bytes) -> Iterator[None]:
    """Turn the rejection of an image into that of a mask."""
    try:
        yield
    except Rejected as verdict:
        if verdict.reason not in _OF_IMAGES:
            raise
        unknown = verdict.reason in ("unknown_format", "empty_file")
        detail = f"not an image: begins with {data[:8]!r}" if unknown else verdict.detail
        raise Rejected(_OF_IMAGES[verdict.reason], detail) from verdict


def _own_orientation(image: Image.Image, decoded: Decoded) -> int | None:
    """Return a mask's own EXIF orientation, if the mask has the shape of its photograph when it is applied.

    Pillow applies that of TIFF.
    """
    own = 1 if image.format == "TIFF" else images.orientation_of(image)
    width, height = image.size if own < 5 else image.size[::-1]
    return own if own > 1 and same_shape((width, height), decoded.image.shape[1::-1]) else None


def _load(image: Image.Image, data: bytes, pixels: int) -> Image.Image:
    """Decode the pixels of an open mask of a photograph of that many; raise Rejected if they do not say one mask."""
    most = max(pixels, images.DEFAULT.max_pixels)
    if image.width * image.height > most:
        raise Rejected("too_many_pixels", f"mask {image.width}×{image.height}, at most {most:,} pixels")
    if image.mode == "LAB":
        raise Rejected("corrupt_mask", "Lab colours: save it as grey")
    with rejecting("corrupt_image"):
        if images.is_animated(image, data):
            raise Rejected("mask_ambiguous", "several pages or frames: save each as a file, or one with their union")
        if image.format in ("JPEG", "MPO"):
            check_scans(data, image.width * image.height)
    return images.load(image, data)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return the width and height of a mask image, None if it is damaged or no image."""
    try:
        return images.open_image(data).size
    except Rejected:
        return None


class _Opened(NamedTuple):
    """What was seen in a mask, its size and that of its photograph."""

    seen: Seen
    size: tuple[int, int]
    photo: tuple[int, int]

    @property
    def has_shape(self) -> bool:
        """True if it has the shape of its photograph, upright or on its side."""
        return same_shape(self.size, self.photo) or same_shape((self.size[1], self.size[0]), self.photo)


def _parts(data: bytes, size: tuple[int, int]) -> list[bytes]:
    """Return the files that are parts of a mask of this size; raise Rejected if they are too many to be read."""
    parts = unpack(data)
    if len(parts) > 1 and (len(parts) > _MAX_PARTS or len(parts) * size[0] * size[1] > MAX_PAINTED):
        raise too_large(len(parts), size, "files of one photograph")
    return parts


def _opened(file: AnnotationFile) -> list[_Opened]:
    """Look at the masks in a file; damaged ones are left out."""
    photo, seen, parts = (file.width, file.height), list[_Opened](), list[bytes]()
    with contextlib.suppress(Rejected):  # which says so later
        parts = _parts(file.data, photo)
    for part in parts:
        opened = _open(part, file.width * file.height)
        if opened is None:
            continue
        size, mask = opened
        with contextlib.suppress(Rejected), rejecting("corrupt_mask"):
            seen.append(_Opened(Seen.of(file.name, Numbers.of(mask)), size, photo))
    return seen


class MaskImages(Annotations):
    """The base of formats whose masks are images; what the numbers mean is decided from all masks together.

    Subclasses are `@settings` dataclasses with the settings below; `resolve` decides those that are None.
    """

    values: Values | None
    ignore: tuple[Label, ...] | None
    invert: bool

    def resolve(self, files: Iterable[AnnotationFile]) -> tuple[Self, list[str]]:
        """See `Annotations.resolve` and `xray.masks.reading.values.decide`."""
        opened = [one for some in map_ahead(_opened, files, _READERS) for one in some]
        seen = [one.seen for one in opened]
        decision = decide(seen) if self.values is None else Decision(self.values, self.ignore or ())
        changes = {"values": decision.values, "ignore": decision.ignore if self.ignore is None else self.ignore}
        this: Any = self
        resolved: Self = dataclasses.replace(this, **changes)
        bordered = [one.name for one in seen if decision.is_bordered(one, invert=self.invert)]
        inverted = [f"masks may be wrong: {covers_borders(bordered, len(seen))}; do they show the background?"]
        notes = [*decision.notes, *(inverted if 0 < len(bordered) < len(seen) / 2 else ())]
        return resolved, [*notes, *self._other_sizes(opened)]

    def read_image(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """Read a mask of the shape of the upright photograph, or of its stored pixels (see `orientation_of_mask`).

        Several files (`xray.core.parts`) are parts of one mask.

        Returns:
            The mask, shape (H, W), and its notes: `mask_converted` (16-bit or transparent), `mask_rotated_by_exif`.

        Raises:
            Rejected: missing_mask, corrupt_mask, mask_wrong_size, mask_ambiguous, mask_empty (with its values).
        """
        if data is None:
            raise Rejected("missing_mask")
        height, width = decoded.image.shape[:2]
        parts = _parts(data, (width, height))
        mask, notes = self._read_part(parts[0], decoded)
        for part in parts[1:]:
            other, more = self._read_part(part, decoded)
            if other.shape != mask.shape:
                raise Rejected("mask_wrong_size", f"parts of {_sizes(mask)} and {_sizes(other)}")
            mask, notes = mask | other, tuple(dict.fromkeys((*notes, *more)))
        if not mask.any():
            self._check_empty(parts[0], height * width)
        return mask, notes

    def _check_empty(self, data: bytes, pixels: int) -> None:
        """Refuse a mask without any pixel by its values, if it has others than the background's."""
        image = _open(data, pixels)
        with rejecting("corrupt_mask"):
            seen = None if image is None else Seen.of("", Numbers.of(image[1]))
        if seen is not None and seen.labels != (0,):
            objects = f"the object has {', '.join(map(str, self.values))}" if isinstance(self.values, tuple) else ""
            meaning = objects or ("the object is above half" if self.values in (None, "brightness") else "")
            raise Rejected("mask_empty", f"it has {seen.listed}{meaning and f', and {meaning}'}")

    def _read_part(self, data: bytes, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        image, orientation = load_label_image(data, decoded)
        with rejecting("corrupt_mask"):
            mask, converted = self._mask(image)
        mask, notes = apply_orientation(mask, orientation)
        return mask, ("mask_converted", *notes) if converted else notes

    def _mask(self, image: Image.Image) -> tuple[Mask, bool]:
        """Return the mask in an image, and whether its numbers were converted."""
        if self.values is None or self.values == "brightness":
            mask, converted = bright(image)
            return (~mask if self.invert else mask), converted
        numbers, ignore = Numbers.of(image), self.ignore or ()
        mask, ignored = numbers.object(self.values, ignore), np.isin(numbers.label_HW, ignore)
        return share_ignored(~mask & ~ignored if self.invert else mask, ignored), False

    def _other_sizes(self, opened: Sequence[_Opened]) -> list[str]:
        """Return a note on masks that have neither their photograph's size nor, turned on its side, its stored size."""
        others = [one for one in opened if {*one.size} != {*one.photo}]
        if self.resize:
            others = [one for one in others if not one.has_shape]
        if not others:
            return []
        first = others[0]
        note = (
            f"{len(others):,} of {len(opened):,} masks {OTHER_SIZE} and will be rejected: "
            "{} is {}×{}, its photograph {}×{}".format(first.seen.name, *first.size, *first.photo)
        )
        alike = sum(one.has_shape for one in others)
        return [f"{note}; `resize: true` scales the {alike:,} of the same shape" if alike else note]


def _sizes(mask: Mask) -> str:
    return f"{mask.shape[1]}×{mask.shape[0]}"


def _thinned(image: Image.Image) -> Image.Image:
    """Return every n-th pixel of a large image: a million say what the numbers mean, and are quick to sort."""
    step = math.isqrt(image.width * image.height // _MAX_PIXELS) + 1
    size = (max(1, image.width // step), max(1, image.height // step))
    return image if step == 1 else image.resize(size, Image.Resampling.NEAREST)


def _open(data: bytes, pixels: int) -> tuple[tuple[int, int], Image.Image] | None:
    """Return the size of a mask and some of its pixels; None if it is damaged: its photograph is rejected later."""
    try:
        image = _load(images.open_image(data), data, pixels)
        with rejecting("corrupt_mask"):
            return image.size, _thinned(image)
    except Rejected:
        return None
