"""Folders of mask images: any PNG, and the label maps of ImageNet-S."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Mask
from xray.masks.mask_files import apply_orientation
from xray.masks.reading.mask_images import Label, MaskImages, load_label_image
from xray.masks.reading.pairing import Paired
from xray.masks.reading.values import Values
from xray.sources.base import Candidate

_BACKGROUND, _IGNORE = 0, 1000


@settings
class Png(Paired, MaskImages):
    """A folder of mask images (PNG, GIF, TIFF, WebP, BMP, JPEG), paired with photos by `xray.masks.reading.pairing`.

    Args:
        root: the folder, a path or URI.
        suffix: end of the masks' names, such as `.png` or `_mask.png`; with `*`, such as `_*.png` or `/*.png` (a folder
            per photo), all masks of a photo are united.
        prefix: start of the masks' names, such as `mask_`.
        values: meaning of the numbers: `brightness` (the object is bright), `opacity` (masks are cut-outs), `label`
            (the object has the one label that is not 0), or the labels of the object, such as `[1]`; None: decided by
            `xray plan` from all masks.
        ignore: labels of pixels that are neither object nor background, such as `[255]`; None: decided by `xray plan`.
        invert: true if the masks show the background.
    """

    name: ClassVar[str] = "png"
    summary: ClassVar[str] = "a folder of PNG masks named like the photos"

    root: str
    suffix: Annotated[str, Field(min_length=1)] = ".png"
    prefix: str = ""
    values: Values | None = None
    ignore: tuple[Label, ...] | None = None
    invert: bool = False

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        for candidate, uri in self.pairing(self.root, self.suffix, self.prefix).pair(candidates):
            yield replace(candidate, mask_uri=uri)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `MaskImages.read_image`."""
        return self.read_image(data, decoded)


@settings
class ImageNetS(Paired):
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
        for candidate, uri in self.pairing(self.root, ".png").pair(candidates):
            yield replace(candidate, mask_uri=uri)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`."""
        image, orientation = load_label_image(data, decoded)
        if image.mode != "RGB":
            raise Rejected("corrupt_mask", f"an ImageNet-S label map must be RGB, not {image.mode}")
        rgb = np.asarray(image).astype(np.uint16)
        ids = rgb[:, :, 0] + 256 * rgb[:, :, 1]
        mask = (ids != _BACKGROUND) & (ids != _IGNORE) if self.class_id is None else ids == self.class_id
        return apply_orientation(mask, orientation)
