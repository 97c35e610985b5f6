"""What is measured of single pictures to tell how real they are: Inception's features, CLIPScore, LPIPS.

The networks are those of torchmetrics; weights are files that the caller names, and nothing is downloaded.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.backgrounds.filtering.clip import Clip
from xray.core.compositing import restore
from xray.core.errors import XrayError, extra
from xray.core.types import Photo, Pixels
from xray.models.weights.checkpoint import load_strictly, read_weights

Layer = Literal[64, 192, 768, 2048]
"""Of Inception-v3, by its number of features; published numbers are of 2048."""

LPIPS_SIDE = 512
"""Longer side, in pixels, at which LPIPS looks at pictures."""
_LEAST_SIDE = 64
"""AlexNet has no output for less than 63."""


class Inception:
    """Inception-v3 as torch-fidelity ported it from the TensorFlow graph of FID's authors.

    Pictures are scaled to 299 × 299 with antialiasing, as torchmetrics does by default.

    Args:
        file: weights in the format of torch-fidelity's release file.
        layer: whose features are taken.
        device: `cpu`, `cuda` or `cuda:<number>`.

    Raises:
        XrayError: damaged, not only weights, or of another network.
    """

    def __init__(self, file: Path, layer: Layer = 2048, device: str = "cpu") -> None:
        with extra("realism"):
            from torchmetrics.image.fid import NoTrainInceptionV3

        self.layer = layer
        self._device = device
        try:
            self._network = NoTrainInceptionV3("inception-v3-compat", [str(layer)], _safe(file)).to(device)  # type: ignore[arg-type]
        except RuntimeError as error:
            first_line = str(error).partition("\n")[0]
            raise XrayError(
                f"the weights {str(file)!r} do not fit torch-fidelity's Inception-v3: {first_line}"
            ) from error

    def features(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """Features of N ≥ 1 RGB images of any sizes, shape (N, layer). Those of one size in a row are one batch."""
        import torch

        batches = (np.stack(list(same)) for _, same in groupby(images, key=np.shape))
        with torch.inference_mode():
            features = [self._network(_chw(batch_NHWC).to(self._device)).cpu().numpy() for batch_NHWC in batches]
        return np.concatenate(features)


def clip_scores(clip: Clip, images: Sequence[Pixels], prompts: Sequence[str]) -> NDArray[np.float64]:
    """CLIPScore of N ≥ 1 images with their prompts, shape (N,): 100 · max(cos, 0).

    Hessel et al. 2021 (https://arxiv.org/abs/2104.08718) with torchmetrics' factor of 100 instead of 2.5. A prompt
    that is longer than CLIP takes is cut, its end token kept, which torchmetrics loses. Images are processed as
    published, by a crop of the centre: what lies at the ends of the longer side does not count.
    """
    return 100 * np.maximum(clip.similarity(clip.images(images), prompts), 0)


class Lpips:
    """LPIPS (Zhang et al. 2018, https://arxiv.org/abs/1801.03924) with AlexNet, outside the object.

    The linear weights (version 0.1) are those that come with torchmetrics.

    Args:
        file: torchvision's AlexNet; only its convolutions are used.
        device: `cpu`, `cuda` or `cuda:<number>`.

    Raises:
        XrayError: damaged, not only weights, or of another network.
    """

    method = f"AlexNet, longer side {LPIPS_SIDE} pixels, object set equal, mean of the distance map outside the object"

    def __init__(self, file: Path, device: str = "cpu") -> None:
        with extra("realism"):
            from torchmetrics.functional.image.lpips import _NoTrainLpips

        self._device = device
        network = _NoTrainLpips(net="alex", spatial=True, pnet_rand=True)
        ours = {f"features.{name.partition('.')[2]}": name for name in network.net.state_dict()}
        weights = read_weights(str(file)).items()
        convolutions = {ours.get(name, name): tensor for name, tensor in weights if name.startswith("features.")}
        load_strictly(network.net, convolutions, f"AlexNet ({file})")
        self._network = network.to(device)

    def outside(self, picture: Photo, original: Pixels) -> float | None:
        """The distance of a picture from its original, outside the object.

        The object's pixels in the picture are replaced by those of the original, so that only the background differs,
        and both are scaled to a longer side of 512 pixels. The distance map of LPIPS (its five layers, each scaled up
        bilinearly, and added) is averaged over the pixels outside the mask. Near the object, within the receptive field
        of the layers, equal object pixels still bring the map down.

        Args:
            picture: and where the object is in it.
            original: RGB, of the same size.

        Returns:
            0 for equal backgrounds; None where the sizes differ, the picture is all object, or its shorter side is
            below 64 pixels after scaling.
        """
        import torch

        if original.shape != picture.image.shape:
            return None
        made = restore(picture.image.copy(order="C"), Photo(original, picture.mask), "object")
        size = _size(picture)
        mask = cv2.resize(picture.inside, size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        if min(size) < _LEAST_SIDE or mask.all():
            return None
        pair_NCHW = _chw(np.stack([_scaled(made, size), _scaled(original, size)])).float().to(self._device) / 127.5 - 1
        with torch.inference_mode():
            map_HW = self._network(pair_NCHW[:1], pair_NCHW[1:])[0, 0].double().cpu().numpy()
        return float(map_HW[~mask].mean())


def _size(picture: Photo) -> tuple[int, int]:
    height, width = picture.mask.shape
    scale = LPIPS_SIDE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled(image: Pixels, size: tuple[int, int]) -> Pixels:
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=method)  # type: ignore[return-value]


def _safe(file: Path) -> io.BytesIO:
    """The tensors of a file, written anew: torch-fidelity would run code that the file brings."""
    import torch

    sink = io.BytesIO()
    torch.save(read_weights(str(file)), sink)
    sink.seek(0)
    return sink


def _chw(images_NHWC: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2)))
