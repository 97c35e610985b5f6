"""What the numbers in mask images mean: brightness, labels, colours or opacity. Decided from all masks together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xray.core.errors import ConfigError, Rejected
from xray.core.images import bands
from xray.masks.base import Mask
from xray.masks.quality import border_of, without_frame
from xray.masks.reading.brightness import MAX_LABELS, Shades, is_colourful, levels_of, opacity_of

Values = Literal["brightness", "opacity", "label"] | tuple[int, ...]
"""`brightness`: the object is above half; `opacity`: it is what a cut-out shows; `label`: it has the one label that is
not 0; numbers: it has these labels."""

Range = tuple[int, int]

_IGNORED = (255, 65535)
_BAND = 0.02
"""Width of half an ignored band, at most, as a share of the image's diagonal."""
_VOC_IGNORED = 0xE0E0C0
_UNKNOWN = {127, 128}
_PHOTOGRAPHS = "more than masks have: give the folder of the masks, or save them as 0 and 255"
_DULL = "all of it is below half of the range, or all above: save masks as 0 and 255, or as labels"


@dataclass(frozen=True)
class Numbers:
    """The numbers of a mask image.

    Args:
        label_HW: grey levels, palette indices, or colours 0xRRGGBB.
        opacity_HW: 0–255, if it varies.
        colours: true if labels are colours.
    """

    label_HW: NDArray[np.integer[Any]]
    opacity_HW: NDArray[np.uint8] | None = None
    colours: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> Numbers:
        """Read a decoded image.

        >>> np.unique(Numbers.of(Image.fromarray(np.array([[0, 1, 255]], np.uint8))).label_HW).tolist()
        [0, 1, 255]
        """
        opacity_HW = opacity_of(image)
        if not is_colourful(image):
            return cls(levels_of(image), opacity_HW)
        if image.mode == "P":
            return cls(np.asarray(image), opacity_HW)
        colour_HW = np.empty((image.height, image.width), np.uint32)
        for rows, band in bands(image):
            rgb_HW3 = np.asarray(band.convert("RGBA").convert("RGB")).astype(np.uint32)
            colour_HW[rows] = rgb_HW3[:, :, 0] << 16 | rgb_HW3[:, :, 1] << 8 | rgb_HW3[:, :, 2]
        return cls(colour_HW, opacity_HW, colours=True)

    def name(self, label: int) -> str:
        """Write a label as recipes do."""
        return f"0x{label:06x}" if self.colours else str(label)

    def object(self, values: Values, ignore: Sequence[int]) -> Mask:
        """Return the mask of the object, shape (H, W).

        Args:
            values: meaning of the labels; not `brightness`.
            ignore: labels of pixels that are neither object nor background; left to the background here.

        Raises:
            Rejected: mask_ambiguous, with `label` and several labels, or none for the background.
        """
        if values == "opacity":
            if self.opacity_HW is None:
                raise Rejected("mask_ambiguous", "the image is not transparent anywhere, but other masks are cut-outs")
            return self.opacity_HW >= 128
        if isinstance(values, tuple):
            return np.isin(self.label_HW, values)
        labels = np.unique(self.label_HW).tolist()
        objects = [label for label in labels if label != 0 and label not in ignore]
        if len(objects) > 1 or (objects and len(labels) > 1 and 0 not in labels):
            listed = ", ".join(map(self.name, labels[:MAX_LABELS]))
            raise Rejected("mask_ambiguous", f"it has the values {listed}")
        return np.isin(self.label_HW, objects)


def share_ignored(mask_HW: Mask, ignored_HW: Mask) -> Mask:
    """Divide the ignored band along an outline: pixels nearer to the object than to the background are the object's.

    Such a band lies on both sides of the true outline (5 pixels wide in Pascal VOC). Pixels further than 2 % of the
    image's diagonal from the object stay background: a larger region is ignored for another reason.

    >>> row = np.array([[1, 1, 255, 255, 0, 0]])
    >>> share_ignored(row == 1, row == 255).tolist()
    [[True, True, True, False, False, False]]
    """
    outside_HW = ~(mask_HW | ignored_HW)
    if not (mask_HW.any() and ignored_HW.any() and outside_HW.any()):
        return mask_HW
    to_object, to_background = (
        cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for region in (mask_HW, outside_HW)
    )
    limit = max(1.0, _BAND * float(np.hypot(*mask_HW.shape)))
    return mask_HW | (ignored_HW & (to_object < to_background) & (to_object <= limit))


