"""Labels in the colours of mask images: `SegmentationClass` of Pascal VOC and CVAT ("segmentation mask 1.1")."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from PIL import Image

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of, rejecting
from xray.core.images import DEFAULT, load, open_image
from xray.core.text import decode_text
from xray.core.uri import base_name, join, location
from xray.sources.labels.base import Entry, LabelFile, unreadable

Colour = tuple[int, int, int]
FOLDER, LABELMAP = "SegmentationClass", "labelmap.txt"
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


def labels_of_colours(root: str) -> dict[Colour, str]:
    """Return the labels in the `labelmap.txt` of a data set; without the file, VOC's 20 classes.

    Args:
        root: URI of the folder that has `SegmentationClass`.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not files.exists(labelmap := join(root, LABELMAP)):
        return {voc_colour(number): label for number, label in enumerate(_CLASSES)}
    try:
        return parse_labelmap(decode_text(files.read_bytes(labelmap)))
    except MALFORMED as error:
        raise ConfigError(f"cannot read {LABELMAP} in {location(root)!r}: {problem_of(error)}") from error


def open_colours(data: bytes) -> Image.Image:
    """Decode an image as RGB.

    Raises:
        ValueError: it is none, or has more pixels than `xray.core.images.Limits` allows.
    """
    try:
        with rejecting("corrupt_image"):
            image = open_image(data)
            if image.width * image.height > DEFAULT.max_pixels:
                raise Rejected(
                    "too_many_pixels", f"{image.width}×{image.height}, at most {DEFAULT.max_pixels:,} pixels"
                )
            return load(image, data).convert("RGB")
    except Rejected as verdict:
        raise ValueError(f"no PNG image: {verdict}") from verdict


def object_areas(image: Image.Image, labels: Mapping[Colour, str]) -> dict[Colour, int]:
    """Return the number of pixels of each colour with a label; the background and VOC's ignored colour have none.

    Args:
        image: RGB.
        labels: by colour.

    Raises:
        ValueError: it has colours without a label.
    """
    counted = image.getcolors(_MAX_COLOURS)
    if counted is None:
        raise ValueError(f"more than {_MAX_COLOURS:,} colours, which are no labels")
    areas = {(pixel[0], pixel[1], pixel[2]): area for area, pixel in counted if isinstance(pixel, tuple)}
    none = (_BACKGROUND, _IGNORED)
    if unknown := sorted(colour for colour in areas if colour not in labels and colour not in none):
        raise ValueError(f"colours without a label: {unknown[:5]}; labels: {dict(list(labels.items())[:5])}")
    return {
        colour: areas[colour]
        for colour in sorted(areas)
        if colour not in none and labels[colour] != "background"
    }  # fmt: skip


def read_class_masks(folder: str) -> LabelFile:
    """Read the labels of a folder of mask images, with their areas in pixels.

    Args:
        folder: its URI; `labelmap.txt` lies beside it.

    Raises:
        ConfigError: there are no mask images, or none can be read.
    """
    labels = labels_of_colours(posixpath.dirname(folder))
    masks = [file for file in files.list_files(folder) if base_name(file).lower().endswith(".png")]
    if not masks:
        raise ConfigError(f"no mask images (PNG) in {location(folder)!r}", ("labels",))
    entries, problems = list[Entry](), list[str]()
    for file in masks:
        name = posixpath.splitext(file[len(folder) + 1 :])[0]
        try:
            areas = object_areas(open_colours(files.read_bytes(file)), labels)
        except (Rejected, ValueError) as error:
            problems.append(f"{base_name(file)}: {error}")
            continue
        entries += [Entry(name, labels[colour], float(area)) for colour, area in areas.items()]
    if len(problems) == len(masks):
        raise unreadable(base_name(folder), "segmentation masks", problems[0])
    return LabelFile("colours of masks", entries, problems=tuple(problems))
