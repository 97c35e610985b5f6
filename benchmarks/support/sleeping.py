"""SAM and Stable Diffusion as xray runs them, around networks that sleep a fixed time for each image.

What happens before and after the network is the real work: resizing to its frame, prompts, masks chosen and enlarged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, TextIO

import cv2
import numpy as np

from xray.backgrounds.inpainting.base import Inpainter, InpaintRequest
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.backgrounds.inpainting.tokenizers import Tokenizers
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.masks.base import Refiner
from xray.masks.sam.network import NetworkInput, group_prompts
from xray.masks.sam.prompts import Prompt
from xray.masks.sam.refiner import Sam
from xray.scenarios import Photo

SAM_SIDE, SDXL_SIDE = 1024, 1024


class Device:
    """Does nothing but take time, and notes for each batch: its start and end, its images, the actor's CPU seconds.

    Args:
        pool: that its actor belongs to.
        seconds: for each image.
        notes: folder for them, a file an actor.
        actors: of all pools; the first batch waits until all have loaded.
    """

    def __init__(self, pool: str, seconds: float, notes: str, actors: int) -> None:
        self.pool, self.seconds, self.folder, self.actors = pool, seconds, Path(notes), actors
        self.notes: TextIO | None = None

    def meet(self) -> None:
        """Wait until all actors are as far."""
        self.notes = (self.folder / f"{self.pool}-{os.getpid()}").open("w", buffering=1)
        patience = time.monotonic() + 300
        while len(list(self.folder.iterdir())) < self.actors:
            if time.monotonic() > patience:
                raise ConfigError(f"fewer than {self.actors} actors have loaded")
            time.sleep(0.01)
        self._note(time.monotonic(), 0)

    def work(self, images: int) -> None:
        started = time.monotonic()
        time.sleep(self.seconds * images)
        self._note(started, images)

    def _note(self, started: float, images: int) -> None:
        if self.notes:  # not while it warms up
            self.notes.write(f"{started} {time.monotonic()} {images} {time.process_time()}\n")


class SamNetwork:
    """A `xray.masks.sam.network.SamNetwork` that offers an ellipse in each box."""

    def __init__(self, device: Device) -> None:
        from segment_anything.utils.transforms import ResizeLongestSide

        self.device = device
        self.resize = ResizeLongestSide(SAM_SIDE)
        self.facts: Mapping[str, Any] = {"backend": "sleep"}

    def preprocess(self, image_HWC: np.ndarray, prompts: Sequence[Prompt]) -> NetworkInput:
        import torch

        size = image_HWC.shape[:2]
        pixels = torch.as_tensor(self.resize.apply_image(image_HWC)).permute(2, 0, 1).contiguous()
        queries = [
            (objects, {"logits": self._ellipses(query["input_boxes"] / max(size) * 256)})
            for objects, query in group_prompts(prompts)
        ]
        return NetworkInput(pixels, size, pixels.shape[1:], prompts, queries)

    def _ellipses(self, boxes_K4: np.ndarray) -> Any:
        import torch

        logits = np.full((len(boxes_K4), 3, 256, 256), -8, np.float32)
        for masks, (x0, y0, x1, y1) in zip(logits, boxes_K4, strict=True):
            for one in masks:
                cv2.ellipse(one, (((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0), 0), 8, -1)
        return torch.from_numpy(logits)

    def encode(self, inputs: Sequence[NetworkInput]) -> Sequence[None]:
        self.device.work(len(inputs))
        return [None] * len(inputs)

    def decode(self, embedding: None, query: Mapping[str, Any], multimask: bool) -> tuple[Any, Any]:
        import torch

        return query["logits"], torch.full((len(query["logits"]), 3), 0.9)

    def upscale(self, logits_Chw: Any, inputs: NetworkInput) -> Any:
        from torch.nn.functional import interpolate

        whole = interpolate(logits_Chw[None], (SAM_SIDE, SAM_SIDE), mode="bilinear", align_corners=False)
        inner = whole[..., : inputs.resized[0], : inputs.resized[1]]
        return interpolate(inner, inputs.size, mode="bilinear", align_corners=False)[0]


class Pipeline:
    """A diffusers pipeline that returns the pictures that it was given."""

    components: ClassVar[Mapping[str, Any]] = {}
    vae_scale_factor = 8
    unet = SimpleNamespace(config=SimpleNamespace(down_block_types=("", "", ""), in_channels=9))

    def __init__(self, device: Device) -> None:
        self.device = device

    def __call__(self, *, image: Sequence[Any], **asked: Any) -> SimpleNamespace:
        self.device.work(len(image))
        return SimpleNamespace(images=image)


def words(text: str, verbose: bool) -> dict[str, list[str]]:
    """A tokenizer."""
    return {"input_ids": text.split()}


@settings
class SleepingSam(Refiner):
    """SAM around a network that sleeps; arguments as of `Device`."""

    name: ClassVar[str] = "sleeping_sam"
    summary: ClassVar[str] = "SAM around a network that sleeps"
    accelerated: ClassVar[bool] = True

    seconds: float
    notes: str
    actors: int

    def load(self, device: str) -> Any:
        import torch

        from xray.masks.sam.refiner import SamOnDevice

        sleeping = Device("refine", self.seconds, self.notes, self.actors)
        loaded = SamOnDevice(Sam(), SamNetwork(sleeping), device, torch.float32)
        loaded.warm_up()
        sleeping.meet()
        return loaded


@settings
class SleepingSdxl(Inpainter):
    """Stable Diffusion around a pipeline that sleeps; arguments as of `Device`."""

    name: ClassVar[str] = "sleeping_sdxl"
    summary: ClassVar[str] = "Stable Diffusion around a pipeline that sleeps"

    seconds: float
    notes: str
    actors: int

    def weights(self) -> Mapping[str, str]:
        return {}

    def check(self, prompts: Sequence[str]) -> list[str]:
        return []

    def load(self, device: str) -> Any:
        from xray.backgrounds.inpainting.pipeline import InpaintingModel

        sleeping = Device("paint", self.seconds, self.notes, self.actors)
        loaded = InpaintingModel(StableDiffusion(size=SDXL_SIDE), Pipeline(sleeping), Tokenizers((words,), 77), {})
        scene = InpaintRequest(Photo(np.zeros((64, 64, 3), np.uint8), np.eye(64, dtype=bool)), "", 0)
        loaded.finish(scene, *loaded.run([loaded.prepare(scene)]))
        sleeping.meet()
        return loaded