@dataclass(frozen=True)
class Seen:
    """What was seen in one mask file.

    Args:
        name: of the file, for messages.
        labels: distinct values; None: more than `MAX_LABELS`.
        cut_out: true if the opacity varies.
        colours: true if labels are colours.
        shades: how grey levels are distributed.
        border: values that a tenth of the outermost pixels do not exceed, and that nine tenths do not; and of those 3 %
            further inside, because some masks have a frame.
        opaque_border: the same of its opacity.
    """

    name: str
    labels: tuple[int, ...] | None
    cut_out: bool
    colours: bool
    shades: Shades | None = None
    border: tuple[Range, ...] = ()
    opaque_border: tuple[Range, ...] = ()

    @classmethod
    def of(cls, name: str, numbers: Numbers) -> Seen:
        """Summarise the numbers of a file."""
        shades = None if numbers.colours else Shades.of(numbers.label_HW)
        labels = np.unique(numbers.label_HW)
        few = len(labels) <= MAX_LABELS and not (shades is not None and shades.noisy)
        opacity_HW = numbers.opacity_HW
        return cls(
            name,
            tuple(labels.tolist()) if few else None,
            opacity_HW is not None,
            numbers.colours,
            shades,
            ranges_at_border(numbers.label_HW),
            () if opacity_HW is None else ranges_at_border(opacity_HW),
        )

    @property
    def is_photograph(self) -> bool:
        """True if it has too many colours or shades for a mask."""
        return self.labels is None and (self.colours or (self.shades is not None and self.shades.is_photograph))

    @property
    def has_labels(self) -> bool:
        """True if its values can only be labels."""
        return self.labels is not None and (self.colours or (self.shades is not None and self.shades.has_labels))

    @property
    def listed(self) -> str:
        """The values, for people."""
        if self.shades is not None and self.labels is None:
            return f"{self.shades.count} values from {self.shades.lowest} to {self.shades.highest}"
        if self.labels is None:
            return f"more than {MAX_LABELS} {'colours' if self.colours else 'values'}"
        return ", ".join(f"0x{label:06x}" if self.colours else str(label) for label in self.labels)


def ranges_at_border(values_HW: NDArray[np.integer[Any]]) -> tuple[Range, ...]:
    """Return the values of most of the outermost pixels of an image, and of those 3 % further inside.

    >>> ranges_at_border(np.pad(np.zeros((98, 98), np.uint8), 1, constant_values=255))
    ((255, 255), (0, 0))
    """
    ranges = []
    for image in (values_HW, without_frame(values_HW)):
        low, high = np.quantile(border_of(image), (0.1, 0.9), method="nearest").tolist()
        ranges.append((int(low), int(high)))
    return tuple(ranges)


@dataclass(frozen=True)
class Decision:
    """What the numbers of a set of masks mean.

    Args:
        values: see `Values`.
        ignore: labels that are neither object nor background.
        notes: sentences for people.
    """

    values: Values
    ignore: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def is_bordered(self, file: Seen, *, invert: bool) -> bool:
        """Return whether the object of a file covers at least nine tenths of the borders of its image."""
        is_rejected = _is_unclear(file, self.ignore) if self.values == "label" else file.is_photograph
        if is_rejected and self.values != "opacity":
            return False
        return any(self._is_object(file, ends, invert=invert) for ends in self._border_of(file))

    def _border_of(self, file: Seen) -> tuple[Range, ...]:
        return file.opaque_border if self.values == "opacity" else file.border

    def _is_object(self, file: Seen, ends: Range, *, invert: bool) -> bool:
        if self.values in ("opacity", "brightness"):
            threshold = 127 if self.values == "opacity" or file.shades is None else file.shades.threshold
            return ends[1] <= threshold if invert else ends[0] > threshold
        objects = self.values if isinstance(self.values, tuple) else None
        marked = [end not in self.ignore and (end in objects if objects else end != 0) for end in ends]
        return not any(marked) if invert else all(marked)


