"""CLIP embeddings of images and texts, and the safety checker built on CLIP."""

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

_CACHED_TEXTS = 4096


class Clip:
    """A CLIP model (Radford et al. 2021, https://arxiv.org/abs/2103.00020) and its processor, in float32.

    Args:
        reference: a folder with a `CLIPModel` in safetensors and its `CLIPProcessor`, or a name known to
            `xray.models.weights.locate`.
        device: `cpu`, `cuda` or `cuda:<number>`.
    """

    def __init__(self, reference: str, device: str = "cpu") -> None:
        with extra("models"):
            from transformers import CLIPModel, CLIPProcessor

        folder = locate(reference)
        self._device = device
        self._model = read_model(CLIPModel, folder).to(device)
        self._processor = read_processor(CLIPProcessor, folder)
        self.context: int = self._model.config.text_config.max_position_embeddings
        """Maximum number of tokens of a text; longer texts are truncated."""
        self._cached_text = functools.lru_cache(_CACHED_TEXTS)(self._embed_text)

    @property
    def processing(self) -> str:
        """A description of the published preprocessing, for people."""
        crop = "centre crop" if self._processor.image_processor.do_center_crop else "the whole picture"
        return f"{crop} of {self.side}×{self.side} pixels, as published"

    @property
    def side(self) -> int:
        """Side of the model's square input, in pixels."""
        return int(self._model.config.vision_config.image_size)

    def images(self, images: Sequence[Pixels], *, whole: bool = False) -> NDArray[np.float32]:
        """Return the unit embeddings of N ≥ 1 images of any sizes, shape (N, D).

        Args:
            images: RGB, uint8.
            whole: squeeze each whole image into the model's square input, losing its aspect ratio. Otherwise the
                published preprocessing applies, which crops the centre: the ends of the longer side are not seen.
        """
        import torch

        inputs = _inputs(self._processor.image_processor, images, self.side if whole else None).to(self._device)
        with torch.inference_mode():
            return _unit(self._model.get_image_features(pixel_values=inputs))

    def text(self, text: str) -> NDArray[np.float32]:
        """Return the unit embedding of a text, shape (D,).

        A text of more than `context` tokens is truncated; its end token stays. Each text is embedded alone, so that its
        embedding does not depend on other texts.
        """
        return self._cached_text(text)

    def _embed_text(self, text: str) -> NDArray[np.float32]:
        import torch

        tokens = self._processor.tokenizer([text], truncation=True, max_length=self.context, return_tensors="pt")
        with torch.inference_mode():
            embedded: NDArray[np.float32] = _unit(self._model.get_text_features(**tokens.to(self._device)))[0]
        return embedded

    def similarity(self, images_ND: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the cosine of each of N ≥ 1 unit embeddings of images with its text; −1 … 1, shape (N,)."""
        texts_ND = np.stack([self.text(text) for text in texts]).astype(np.float64)
        cosines_N: NDArray[np.float64] = (images_ND * texts_ND).sum(axis=1)
        return cosines_N


class SafetyChecker:
    """Stable Diffusion's safety checker, which compares CLIP embeddings with 20 hidden, mostly sexual concepts.

    It sees whole images, squeezed into a square: its own preprocessing, for which its thresholds were set, crops the
    centre and misses the ends of the longer side.

    Rando et al. 2022 (https://arxiv.org/abs/2210.04610) analyse what it does not detect: violence and gore pass.

    Args:
        reference: a folder with a `StableDiffusionSafetyChecker` in safetensors and a `preprocessor_config.json`, or a
            name known to `xray.models.weights.locate`.
        device: `cpu`, `cuda` or `cuda:<number>`.
    """

    def __init__(self, reference: str, device: str = "cpu") -> None:
        with extra("diffusion"):
            from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
            from transformers import CLIPImageProcessor

        # It warns of blackened images, although ours stay as they are.
        logging.getLogger(StableDiffusionSafetyChecker.__module__).setLevel(logging.ERROR)
        folder = locate(reference)
        self._device = device
        self._model = read_model(StableDiffusionSafetyChecker, folder, attn_implementation="eager").to(device)
        self._processor = read_processor(CLIPImageProcessor, folder)

    def flags(self, images: Sequence[Pixels]) -> list[bool]:
        """Return True for each of N ≥ 1 images that is flagged; RGB, uint8, of any sizes."""
        import torch

        inputs = _inputs(self._processor, images, self._model.config.vision_config.image_size).to(self._device)
        placeholders = [np.zeros(1) for _ in images]
        with torch.inference_mode():
            _, flagged = self._model(clip_input=inputs, images=placeholders)
        return [bool(flag) for flag in flagged]


def _inputs(processor: Any, images: Sequence[Pixels], side: int | None) -> torch.Tensor:
    """Return the network's input: images squeezed into a square of `side` pixels; None: the processor's own way."""
    square = {"size": {"height": side, "width": side}, "do_center_crop": False} if side else {}
    batch = processor(images=list(images), return_tensors="pt", input_data_format="channels_last", **square)
    return batch["pixel_values"]  # type: ignore[no-any-return]


def _unit(output: Any) -> NDArray[np.float32]:
    """Return normalised features, shape (N, D), from the output object of transformers 5 or the tensor of 4."""
    import torch

    features_ND = output if isinstance(output, torch.Tensor) else output.pooler_output
    return torch.nn.functional.normalize(features_ND.float(), dim=-1).cpu().numpy()
