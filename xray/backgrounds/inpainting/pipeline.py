"""An inpainting pipeline on a device: photographs and prompts in, inpainted images out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xray.backgrounds.inpainting.base import InpaintedImage, InpaintRequest
from xray.backgrounds.inpainting.canvas import (
    Canvas,
    colour_field,
    extend_kept_pixels,
    feather_edge,
    fit_canvas,
    kept_region,
    seed_colours,
)
from xray.backgrounds.inpainting.sampler import SamplerSettings
from xray.backgrounds.inpainting.speed import fail_on_recompile_limit, speed_up
from xray.backgrounds.inpainting.tokenizers import Tokenizers
from xray.core.errors import ConfigError, Rejected

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PipelineInput:
    """A request in the form that the pipeline takes.

    Args:
        canvas: position of the photograph on its canvas.
        image: RGB, of the canvas' size. Where it is inpainted, it has the seed's colours and nothing of the photograph.
        mask: 255 where to inpaint, of the canvas' size.
        prompt: cut to what the model sees.
        seed: decides everything random.
    """

    canvas: Canvas
    image: Image.Image
    mask: Image.Image
    prompt: str
    seed: int


@dataclass(frozen=True)
class PipelineOutput:
    """A result of the pipeline.

    Args:
        source: the input.
        image: RGB, of the canvas' size.
        nsfw: the safety checker's verdict; None: there is no checker.
    """

    source: PipelineInput
    image: Image.Image
    nsfw: bool | None


@dataclass(frozen=True)
class InpaintingModel:
    """A pipeline on its device, as a `DeviceModel`.

    Args:
        settings: the sampler's settings.
        pipeline: a diffusers pipeline, on its device.
        tokenizers: the pipeline's tokenizers, loaded again: they are used in other threads.
        facts: recorded with every image, plain JSON values.
    """

    settings: SamplerSettings
    pipeline: Any
    tokenizers: Tokenizers
    facts: Mapping[str, Any]

    @classmethod
    def start(
        cls,
        settings: SamplerSettings,
        pipeline: Any,
        tokenizers: Tokenizers,
        device: str,
        origin: Mapping[str, Any],
    ) -> InpaintingModel:
        """Move a pipeline to its device, accelerate it, and generate one image to warm up.

        Args:
            settings: the sampler's settings.
            pipeline: a diffusers pipeline on the CPU; modified.
            tokenizers: the pipeline's tokenizers.
            device: `cpu`, `cuda` or `cuda:<number>`.
            origin: the facts `painter`, `weights` and `lora_scale`.

        Raises:
            ConfigError: the scheduler does not support the number of steps.
        """
        try:
            pipeline.scheduler.set_timesteps(settings.steps)
        except ValueError as error:
            name = type(pipeline.scheduler).__name__
            raise ConfigError(f"{name} does not support {settings.steps} steps: {error}") from error
        channels_last = device.startswith("cuda") if settings.channels_last is None else settings.channels_last
        speed_up(pipeline, settings, channels_last)
        if settings.offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        facts = {**_facts(settings, pipeline, device, origin), "channels_last": channels_last}
        model = cls(settings, pipeline, tokenizers, facts)
        canvas = fit_canvas((model.side, model.side), model.side, model.multiple)
        black, white = Image.new("RGB", canvas.size), Image.new("L", canvas.size, 255)
        few = min(settings.steps, math.ceil(2 / settings.strength))
        model._call([PipelineInput(canvas, black, white, "", 0)], few)
        return model

    @property
    def side(self) -> int:
        """Side of the square with the canvas' area, pixels."""
        return _side(self.settings, self.pipeline)

    @property
    def multiple(self) -> int:
        """Divisor of the canvas' sides: every layer of the UNet can halve them."""
        return int(self.pipeline.vae_scale_factor * 2 ** (len(self.pipeline.unet.config.down_block_types) - 1))

    @property
    def cell(self) -> int:
        """Side of the squares that stay or are inpainted as a whole, pixels.

        A UNet of 4 channels keeps whole latent cells, and the pipeline samples one pixel of each: a thin part of the
        object would be lost in between. One of 9 channels gets the exact mask, as in its training: it sees the object's
        pixels beside the mask.
        """
        return int(self.pipeline.vae_scale_factor) if self.pipeline.unet.config.in_channels == 4 else 1

    def prepare(self, item: InpaintRequest) -> PipelineInput:
        """Put the kept part of the photograph on its canvas, on the seed's colours.

        Raises:
            Rejected: too_small_to_paint, mask_empty, mask_full, mask_too_small.
        """
        height, width = item.photo.mask.shape
        if min(width, height) < self.settings.min_side:
            detail = f"{width}×{height} pixels, `min_side` is {self.settings.min_side}"
            raise Rejected("too_small_to_paint", detail)
        canvas = fit_canvas((width, height), self.side, self.multiple)
        kept = kept_region(item.photo, self.settings.dilate)
        mask = canvas.inpaint_mask(kept, self.cell)
        image = canvas.scale_and_pad(extend_kept_pixels(item.photo.image, kept))
        image = np.where(mask[:, :, None] > 0, colour_field(canvas.size, item.seed), image)
        prompt = self.tokenizers.cut(item.prompt)
        return PipelineInput(canvas, Image.fromarray(image), Image.fromarray(mask), prompt, item.seed)

    def run(self, batch: Sequence[PipelineInput]) -> list[PipelineOutput]:
        """Call the pipeline once for each size of canvas; return the results in the batch's order."""
        results: dict[int, PipelineOutput] = {}
        for indices in _by_size(batch):
            results.update(zip(indices, self._call([batch[i] for i in indices], self.settings.steps), strict=True))
        return [results[index] for index in range(len(batch))]

    def _call(self, batch: Sequence[PipelineInput], steps: int) -> list[PipelineOutput]:
        import torch

        width, height = batch[0].canvas.size
        options: dict[str, Any] = {}
        if "controlnet" in self.pipeline.components:
            options["control_image"] = torch.cat([_control_image(item) for item in batch])
        if self.settings.guidance > 1:
            options["negative_prompt"] = [self.tokenizers.cut(self.settings.negative_prompt)] * len(batch)
        with fail_on_recompile_limit() if self.settings.compile else contextlib.nullcontext():
            output = self.pipeline(
                prompt=[item.prompt for item in batch],
                image=[item.image for item in batch],
                mask_image=[item.mask for item in batch],
                width=width,
                height=height,
                num_inference_steps=steps,
                strength=self.settings.strength,
                guidance_scale=self.settings.guidance,
                # On the CPU, so that the noise is the same on every device.
                generator=[torch.Generator("cpu").manual_seed(item.seed) for item in batch],
                **options,
            )
        flags = getattr(output, "nsfw_content_detected", None) or [None] * len(batch)
        return [
            PipelineOutput(item, image, None if flag is None else bool(flag))
            for item, image, flag in zip(batch, output.images, flags, strict=True)
        ]

    def finish(self, item: InpaintRequest, raw: PipelineOutput) -> InpaintedImage:
        """Return the inpainted image at the photograph's size, with its edge feathered if set."""
        canvas = raw.source.canvas
        image = feather_edge(item.photo, canvas.crop_and_scale(np.asarray(raw.image)), self.settings.feather)
        recorded: dict[str, Any] = {
            "canvas": list(canvas.size),
            "scale": round(canvas.scale, 4),
            "fill": seed_colours(item.seed).mean(axis=(0, 1)).round().astype(int).tolist(),
        }
        if raw.source.prompt == item.prompt:
            return InpaintedImage(image, raw.nsfw, recorded=recorded)
        recorded["prompt_seen"] = raw.source.prompt
        return InpaintedImage(image, raw.nsfw, ("prompt_truncated",), recorded)


