"""An inpainting pipeline on a device: photographs and prompts in, inpainted images out."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from xray.backgrounds.inpainting.guidance.apply import complexities, guided, measures, warm_up_target
from xray.backgrounds.inpainting.guidance.base import GuideTarget, LoadedGuide
from xray.backgrounds.inpainting.tokenizers import Tokenizers
from xray.core.errors import ConfigError, Rejected
from xray.core.types import Pixels

if TYPE_CHECKING:
    import torch

    from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion


@dataclass(frozen=True)
class PipelineInput:
    """A request in the form that the pipeline takes.

    Args:
        canvas: position of the photograph on its canvas.
        image: RGB, of the canvas' size. Where it is inpainted, it has the seed's colours and nothing of the photograph.
        mask: 255 where to inpaint, of the canvas' size.
        prompt: cut to what the model sees.
        seed: decides everything random.
        target: what the guide sees, if there is one.
    """

    canvas: Canvas
    image: Image.Image
    mask: Image.Image
    prompt: str
    seed: int
    target: GuideTarget | None = None


@dataclass(frozen=True)
class PipelineOutput:
    """A result of the pipeline.

    Args:
        source: its input.
        image: RGB, uint8, of the canvas' size.
        nsfw: the safety checker's verdict, if there is one.
        measured: by the guide, plain JSON values.
    """

    source: PipelineInput
    image: Pixels
    nsfw: bool | None
    measured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InpaintingModel:
    """A pipeline on its device, as a `DeviceModel`.

    Args:
        settings: those of the recipe.
        pipeline: a diffusers pipeline, on its device.
        tokenizers: the pipeline's tokenizers, loaded again: they are used in other threads.
        facts: recorded with every image, plain JSON values.
        guide: on the same device, if there is one.
        decoder: the autoencoder that the guide's gradient goes through; None: the pipeline's own.
    """

    settings: StableDiffusion
    pipeline: Any
    tokenizers: Tokenizers
    facts: Mapping[str, Any]
    guide: LoadedGuide | None = None
    decoder: Any = None

    @classmethod
    def start(
        cls,
        settings: StableDiffusion,
        pipeline: Any,
        tokenizers: Tokenizers,
        device: str,
        guide: LoadedGuide | None = None,
        decoder: Any = None,
    ) -> InpaintingModel:
        """Move a pipeline of `open_pipeline` to its device, and generate one image to warm up."""
        if settings.offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        if guide is not None and decoder is None:
            pipeline.vae.enable_gradient_checkpointing()  # has an effect only where gradients are computed
        model = cls(settings, pipeline, tokenizers, {}, guide, decoder)
        model = dataclasses.replace(model, facts=model._describe(device))
        canvas = fit_canvas((model.side, model.side), model.side, model.multiple)
        black, white = Image.new("RGB", canvas.size), Image.new("L", canvas.size, 255)
        few = min(settings.steps, math.ceil(2 / settings.strength))
        model._call([PipelineInput(canvas, black, white, "", 0, warm_up_target(canvas) if guide else None)], few)
        return model

    def _describe(self, device: str) -> dict[str, Any]:
        import diffusers
        import torch

        settings, unet = self.settings, self.pipeline.unet
        return {
            "painter": settings.name,
            "pipeline": type(self.pipeline).__name__,
            "weights": dict(settings.weights()),
            "unet_channels": unet.config.in_channels,
            "lora_scale": settings.lora_scale if settings.lora else None,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "steps": settings.steps,
            "guidance": settings.guidance,
            "strength": settings.strength,
            "fill": "colours of the seed",
            "size": self.side,
            "dtype": str(unet.dtype).removeprefix("torch."),
            **{name: getattr(settings, name) for name in ("fuse_qkv", "compile", "offload", "tiling")},
            "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
            "diffusers": diffusers.__version__,
            "torch": torch.__version__,
            "channels_last": settings.channels_last_on(device),
            **({} if self.guide is None else {"guide": dict(self.guide.facts)}),
        }

    @property
    def side(self) -> int:
        """Side of the square with the canvas' area, pixels."""
        return self.settings.size or int(self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor)

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
        """Put the kept part of the photograph on its canvas, on the seed's colours."""
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
        guide = self.settings.guide
        target = None if guide is None else GuideTarget.of(item, canvas, guide.shown(item.photo))
        return PipelineInput(canvas, Image.fromarray(image), Image.fromarray(mask), prompt, item.seed, target)

    def run(self, batch: Sequence[PipelineInput]) -> list[PipelineOutput]:
        """Call the pipeline once for each size of canvas; return the results in the batch's order."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, item in enumerate(batch):
            by_size.setdefault(item.canvas.size, []).append(index)
        results: dict[int, PipelineOutput] = {}
        for indices in by_size.values():
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
        targets = [item.target for item in batch if item.target is not None]
        checked = _fail_on_recompile_limit() if self.settings.compile else contextlib.nullcontext()
        with checked, self._guided(targets):
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
        images = [np.asarray(image) for image in output.images]
        measured = measures(self.guide, images, targets) if self.guide is not None else [{}] * len(batch)
        return [
            PipelineOutput(item, image, None if flag is None else bool(flag), more)
            for item, image, flag, more in zip(batch, images, flags, measured, strict=True)
        ]

    def _guided(self, targets: Sequence[GuideTarget]) -> contextlib.AbstractContextManager[None]:
        if self.guide is None or self.settings.guide is None:
            return contextlib.nullcontext()
        decoder = self.pipeline.vae if self.decoder is None else self.decoder
        return guided(self.pipeline, decoder, self.guide, self.settings.guide.strength, targets)

    def finish(self, item: InpaintRequest, raw: PipelineOutput) -> InpaintedImage:
        """Return the inpainted image at the photograph's size, with its edge feathered if set."""
        canvas = raw.source.canvas
        image = feather_edge(item.photo, canvas.crop_and_scale(raw.image), self.settings.feather)
        recorded: dict[str, Any] = {
            "canvas": list(canvas.size),
            "scale": round(canvas.scale, 4),
            "fill": seed_colours(item.seed).mean(axis=(0, 1)).round().astype(int).tolist(),
        }
        if raw.source.target is not None:
            recorded |= {"complexity": complexities(item.photo, image, self.settings.needs_removed), **raw.measured}
        if raw.source.prompt == item.prompt:
            return InpaintedImage(image, raw.nsfw, recorded=recorded)
        recorded["prompt_seen"] = raw.source.prompt
        return InpaintedImage(image, raw.nsfw, ("prompt_truncated",), recorded)


def _control_image(item: PipelineInput) -> torch.Tensor:
    """Return the input of ControlNets for inpainting: RGB 0–1, and -1 where to inpaint; shape (1, 3, H, W)."""
    import torch

    pixels_HWC = np.asarray(item.image, np.float32) / 255
    pixels_HWC[np.asarray(item.mask) > 0] = -1
    return torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None]


@contextlib.contextmanager
def _fail_on_recompile_limit() -> Iterator[None]:
    """Raise a ConfigError where torch would silently stop compiling and run uncompiled."""
    import torch._dynamo

    try:
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            yield
    except torch._dynamo.exc.FailOnRecompileLimitHit as error:
        limit = torch._dynamo.config.recompile_limit
        raise ConfigError(
            f"`compile: true`: torch has compiled a network {limit} times, its limit, and would continue uncompiled: "
            "use `compile: false`"
        ) from error
