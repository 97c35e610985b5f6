"""Segmentation masks of Pascal VOC and CVAT ("segmentation mask 1.1"): images whose colours are labels."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import numpy as np
from PIL import Image

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.text import decode_text
from xray.core.uri import join, to_uri
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.mask_images import BOMB, DAMAGED
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.outlines import encode_runs
from xray.masks.reading.pairing import Pairing
from xray.sources.base import Candidate

Colour = tuple[int, int, int]
_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_BACKGROUND: Colour = (0, 0, 0)
_IGNORED: Colour = (224, 224, 192)
_MAX_COLOURS = 1000


def voc_colour(number: int) -> Colour:
    """Return the colour of a VOC class: the bits of its number, spread over the three channels from the top.

    >>> voc_colour(1), voc_colour(15)
    ((128, 0, 0), (192, 128, 128))
    """
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
    return channels[0], channels[1], channels[2]


def parse_labelmap(text: str) -> dict[Colour, str]:
    r"""Read a labelmap.txt: lines such as `red fox:250,50,83::`, and comments.

    Raises:
        ValueError: a line is not of this form.

    >>> parse_labelmap("# label:color_rgb:parts:actions\nbackground:0,0,0::\nfox:250,50,83::")
    {(0, 0, 0): 'background', (250, 50, 83): 'fox'}
    """
    labels = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            label, colour = line.split(":")[:2]
            red, green, blue = map(int, colour.split(","))
            labels[red, green, blue] = label
    return labels


def parse_colours(data: bytes, labels: Mapping[Colour, str]) -> Drawing:
    """Return one object per colour of a mask image; the background and VOC's ignored colour are none.

    Raises:
        ValueError: it is no image, or has colours without a label.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG",))
        red_HW, green_HW, blue_HW = (np.asarray(channel).astype(np.uint32) for channel in image.convert("RGB").split())
    except (*DAMAGED, *BOMB) as error:
        raise ValueError(f"no PNG image: {error}") from error
    code_HW = red_HW << 16 | green_HW << 8 | blue_HW
    codes = np.unique(code_HW)
    if len(codes) > _MAX_COLOURS:
        raise ValueError(f"{len(codes):,} colours, which are no labels")
    colours = {int(code): (int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in codes}
    unknown = [colour for colour in colours.values() if colour not in (*labels, _BACKGROUND, _IGNORED)]
    if unknown:
        raise ValueError(f"colours without a label: {unknown[:5]}; labels: {dict(list(labels.items())[:5])}")
    objects = [
        Object(labels[colour], encode_runs(code_HW == code))
        for code, colour in colours.items()
        if labels.get(colour, "background") != "background" and colour not in (_BACKGROUND, _IGNORED)
    ]
    return Drawing(image.size, tuple(objects))


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
        masks, labelmap = join(root, "SegmentationClass"), join(root, "labelmap.txt")
        if not files.is_folder(masks):
            raise ConfigError(f"no folder SegmentationClass in {self.root!r}; for other mask images write `kind: png`")
        labels = {voc_colour(number): label for number, label in enumerate(_CLASSES)}
        if files.exists(labelmap):
            try:
                labels = parse_labelmap(decode_text(files.read_bytes(labelmap)))
            except ValueError as error:
                raise ConfigError(f"cannot read labelmap.txt in {self.root!r}: {error}") from error
        return self.attach_files(
            candidates, Pairing(masks, ".png"), functools.partial(parse_colours, labels=labels), self.labels
        )
