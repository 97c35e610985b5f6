"""What the numbers in mask images mean: brightness, labels, colours or opacity. Decided from all masks together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xray.core.errors import ConfigError, Rejected
from xray.masks.base import Mask

Values = Literal["brightness", "opacity", "label"] | tuple[int, ...]
"""`brightness`: the object is above half; `opacity`: it is what a cut-out shows; `label`: it has the one label that is
not 0; numbers: it has these labels."""

MAX_LABELS = 16
"""A mask of more distinct values has soft edges, or is no mask."""
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_IGNORED = (255, 65535)
_UNKNOWN = {127, 128}
_MIN_SPREAD, _MIN_SHARE = 24, 0.01
_MAX_NOISE = 16


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
        opacity_HW = None
        if image.mode in _ALPHA or "transparency" in image.info:
            alpha_HW = np.asarray(image.convert("RGBA").getchannel("A"))
            opacity_HW = alpha_HW if alpha_HW.min() < 128 <= alpha_HW.max() else None
        if image.mode.startswith("I"):
            return cls(np.asarray(image), opacity_HW)
        if image.mode in ("1", "L") or not _is_colourful(rgb_HW3 := np.asarray(image.convert("RGBA").convert("RGB"))):
            return cls(np.asarray(image.convert("L")), opacity_HW)
        if image.mode == "P":
            return cls(np.asarray(image), opacity_HW)
        red_HW, green_HW, blue_HW = np.moveaxis(rgb_HW3.astype(np.uint32), 2, 0)
        return cls(red_HW << 16 | green_HW << 8 | blue_HW, opacity_HW, colours=True)

    def name(self, label: int) -> str:
        """Write a label as recipes do."""
        return f"0x{label:06x}" if self.colours else str(label)

    def object(self, values: Values, ignore: Sequence[int]) -> Mask:
        """Return the mask of the object, shape (H, W).

        Args:
            values: meaning of the labels; not `brightness`.
            ignore: labels of pixels that are neither object nor background, and left to the background.

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


def _is_colourful(rgb_HW3: NDArray[np.uint8]) -> bool:
    """Return whether colours matter; JPEG gives grey pixels some colour."""
    return bool(((rgb_HW3.max(axis=2) - rgb_HW3.min(axis=2)) >= _MIN_SPREAD).mean() >= _MIN_SHARE)


@dataclass(frozen=True)
class Seen:
    """What was seen in one mask file.

    Args:
        name: of the file, for messages.
        labels: distinct values; None: more than `MAX_LABELS`.
        cut_out: true if the opacity varies.
        colours: true if labels are colours.
    """

    name: str
    labels: tuple[int, ...] | None
    cut_out: bool
    colours: bool

    @classmethod
    def of(cls, name: str, numbers: Numbers) -> Seen:
        """Summarise the numbers of a file."""
        labels = np.unique(numbers.label_HW)
        few = len(labels) <= MAX_LABELS and not (_is_noisy(labels) and not numbers.colours)
        return cls(name, tuple(labels.tolist()) if few else None, numbers.opacity_HW is not None, numbers.colours)

    @property
    def listed(self) -> str:
        """The values, for people."""
        if self.labels is None:
            return f"more than {MAX_LABELS} {'colours' if self.colours else 'values'}"
        return ", ".join(f"0x{label:06x}" if self.colours else str(label) for label in self.labels)


def _is_noisy(labels: NDArray[np.integer[Any]]) -> bool:
    """Return whether labels are black and white with the noise of lossy compression."""
    dark, bright = labels <= _MAX_NOISE, (labels >= 255 - _MAX_NOISE) & (labels <= 255)
    return bool((dark | bright).all() and (bright & (labels < 255)).any())


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


def decide(files: Iterable[Seen]) -> Decision:
    """Decide what the numbers of a set of masks mean.

    - Files that are transparent in part are cut-outs: their opacity is the mask.
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
    if colourful := [file for file in seen if file.colours and file.labels is None]:
        raise _ambiguous(colourful, len(seen), "a colour image, not a mask: give the folder of the masks")
    if any(file.labels is None for file in seen) or _is_black_and_white(seen):
        return Decision("brightness")
    return _decide_labels(seen)


def _is_black_and_white(seen: Sequence[Seen]) -> bool:
    highest = {label for file in seen for label in file.labels or () if label}
    return not any(file.colours for file in seen) and (highest <= {255} or highest <= {1} or highest <= {65535})


def _decide_labels(seen: Sequence[Seen]) -> Decision:
    union = sorted({label for file in seen for label in file.labels or ()})
    ignore = tuple(
        label for label in _IGNORED if any(label in _objects(file) and len(_objects(file)) > 1 for file in seen)
    )
    trimap = bool(ignore) and {*union} - {0, *ignore} <= _UNKNOWN
    unclear = [file for file in seen if trimap or _is_unclear(file, ignore)]
    advice = "write which values are the object, such as `values: [1]`, and which to ignore, such as `ignore: [3]`"
    if len(unclear) == len(seen):
        raise _ambiguous(unclear, len(seen), advice)
    objects = sorted({label for file in seen if file not in unclear for label in _objects(file) if label not in ignore})
    colours = any(file.colours for file in seen)
    names = [f"0x{label:06x}" if colours else str(label) for label in union]
    shown = ", ".join(names[:MAX_LABELS]) + (", …" if len(names) > MAX_LABELS else "")
    meaning = f"{objects[0]} is the object" if len(objects) == 1 else "in each, the one that is not 0 is the object"
    ignored = f", {', '.join(map(str, ignore))} is ignored" if ignore else ""
    notes = [f"masks have the labels {shown}: {meaning}{ignored}"]
    if unclear:
        notes.append(str(_ambiguous(unclear, len(seen), advice)))
    return Decision(tuple(objects) if len(objects) == 1 and not unclear else "label", ignore, tuple(notes))


def _objects(file: Seen) -> list[int]:
    return [label for label in file.labels or () if label != 0]


def _is_unclear(file: Seen, ignore: Sequence[int]) -> bool:
    objects = [label for label in _objects(file) if label not in ignore]
    return len(objects) > 1 or (bool(objects) and 0 not in (file.labels or ()) and len(file.labels or ()) > 1)


def _ambiguous(files: Sequence[Seen], total: int, advice: str) -> ConfigError:
    first = files[0]
    return ConfigError(
        f"{len(files):,} of {total:,} masks are ambiguous: {first.name} has {first.listed}; {advice}", ("masks",)
    )


def share_of_border(mask: Mask) -> float:
    """Return the share of a mask's outermost pixels that are on the object, 0–1.

    >>> share_of_border(np.eye(3, dtype=bool))
    0.25
    """
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return float(border.mean())