def decide(files: Iterable[Seen]) -> Decision:
    """Decide what the numbers of a set of masks mean.

    - Files that are transparent in part are cut-outs: their opacity is the mask.
    - Photographs among masks, and masks unlike most others, are named, and rejected when they are read.
    - More than `MAX_LABELS` shades of grey, or only 0 and one highest value: brightness.
    - Otherwise labels. 0 is the background. 255 (16 bits: 65535) beside another label is ignored, as in VOC.

    Raises:
        ConfigError: no file has a meaning that is certain; names a file, its values, and the setting to write.

    >>> decide([Seen("1.png", (0, 1, 255), False, False), Seen("2.png", (0, 1), False, False)])
    Decision(values=(1,), ignore=(255,), notes=('masks have the labels 0, 1, 255: 1 is the object, 255 is ignored',))
    """
    seen = list(files)
    if not seen:
        return Decision("brightness")
    if sum(file.cut_out for file in seen) * 2 > len(seen):
        return Decision("opacity", notes=("masks are cut-outs: what they show is the object",))
    photographs = [file for file in seen if file.is_photograph]
    if len(photographs) * 2 > len(seen):
        raise _ambiguous(photographs, len(seen), _PHOTOGRAPHS)
    usable = [file for file in seen if not file.is_photograph]
    labelled = [file for file in usable if file.has_labels]
    if any(file.labels is None for file in usable) and len(labelled) * 2 <= len(usable):
        decision, odd = _decide_brightness(usable), labelled
    elif _is_black_and_white(usable):
        decision, odd = Decision("brightness"), []
    else:
        decision, odd = _decide_labels(usable), []
    if odd := [*photographs, *odd]:
        note = str(_ambiguous(odd, len(seen), "unlike the others, and rejected"))
        decision = replace(decision, notes=(*decision.notes, note))
    return decision


def _decide_brightness(seen: Sequence[Seen]) -> Decision:
    dull = [file for file in seen if file.shades is not None and file.shades.is_dull]
    if dull and all(file.shades is not None and (file.shades.is_dull or file.shades.count == 1) for file in seen):
        advice = (
            "which is all on one side of half the range: write masks of 0 and 255, or `values: [NUMBER]` of the object"
        )
        raise _ambiguous(dull, len(seen), advice)
    return Decision("brightness")


def _is_black_and_white(seen: Sequence[Seen]) -> bool:
    highest = {label for file in seen for label in file.labels or () if label}
    return not any(file.colours for file in seen) and (highest <= {255} or highest <= {1} or highest <= {65535})


def _decide_labels(seen: Sequence[Seen]) -> Decision:
    union = sorted({label for file in seen for label in file.labels or ()})
    colours = any(file.colours for file in seen)
    named = {label: f"0x{label:06x}" if file.colours else str(label) for file in seen for label in file.labels or ()}
    names = {label: named[label] for label in union}
    ignore = tuple(label for label in ((_VOC_IGNORED,) if colours else _IGNORED) if _is_ignored(label, seen))
    trimap = bool(ignore) and {*union} - {0, *ignore} <= _UNKNOWN
    clear = [file for file in seen if not (trimap or _is_unclear(file, ignore))]
    unclear = seen if not clear else [file for file in seen if trimap or _is_unclear(file, ignore)]
    advice = _advice(unclear[0].labels or union, names) if unclear else ""
    if len(unclear) == len(seen):
        raise _ambiguous(unclear, len(seen), advice)
    objects = sorted({label for file in clear for label in _objects(file) if label not in ignore})
    shown = ", ".join([*names.values()][:MAX_LABELS]) + (", …" if len(names) > MAX_LABELS else "")
    single = len(objects) == 1
    meaning = f"{names[objects[0]]} is the object" if single else "in each, the one that is not 0 is the object"
    ignored = f", {', '.join(names[label] for label in ignore)} is ignored" if ignore else ""
    notes = [f"masks have the labels {shown}: {meaning}{ignored}"]
    if unclear:
        notes.append(str(_ambiguous(unclear, len(seen), advice)))
    return Decision(tuple(objects) if single and not unclear else "label", ignore, tuple(notes))


def _advice(labels: Sequence[int], names: Mapping[int, str]) -> str:
    """Return the settings to write for a file with these labels."""
    shown = [names[label] for label in labels if label > 0]
    values = f"write which values are the object, such as `values: [{next(iter(shown), '1')}]`"
    return f"{values}, and which to ignore, such as `ignore: [{shown[-1]}]`" if len(labels) > 2 else values


def _is_ignored(label: int, seen: Sequence[Seen]) -> bool:
    """Return whether a label that may mean "ignore" is seen beside an object as often as alone, or more often."""
    with_it = [len(_objects(file)) for file in seen if label in _objects(file)]
    beside = sum(count > 1 for count in with_it)
    return beside > 0 and beside * 2 >= len(with_it)


def _objects(file: Seen) -> list[int]:
    return [label for label in file.labels or () if label != 0]


def _is_unclear(file: Seen, ignore: Sequence[int]) -> bool:
    objects = [label for label in _objects(file) if label not in ignore]
    return (
        file.labels is None
        or len(objects) > 1
        or (bool(objects) and 0 not in (file.labels or ()) and len(file.labels or ()) > 1)
    )


def _ambiguous(files: Sequence[Seen], total: int, advice: str) -> ConfigError:
    first = files[0]
    return ConfigError(
        f"{len(files):,} of {total:,} masks are ambiguous: {first.name} has {first.listed}; {advice}", ("masks",)
    )
