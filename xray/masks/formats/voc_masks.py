"""Segmentation masks of Pascal VOC and CVAT ("segmentation mask 1.1"): images whose colours are labels."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import numpy as np

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.uri import join, to_uri
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.outlines import encode_runs
from xray.masks.reading.pairing import Pairing
from xray.sources.base import Candidate
from xray.sources.labels.colours import FOLDER, Colour, labels_of_colours, object_areas, open_colours


def parse_colours(data: bytes, labels: Mapping[Colour, str]) -> Drawing:
    """Return one object per colour of a mask image; the background and VOC's ignored colour are none.

    Raises:
        ValueError: it is no image, or has colours without a label.
    """
    image = open_colours(data)
    pixels_HWC = np.asarray(image)
    areas = object_areas(image, labels)
    objects = tuple(Object(labels[one], encode_runs((pixels_HWC == one).all(axis=-1))) for one in areas)
    return Drawing(image.size, objects)


@settings
class VocMasks(Drawings):
    """Masks of a data set in the layout of Pascal VOC, as CVAT's "segmentation mask 1.1": colours are labels.

    `labelmap.txt` in the folder says which; without it the colours are those of VOC's 20 classes.

    Args:
        root: the folder of the data set, which has `SegmentationClass`; a path or URI.
        labels: labels of the object, or those of each category (`{red fox: [fox]}`); by default that of the
            photograph's category, if some mask has it, else all.
    """

    name: ClassVar[str] = "voc_masks"
    summary: ClassVar[str] = "SegmentationClass of Pascal VOC and CVAT (segmentation mask 1.1)"

    root: str
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        root = to_uri(self.root)
        masks = join(root, FOLDER)
        if not files.is_folder(masks):
            raise ConfigError(f"no folder SegmentationClass in {self.root!r}; for other mask images write `kind: png`")
        read = functools.partial(parse_colours, labels=labels_of_colours(root))
        return self.attach_files(candidates, Pairing(masks, ".png"), read, self.labels)
