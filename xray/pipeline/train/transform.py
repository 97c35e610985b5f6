"""The conversion of images to the squares of pixels that networks see, in training, validation and test alike."""

from __future__ import annotations

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
        names = ("image", "mask") if self.masks else ("image",)
        columns = {name: images.column(name).combine_chunks().field("bytes") for name in names}
        pixels = [
            self.square(flatten_onto(decode(cell.as_py(), ANY), self.colour)).tobytes() for cell in columns["image"]
        ]
        arrays = [images.column("sample_id"), pa.array(pixels, pa.binary(self.side**2 * 3))]
        if self.masks:
            masks = [self._mask(cell.as_py()).tobytes() for cell in columns["mask"]]
            arrays.append(pa.array(masks, pa.binary(self.side**2)))
        return pa.table(dict(zip(("sample_id", "pixels", "mask"), arrays, strict=False)))

    def _mask(self, data: bytes) -> Pixels:
        inside = decode(data, ANY).image[:, :, 0]
        return (self.square(inside) >= 128).astype(np.uint8)


def pixels_of(prepared: pa.Table, side: int) -> Pixels:
    """View all images of a prepared table, shape (N, side, side, 3); nothing is copied."""
    return _squares(prepared, "pixels", (side, side, 3))


def masks_of(prepared: pa.Table, side: int) -> Pixels:
    """View all masks of a prepared table, 1 on the object, shape (N, side, side); nothing is copied."""
    return _squares(prepared, "mask", (side, side))


def _squares(prepared: pa.Table, name: str, shape: tuple[int, ...]) -> Pixels:
    column = prepared.column(name).combine_chunks()
    size = int(np.prod(shape))
    start = column.offset * size
    flat = np.frombuffer(column.buffers()[1], np.uint8)[start : start + len(column) * size]
    return flat.reshape(len(column), *shape)
