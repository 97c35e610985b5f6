"""The conversion of images to the squares of pixels that networks see, in training, validation and test alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xray.core.images import ANY, decode
from xray.models.outputs import Colour, flatten_onto

Pixels = NDArray[np.uint8]
Shape = Literal["stretch", "crop"]


@dataclass(frozen=True)
class Preparation:
    """The conversion of an image to a square of pixels.

    Args:
        side: width and height of the square.
        shape: `stretch` or `crop` (the centre).
        colour: background of transparent images, RGB.
        masks: whether the object's masks are converted too.
    """

    side: int
    shape: Shape
    colour: Colour
    masks: bool

    @property
    def text(self) -> str:
        """A description for receipts.

        >>> Preparation(64, "stretch", (0, 0, 0), masks=False).text
        '64×64, stretched, pixel areas averaged (bicubic where enlarged), transparency on (0, 0, 0)'
        """
        how = "stretched" if self.shape == "stretch" else "centre crop"
        enlarged = "pixel areas averaged (bicubic where enlarged)"
        return f"{self.side}×{self.side}, {how}, {enlarged}, transparency on {tuple(self.colour)}"

    def square(self, image: Pixels) -> Pixels:
        """Resize an image or mask of any size to (side, side, 3) or (side, side)."""
        if self.shape == "crop":
            height, width = image.shape[:2]
            short = min(height, width)
            top, left = (height - short) // 2, (width - short) // 2
            image = image[top : top + short, left : left + short]
        shrinks = min(image.shape[:2]) >= self.side
        size = (self.side, self.side)
        return np.asarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8
        )

    def prepare(self, images: pa.Table) -> pa.Table:
        """Decode images and their masks, and make them square.

        Args:
            images: rows of IMAGES that have an image: `sample_id`, `image`, and `mask` if `masks`.

        Returns:
            `sample_id`, `pixels` (RGB, side · side · 3 bytes), and `mask` (side · side bytes, 1 on the object).
        """
        pixels = [self._pixels(data).tobytes() for data in _bytes(images, "image")]
        columns = {"sample_id": images.column("sample_id"), "pixels": pa.array(pixels, pa.binary(self.side**2 * 3))}
        if self.masks:
            masks = [self._mask(data).tobytes() for data in _bytes(images, "mask")]
            columns["mask"] = pa.array(masks, pa.binary(self.side**2))
        return pa.table(columns)

    def _pixels(self, data: bytes) -> Pixels:
        return self.square(flatten_onto(decode(data, ANY), self.colour))

    def _mask(self, data: bytes) -> Pixels:
        inside = decode(data, ANY).image[:, :, 0]
        return (self.square(inside) >= 128).astype(np.uint8)

    def arrays(self, prepared: pa.RecordBatch) -> tuple[Pixels, Pixels | None]:
        """View N prepared images as pixels (N, side, side, 3) and masks (N, side, side); nothing is copied."""

        def view(name: str, *shape: int) -> Pixels:
            column, size = prepared.column(name), math.prod(shape)
            flat = np.frombuffer(column.buffers()[1], np.uint8, len(column) * size, column.offset * size)
            return flat.reshape(-1, *shape)

        masks = view("mask", self.side, self.side) if self.masks else None
        return view("pixels", self.side, self.side, 3), masks


def _bytes(images: pa.Table, name: str) -> Iterator[bytes]:
    return (cell.as_py() for cell in images.column(name).combine_chunks().field("bytes"))
