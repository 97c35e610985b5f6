"""What several models say about images: every image is decoded once, and prepared once for all who want it alike."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xray.codec import Decoded, Limits, decode
from xray.errors import XrayError
from xray.models.base import Loaded, Pixels
from xray.models.spec import parse_model
from xray.schema import PREDICTIONS

if TYPE_CHECKING:
    import torch

_EXTRA = ("safetensors", "timm", "torch", "torchvision", "transformers")

Colour = tuple[int, int, int]
Inputs = dict[Hashable, "torch.Tensor"]
"""One image, once for each distinct preprocessing: its key and the tensor, shape (3, h, w)."""


class Rows(TypedDict):
    """Columns of PREDICTIONS."""

    top1: NDArray[np.int32]
    top5: NDArray[np.int32]
    p_true: NDArray[np.float32]
    correct: NDArray[np.bool_]


def rows(probabilities_NK: NDArray[np.float32], accepted: Sequence[Sequence[int]]) -> Rows:
    """What PREDICTIONS holds about N images.

    Args:
        probabilities_NK: shape (N, K).
        accepted: the indices that count as right, for each image.

    Returns:
        `top1` (N,); `top5` (N, 5), or (N, K) if K is less, best first, the lower index first where two are equal;
        `p_true` (N,), the probability of all accepted indices together, 0–1; `correct` (N,), whether
        `top1` is accepted.

    >>> p = np.array([[0.1, 0.5, 0.2, 0.1, 0.06, 0.04]], np.float32)
    >>> found = rows(p, [[2, 1]])
    >>> found["top5"].tolist(), found["correct"].tolist(), found["p_true"].round(2).tolist()
    ([[1, 2, 0, 3, 4]], [True], [0.699999988079071])
    """
    images = np.repeat(np.arange(len(accepted)), [len(indices) for indices in accepted])
    right_NK = np.zeros(probabilities_NK.shape, bool)
    right_NK[images, np.fromiter(itertools.chain.from_iterable(accepted), np.int64)] = True
    top5 = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :5].astype(np.int32)
    return Rows(
        top1=top5[:, 0],
        top5=top5,
        p_true=np.where(right_NK, probabilities_NK, 0).sum(axis=1).clip(0, 1).astype(np.float32),
        correct=right_NK[np.arange(len(top5)), top5[:, 0]],
    )


def predictions_table(images: pa.Table, told: Mapping[str, Sequence[Any] | NDArray[Any]]) -> pa.Table:
    """PREDICTIONS of some images.

    Args:
        images: with `sample_id`, `image_id`, `category`, `scenario` and `variant`.
        told: the other columns; those of segmenters may be left out.
    """
    nothing = pa.nulls(len(images))
    arrays = [
        pa.array(list(told[field.name]), field.type)
        if field.name in told
        else images.column(field.name)
        if field.name in images.column_names
        else nothing.cast(field.type)
        for field in PREDICTIONS
    ]
    return pa.table(arrays, schema=PREDICTIONS)


def over(decoded: Decoded, colour: Colour) -> Pixels:
    """An image that was flattened on black, over another colour; within 1/255 of flattening it there at once."""
    if decoded.alpha is None or not any(colour):
        return decoded.image
    through = np.asarray(colour, np.uint16) * (255 - decoded.alpha[:, :, None].astype(np.uint16))
    return np.minimum(decoded.image + (through + 127) // 255, 255).astype(np.uint8)


@dataclass
class Panel:
    """Loaded models that look at the same images.

    Args:
        models: by name.
        batch_size: images that a model sees at once.
        colour: what transparent images are seen on, RGB; black by default.
        limits: which images are refused.
        decoded: how many images were decoded so far.
    """

    models: dict[str, Loaded]
    batch_size: int = 32
    colour: Colour = (0, 0, 0)
    limits: Limits = field(default_factory=Limits)
    decoded: int = 0

    @classmethod
    def load(cls, specs: Sequence[str], device: str = "cpu", batch_size: int = 32, colour: Colour = (0, 0, 0)) -> Self:
        """Load models onto a device by their names, see `xray.models.parse_model`.

        Raises:
            XrayError: one cannot be loaded.
        """
        try:
            models = {spec: parse_model(spec).load(device) for spec in specs}
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise XrayError(f"models need {error.name}: pip install 'xray-robustness[models]'") from error
        return cls(models, batch_size, colour)

    def prepare(self, data: bytes) -> Inputs:
        """Decode an image, once, and preprocess it, once for each distinct preprocessing.

        Raises:
            Rejected: it cannot be decoded.
        """
        decoded = decode(data, self.limits)
        self.decoded += 1
        image_HWC = over(decoded, self.colour)
        inputs: Inputs = {}
        for model in self.models.values():
            if model.preprocessing_key not in inputs:
                inputs[model.preprocessing_key] = model.preprocess(image_HWC)
        return inputs

    def predict_prepared(self, batch: Sequence[Inputs]) -> dict[str, NDArray[np.float32]]:
        """Each model's probabilities for N ≥ 1 prepared images, shape (N, 1000)."""
        import torch

        stacked = {key: torch.stack([inputs[key] for inputs in batch]) for key in batch[0]}
        return {name: model.predict(stacked[model.preprocessing_key]) for name, model in self.models.items()}

    def predict(self, images: Iterable[bytes]) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Each model's probabilities in the order of the images, batch by batch; the last batch may be smaller.

        Raises:
            Rejected: an image cannot be decoded; to go on without it, use `prepare` and `predict_prepared`.
        """
        prepared = map(self.prepare, images)
        while batch := list(itertools.islice(prepared, self.batch_size)):
            yield self.predict_prepared(batch)