def _side(settings: SamplerSettings, pipeline: Any) -> int:
    return settings.size or int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)


def _by_size(batch: Sequence[PipelineInput]) -> Iterable[list[int]]:
    """Return the indices of the items of each canvas size, in order."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, item in enumerate(batch):
        groups.setdefault(item.canvas.size, []).append(index)
    return groups.values()


def _control_image(item: PipelineInput) -> torch.Tensor:
    """Return the input of ControlNets for inpainting: RGB 0–1, and -1 where to inpaint; shape (1, 3, H, W)."""
    import torch

    pixels_HWC = np.asarray(item.image, np.float32) / 255
    pixels_HWC[np.asarray(item.mask) > 0] = -1
    return torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None]


def _facts(settings: SamplerSettings, pipeline: Any, device: str, origin: Mapping[str, Any]) -> dict[str, Any]:
    import diffusers
    import torch

    return {
        "painter": origin["painter"],
        "pipeline": type(pipeline).__name__,
        "weights": origin["weights"],
        "unet_channels": pipeline.unet.config.in_channels,
        "lora_scale": origin["lora_scale"],
        "scheduler": type(pipeline.scheduler).__name__,
        "steps": settings.steps,
        "guidance": settings.guidance,
        "strength": settings.strength,
        "fill": "colours of the seed",
        "size": _side(settings, pipeline),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        **{name: getattr(settings, name) for name in ("fuse_qkv", "compile", "offload", "tiling")},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
    }
