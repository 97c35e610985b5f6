"""The networks that measure single images: Inception's features, CLIPScore, LPIPS.

The networks are those of torchmetrics. The caller names the files of the weights; nothing is downloaded.
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
from xray.core.errors import ConfigError, extra
from xray.core.types import Photo, Pixels
from xray.models.weights.checkpoint import load_strictly, read_weights

Layer = Literal[64, 192, 768, 2048]
"""A layer of Inception-v3, by its number of features; published values use 2048."""

LPIPS_SIDE = 512
"""Longer side, in pixels, to which images are scaled for LPIPS."""
_MIN_SIDE = 64
"""AlexNet has no output below 63."""


class Inception:
    """Inception-v3 as torch-fidelity ported it from the TensorFlow graph of FID's authors.

    Images are scaled to 299 × 299 with antialiasing, as torchmetrics does by default.

    Args:
        file: weights in the format of torch-fidelity's release file.
        layer: gives the features.
        device: `cpu`, `cuda` or `cuda:<number>`.
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
            message = f"the weights {str(file)!r} do not fit torch-fidelity's Inception-v3: {first_line}"
            raise ConfigError(message) from error

    def features(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """Compute features of N ≥ 1 RGB images of any sizes, shape (N, layer)."""
        import torch

        batches = (np.stack(list(same)) for _, same in groupby(images, key=np.shape))
        with torch.inference_mode():
            features = [self._network(_chw(batch_NHWC).to(self._device)).cpu().numpy() for batch_NHWC in batches]
        return np.concatenate(features)


def clip_scores(clip: Clip, images: Sequence[Pixels], prompts: Sequence[str]) -> NDArray[np.float64]:
    """Compute the CLIPScore of N ≥ 1 images with their prompts, shape (N,): 100 · max(cos, 0).

    Hessel et al. 2021 (https://arxiv.org/abs/2104.08718) with torchmetrics' factor of 100 instead of 2.5. A prompt
    that is too long for CLIP is truncated but keeps its end token, which torchmetrics drops. Images are processed as
    published, by a centre crop: the ends of the longer side do not count.
    """
    return 100 * np.maximum(clip.similarity(clip.images(images), prompts), 0)


class Lpips:
    """LPIPS (Zhang et al. 2018, https://arxiv.org/abs/1801.03924) with AlexNet, outside the object.

    The linear weights (version 0.1) come with torchmetrics.

    Args:
        file: torchvision's AlexNet; only its convolutions are used.
        device: `cpu`, `cuda` or `cuda:<number>`.
    """

    method = f"AlexNet, longer side {LPIPS_SIDE} pixels, object set equal, mean of the distance map outside the object"

    def __init__(self, file: Path, device: str = "cpu") -> None:
        with extra("realism"):
            from torchmetrics.functional.image.lpips import _NoTrainLpips

        self._device = device
        network = _NoTrainLpips(net="alex", spatial=True, pnet_rand=True)
        own_names = {f"features.{name.partition('.')[2]}": name for name in network.net.state_dict()}
        weights = read_weights(str(file)).items()
        convolutions = {own_names.get(name, name): tensor for name, tensor in weights if name.startswith("features.")}
        load_strictly(network.net, convolutions, f"AlexNet ({file})")
        self._network = network.to(device)

    def outside(self, photo: Photo, original: Pixels) -> float | None:
        """Compute the distance of an image from its original, outside the object.

        The object's pixels are replaced by those of the original, so that only the background differs, and both are
        scaled to a longer side of 512 pixels. The distance map of LPIPS (the sum of its five layers, each upsampled
        bilinearly) is averaged over the pixels outside the mask. Near the object, within the receptive field of the
        layers, the equal object pixels still lower the map.

        Returns:
            ≥ 0, 0 for equal backgrounds; None if the sizes differ, the mask covers the image, or the shorter side is
            below 64 pixels after scaling.
        """
        import torch

        if original.shape != photo.image.shape:
            return None
        pasted = restore(photo.image.copy(order="C"), Photo(original, photo.mask), "object")
        scale = LPIPS_SIDE / max(photo.mask.shape)
        height, width = (max(1, round(side * scale)) for side in photo.mask.shape)
        size = (width, height)
        mask = cv2.resize(photo.inside, size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        if min(size) < _MIN_SIDE or mask.all():
            return None
        pair_NHWC = np.stack([_scaled(pasted, size), _scaled(original, size)])
        pair_NCHW = _chw(pair_NHWC).float().to(self._device) / 127.5 - 1
        with torch.inference_mode():
            map_HW = self._network(pair_NCHW[:1], pair_NCHW[1:])[0, 0].double().cpu().numpy()
        return float(map_HW[~mask].mean())


def _scaled(image: Pixels, size: tuple[int, int]) -> Pixels:
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=method)  # type: ignore[return-value]


def _safe(file: Path) -> io.BytesIO:
    """Read the tensors of a file and serialise them again: torch-fidelity would execute code in the file."""
    import torch

    sink = io.BytesIO()
    torch.save(read_weights(str(file)), sink)
    sink.seek(0)
    return sink


def _chw(images_NHWC: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2)))
