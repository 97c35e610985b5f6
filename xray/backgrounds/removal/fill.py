"""Plain areas in place of the object: nothing of it is left, and its outline shows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import box_mask, check_background, fill_hole, object_box, object_hole
from xray.core.compositing import Fill as Colour
from xray.core.compositing import fill_rest
from xray.core.plugins import settings
from xray.core.types import Photo, Pixels


@settings
class Fill(Remover):
    """A plain colour or noise in place of the object, or of its bounding box.

    A black box is the only_bg_b of ImageNet-9 (Xiao et al., "Noise or signal", ICLR 2021).

    Args:
        fill: `mean` is the mean colour of the background, `noise` uniformly random bytes.
        region: what is filled: the object (`mask`), or the `box` around it, whose outline tells its extent only.
        dilate: pixels by which the area of the object is enlarged, 0–100; a box is not.
    """

    name: ClassVar[str] = "fill"
    summary: ClassVar[str] = "black, white, mean colour or noise, in the object or its box; the outline shows"
    caveat: ClassVar[str] = "`fill` shows where the object was, and with `region: mask` also its outline"

    fill: Colour = "black"
    region: Literal["mask", "box"] = "mask"
    dilate: Annotated[int, Field(ge=0, le=100)] = 0

    def remove(self, photo: Photo, seed: int) -> Pixels:
        """See `Remover.remove`; the seed decides the noise."""
        if self.region == "box":
            hole = check_background(box_mask(photo.mask.shape, object_box(photo)))
        else:
            hole = object_hole(photo, self.dilate)
        filling = fill_rest(Photo(photo.image, hole), "background", self.fill, seed)
        return fill_hole(photo, hole, filling)
