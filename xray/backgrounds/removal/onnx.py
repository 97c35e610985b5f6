"""An inpainting network in ONNX format: opened from its bytes alone, run on padded crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.backgrounds.removal.base import RemovalInput
from xray.backgrounds.removal.hole import fill_hole, object_hole
from xray.core.errors import ConfigError, Rejected, StorageError, extra
from xray.core.types import Mask, Pixels
from xray.sources.base import join_names

_SIDE = 512
"""Side of the input where the network leaves it open, pixels; LaMa was trained on 256 and published for 512."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels; right and bottom are excluded."""


def find_onnx_file(path: Path) -> Path:
    """Return the .onnx file that is meant by a file or a folder.

    Raises:
        ConfigError: it is another kind of file, or a folder that does not contain exactly one.
    """
    if path.is_dir():
        files = sorted(path.glob("*.onnx"))
        if len(files) != 1:
            names = join_names(sorted(file.name for file in (files or path.iterdir())), 5)
            raise ConfigError(f"the path of one .onnx file is needed, and {str(path)!r} contains {names}")
        return files[0]
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"refused the weights {str(path)!r}: an .onnx file is needed; other formats can run code")
    return path


@dataclass(frozen=True)
class Session:
    """An opened network.

    Args:
        session: an onnxruntime session.
        image: name of its input for RGB, 0 … 1, shape (1, 3, H, W).
        mask: name of its input for the mask, 1 where to fill, shape (1, 1, H, W).
        size: width and height of its inputs, pixels.
        scale: factor from its output to 0 … 255.
        provider: what it runs on, in onnxruntime's words.
    """

    session: Any
    image: str
    mask: str
    size: tuple[int, int]
    scale: float
    provider: str

    def run(self, image_3HW: NDArray[np.float32], mask_1HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's output, shape (3, H, W), 0 … 255 but for errors of the network."""
        output = self.session.run(None, {self.image: image_3HW[None], self.mask: mask_1HW[None]})[0]
        scaled: NDArray[np.float32] = output[0] * np.float32(self.scale)
        return scaled


def open_session(file: Path, device: str) -> Session:
    """Open a network, and find out whether its output ends at 1 or at 255 by filling a hole in a grey image.

    Raises:
        ConfigError: the file is damaged, keeps tensors in other files, or is no inpainting network.
        StorageError: the file cannot be read.
    """
    with extra("removal"):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    failures = (
        errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NoSuchFile,
        errors.NotImplemented, errors.RuntimeException,
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it would print is raised below
    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, "CUDAExecutionProvider")
    else:
        options.intra_op_num_threads = 1  # the same sums on every machine
    try:
        # From bytes: tensors in other files, which no hash covers, cannot be read.
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=providers)
        image, mask, size = _inputs(session, file)
        opened = Session(session, image, mask, size, 1.0, session.get_providers()[0])
        return Session(session, image, mask, size, _output_scale(opened, file), opened.provider)
    except OSError as error:
        raise StorageError(f"cannot read the weights at {str(file)!r}: {error.strerror or error}") from error
    except failures as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"refused the weights {str(file)!r}: onnxruntime does not run it: {first_line}") from error


def _inputs(session: Any, file: Path) -> tuple[str, str, tuple[int, int]]:
    """Return the names of image and mask, and the size of both."""
    by_channels = {tuple(one.shape[1:2]): one for one in session.get_inputs() if len(one.shape) == 4}
    seen = ", ".join(f"{one.name} {one.type} {one.shape}" for one in session.get_inputs())
    if len(session.get_inputs()) != 2 or by_channels.keys() != {(3,), (1,)}:
        raise ConfigError(
            f"{str(file)!r} takes {seen}; an image of shape [1, 3, H, W] and a mask of shape [1, 1, H, W] are expected"
        )
    image, mask = by_channels[3,], by_channels[1,]
    if any(one.type != "tensor(float)" for one in (image, mask)):
        raise ConfigError(f"{str(file)!r} takes {seen}; both inputs must be tensor(float), that is, float32")
    height, width = (side if isinstance(side, int) else _SIDE for side in image.shape[2:])
    return image.name, mask.name, (width, height)


