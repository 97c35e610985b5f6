"""CLIP, and the safety checker that is built on it: what a picture is like, in numbers."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import extra
from xray.core.types import Pixels
from xray.models.weights import locate
from xray.models.weights.pretrained import read_model, read_processor

if TYPE_CHECKING:
    import torch

_TEXTS_KEPT = 4096


class Clip:
    """A CLIP model (Radford et al. 2021, https://arxiv.org/abs/2103.00020) and its processor, in float32.

    Args:
        reference: a folder with a `CLIPModel` in safetensors and its `CLIPProcessor`, or a name that means one (see
            `xray.models.weights.locate`).
        device: `cpu`, `cuda` or `cuda:<number>`.

    Raises:
        XrayError: not there, damaged, or no such model.
    """

    def __init__(self, reference: str, device: str = "cpu") -> None:
        with extra("models"):
            from transformers import CLIPModel, CLIPProcessor

        folder = locate(reference)
        self._device = device
        self._model = read_model(CLIPModel, folder).to(device)
        self._processor = read_processor(CLIPProcessor, folder)
        self.context: int = self._model.config.text_config.max_position_embeddings
        """Tokens of a text that the model sees; of a longer one only the first are embedded."""
        self._kept_text = functools.lru_cache(_TEXTS_KEPT)(self._embed_text)

    @property
    def processing(self) -> str:
        """What is done to images that are not to be seen whole, for people."""
        crop = "centre crop" if self._processor.image_processor.do_center_crop else "the whole picture"
        return f"{crop} of {self.side}×{self.side} pixels, as published"

    @property
    def side(self) -> int:
        """Of the square that it looks at, in pixels."""
        return int(self._model.config.vision_config.image_size)

    def images(self, images: Sequence[Pixels], *, whole: bool = False) -> NDArray[np.float32]:
        """Unit vectors of N ≥ 1 RGB images of any sizes, shape (N, D).

        Args:
            images: to look at.
            whole: squeeze the whole of each into the square that the model takes, its aspect lost. Otherwise the
                published processing is done, which cuts out the centre: what lies at the ends of the longer side is
                not seen.
        """
        import torch

        inputs = _inputs(self._processor.image_processor, images, self.side if whole else None).to(self._device)
        with torch.inference_mode():
            return _unit(self._model.get_image_features(pixel_values=inputs))

    def text(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a text, shape (D,).

        A text of more than `context` tokens is cut, its end token kept. Each is embedded by itself, so that its vector
        does not depend on what else is asked for.
        """
        embedded: NDArray[np.float32] = self._kept_text(text)
        return embedded

    def _embed_text(self, text: str) -> NDArray[np.float32]:
        import torch

        tokens = self._processor.tokenizer([text], truncation=True, max_length=self.context, return_tensors="pt")
        with torch.inference_mode():
            embedded: NDArray[np.float32] = _unit(self._model.get_text_features(**tokens.to(self._device)))[0]
        return embedded

    def similarity(self, images_ND: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """Cosine of each of N ≥ 1 images, given by their unit vectors, with its text; −1 … 1, shape (N,)."""
        texts_ND = np.stack([self.text(text) for text in texts]).astype(np.float64)
        cosines_N: NDArray[np.float64] = (images_ND * texts_ND).sum(axis=1)
        return cosines_N


class SafetyChecker:
    """Stable Diffusion's safety checker: CLIP image embeddings against 20 hidden concepts, mostly sexual ones.

    It looks at whole pictures, squeezed into a square: its own processing, for which its thresholds were set, cuts out
    the centre and misses what is at the ends of the longer side.

    Rando et al. 2022 (https://arxiv.org/abs/2210.04610) analyse what it misses: violence and gore pass.

    Args:
        reference: a folder with a `StableDiffusionSafetyChecker` in safetensors and a `preprocessor_config.json`, or a
            name that means one (see `xray.models.weights.locate`).
        device: `cpu`, `cuda` or `cuda:<number>`.

    Raises:
        XrayError: not there, damaged, or no such model.
    """

    def __init__(self, reference: str, device: str = "cpu") -> None:
        with extra("diffusion"):
            from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
            from transformers import CLIPImageProcessor

        # It warns of blackened pictures; none of ours are.
        logging.getLogger(StableDiffusionSafetyChecker.__module__).setLevel(logging.ERROR)
        folder = locate(reference)
        self._device = device
        self._model = read_model(StableDiffusionSafetyChecker, folder, attn_implementation="eager").to(device)
        self._processor = read_processor(CLIPImageProcessor, folder)

    def flags(self, images: Sequence[Pixels]) -> list[bool]:
        """Whether each of N ≥ 1 RGB images of any sizes is refused."""
        import torch

        inputs = _inputs(self._processor, images, self._model.config.vision_config.image_size).to(self._device)
        nothing_to_blacken = [np.zeros(1) for _ in images]
        with torch.inference_mode():
            _, flagged = self._model(clip_input=inputs, images=nothing_to_blacken)
        return [bool(flag) for flag in flagged]


def _inputs(processor: Any, images: Sequence[Pixels], squeezed: int | None) -> torch.Tensor:
    """Images as a network takes them: squeezed into a square of this side, or as its processor is set."""
    square = {"size": {"height": squeezed, "width": squeezed}, "do_center_crop": False} if squeezed else {}
    batch = processor(images=list(images), return_tensors="pt", input_data_format="channels_last", **square)
    return batch["pixel_values"]  # type: ignore[no-any-return]


def _unit(output: Any) -> NDArray[np.float32]:
    """The pooled features of transformers 5 (an output object), or of 4 (a tensor), each of length 1."""
    import torch

    features_ND = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(features_ND.float(), dim=-1).cpu().numpy()
