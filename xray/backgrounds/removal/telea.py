"""Removal by OpenCV's inpainting after Telea: always available."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import numpy as np
from pydantic import Field

from xray.backgrounds.inpainting.canvas import extend_kept_pixels
from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import fill_hole, object_hole
from xray.core.plugins import settings
from xray.core.types import Mask, Photo, Pixels


@settings
class Telea(Remover):
    """Colours marched inwards from the rim, by OpenCV; a smear without texture, in which the silhouette can be guessed.

    Source: Telea, "An image inpainting technique based on the fast marching method", J. Graphics Tools 9, 2004.

    Args:
        dilate: pixels by which the area of the object is enlarged, 0–100, so that its soft rim goes too.
        radius: pixels around each point that it is computed from, 1–50.
    """

    name: ClassVar[str] = "telea"
    summary: ClassVar[str] = "OpenCV's inpainting: always there, fast and smooth; the silhouette can be guessed"
    caveat: ClassVar[str] = "`telea` leaves a smooth smear, in which the silhouette of the object can be guessed"

    dilate: Annotated[int, Field(ge=0, le=100)] = 5
    radius: Annotated[float, Field(ge=1, le=50)] = 5.0

    def remove(self, photo: Photo, seed: int) -> Pixels:
        """See `Remover.remove`; the seed has no effect."""
        hole = object_hole(photo, self.dilate)
        return fill_hole(photo, hole, smear(photo.image, hole, self.radius))


def smear(image: Pixels, hole: Mask, radius: float = 5.0) -> Pixels:
    """Return an image, shape (H, W, 3), with a hole, True on shape (H, W), filled from its rim."""
    # Where a hole reaches the edge of the image, OpenCV mixes in what the hole contains: that must not be the object.
    without_object = extend_kept_pixels(image, ~hole)
    return cv2.inpaint(without_object, hole.view(np.uint8), radius, cv2.INPAINT_TELEA)  # type: ignore[return-value]