def _output_scale(session: Session, file: Path) -> float:
    """Return the factor from the output to 0 … 255: of two published forms, one ends at 255 and one at 1."""
    width, height = session.size
    mask = np.zeros((1, height, width), np.float32)
    mask[:, height // 3 : height // 2, width // 3 : width // 2] = 1
    output = session.run(np.full((3, height, width), 0.5, np.float32), mask)
    if output.shape != (3, height, width):
        raise ConfigError(f"{str(file)!r} returns {output.shape} for an image of {(3, height, width)}")
    grey = float(np.median(output[:, mask[0] == 0]))
    if not 0.05 <= grey <= 250:  # also NaN
        raise ConfigError(f"{str(file)!r} returns {grey:.3g} for grey around a hole; 0.5 or 127.5 is expected")
    return 255.0 if grey < 2 else 1.0


@dataclass(frozen=True)
class Crop:
    """A part of a photograph as the network takes it.

    Args:
        box: the part.
        inner: width and height of the part in the network's image, pixels; the rest mirrors it.
        image: RGB, 0 … 1, shape (3, H, W); 0 in the hole.
        mask: 1 in the hole, shape (1, H, W).
        hole: the hole in the photograph.
    """

    box: Box
    inner: tuple[int, int]
    image: NDArray[np.float32]
    mask: NDArray[np.float32]
    hole: Mask


@dataclass(frozen=True)
class OnnxInpainting:
    """A network and the settings of its remover, as a `xray.core.device.DeviceModel`."""

    session: Session
    dilate: int
    feather: int
    context: float
    about: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `DeviceModel.facts`."""
        return {**self.about, "size": list(self.session.size), "device": self.session.provider}

    def prepare(self, item: RemovalInput) -> Crop:
        """Crop and scale the surroundings of the object.

        Raises:
            Rejected: mask_empty, background_too_small.
        """
        hole = object_hole(item.photo, self.dilate)
        box = crop_around(hole, self.context)
        left, top, right, bottom = box
        part, inside = item.photo.image[top:bottom, left:right], hole[top:bottom, left:right]
        width, height = self.session.size
        scale = min(width / (right - left), height / (bottom - top))
        inner = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = self._mirror(cv2.resize(part, inner, interpolation=method))
        mask = self._mirror(cv2.resize(inside.astype(np.float32), inner, interpolation=method)) > 0
        image[mask] = 0
        image_3HW = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)
        return Crop(box, inner, image_3HW, mask[None].astype(np.float32), hole)

    def _mirror(self, image: Any) -> Any:
        """Pad an image to the network's size on the right and below by its mirror image."""
        width, height = self.session.size
        right, bottom = width - image.shape[1], height - image.shape[0]
        return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REFLECT_101)

    def run(self, batch: Sequence[Crop]) -> list[tuple[Crop, NDArray[np.float32]]]:
        """Fill the crops one by one: exported networks take one at a time."""
        return [(crop, self.session.run(crop.image, crop.mask)) for crop in batch]

    def finish(self, item: RemovalInput, raw: tuple[Crop, NDArray[np.float32]]) -> Pixels:
        """Put the filled crop into the photograph.

        Raises:
            Rejected: removal_failed.
        """
        crop, output_3HW = raw
        width, height = crop.inner
        filled_HWC = np.ascontiguousarray(output_3HW[:, :height, :width].transpose(1, 2, 0))
        if not np.isfinite(filled_HWC).all():
            raise Rejected("removal_failed", "the network returned values that are not finite")
        left, top, right, bottom = crop.box
        size = (right - left, bottom - top)
        method = cv2.INTER_AREA if width > size[0] else cv2.INTER_CUBIC
        resized = cv2.resize(filled_HWC, size, interpolation=method)
        filling = item.photo.image.copy()
        filling[top:bottom, left:right] = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
        return fill_hole(item.photo, crop.hole, filling, self.feather)


def crop_around(hole: Mask, context: float) -> Box:
    """Return a square around a hole, clipped to the photograph; `context` of the longer side is added on each side.

    >>> hole = np.zeros((100, 200), bool)
    >>> hole[40:60, 90:130] = True
    >>> crop_around(hole, context=0.5)
    (70, 10, 150, 90)
    """
    x, y, width, height = cv2.boundingRect(hole.view(np.uint8))
    side = round(max(width, height) * (1 + 2 * context))
    columns, rows = min(side, hole.shape[1]), min(side, hole.shape[0])
    left = int(np.clip(x + (width - columns) / 2, 0, hole.shape[1] - columns))
    top = int(np.clip(y + (height - rows) / 2, 0, hole.shape[0] - rows))
    return left, top, left + columns, top + rows
