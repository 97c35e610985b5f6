"""An inpainting pipeline on a device: photographs in, worlds out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xray.backgrounds.inpainting.base import Painted, Scene
from xray.backgrounds.inpainting.canvas import Canvas, colours, feathered, field, fit, kept, spread
from xray.backgrounds.inpainting.speed import compiling, speed_up
from xray.backgrounds.inpainting.tokenizers import Tokenizers
from xray.core.errors import Rejected, XrayError

if TYPE_CHECKING:
    import torch

    from xray.backgrounds.inpainting.stable_diffusion import Sdxl


@dataclass(frozen=True)
class Prepared:
    """A scene as the pipeline takes it.

    Args:
        canvas: where the photograph lies on it.
        image: RGB, of the canvas' size. Where it is painted, it has colours of the seed and nothing of the photograph.
        mask: 255 where to paint, of the canvas' size.
        prompt: as much of it as the model sees.
        seed: of everything random.
    """

    canvas: Canvas
    image: Image.Image
    mask: Image.Image
    prompt: str
    seed: int


@dataclass(frozen=True)
class Raw:
    """What the pipeline made.

    Args:
        ready: of what.
        painting: RGB, of the canvas' size.
        nsfw: the safety checker's verdict, if there is one.
    """

    ready: Prepared
    painting: Image.Image
    nsfw: bool | None


@dataclass(frozen=True)
class Inpainting:
    """A painter at work; see `DeviceModel`.

    Args:
        painter: its settings.
        pipeline: of diffusers, on its device.
        tokenizers: of it, not shared with it: they are used in other threads.
        facts: what is recorded with every picture.
    """

    painter: Sdxl
    pipeline: Any
    tokenizers: Tokenizers
    facts: Mapping[str, Any]

    @classmethod
    def started(cls, painter: Sdxl, pipeline: Any, tokenizers: Tokenizers, device: str) -> Inpainting:
        """Bring a pipeline to its device, make it fast as the settings say, and paint one picture to warm up.

        Raises:
            XrayError: the scheduler does not take so many steps.
        """
        try:
            pipeline.scheduler.set_timesteps(painter.steps)
        except ValueError as error:
            raise XrayError(f"{type(pipeline.scheduler).__name__} takes no {painter.steps} steps: {error}") from error
        channels_last = device.startswith("cuda") if painter.channels_last is None else painter.channels_last
        speed_up(pipeline, painter, channels_last)
        if painter.offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        facts = {**_facts(painter, pipeline, device), "channels_last": channels_last}
        model = cls(painter, pipeline, tokenizers, facts)
        side = model.side
        canvas = fit((side, side), side, model.multiple)
        black, white = Image.new("RGB", canvas.size), Image.new("L", canvas.size, 255)
        few = min(painter.steps, math.ceil(2 / painter.strength))
        model._call([Prepared(canvas, black, white, "", 0)], few)
        return model

    @property
    def side(self) -> int:
        """Of the square whose area is worked at, pixels."""
        return self.painter.size or int(self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor)

    @property
    def multiple(self) -> int:
        """Sides of which all layers halve evenly, down to the innermost."""
        return int(self.pipeline.vae_scale_factor * 2 ** (len(self.pipeline.unet.config.down_block_types) - 1))

    @property
    def cell(self) -> int:
        """Side of the squares that stay or are painted as a whole, pixels.

        A UNet of 4 channels keeps whole latent cells, and the pipeline asks one pixel of each: a thin part of the
        object would be lost between them. One of 9 channels gets the exact mask, as in its training: it sees the
        object's pixels beside it.
        """
        return int(self.pipeline.vae_scale_factor) if self.pipeline.unet.config.in_channels == 4 else 1

    def prepare(self, item: Scene) -> Prepared:
        """The kept part of the photograph on its canvas, amid colours of the seed, and what to paint.

        Raises:
            Rejected: too_small_to_paint, mask_empty, mask_full, mask_too_small.
        """
        height, width = item.photo.mask.shape
        if min(width, height) < self.painter.min_side:
            detail = f"{width}×{height} pixels, `min_side` is {self.painter.min_side}"
            raise Rejected("too_small_to_paint", detail)
        canvas = fit((width, height), self.side, self.multiple)
        stays = kept(item.photo, self.painter.dilate)
        paint = canvas.to_paint(stays, self.cell)
        image = canvas.image(spread(item.photo.image, stays))
        image = np.where(paint[:, :, None] > 0, field(canvas.size, item.seed), image)
        prompt = self.tokenizers.cut(item.prompt)
        return Prepared(canvas, Image.fromarray(image), Image.fromarray(paint), prompt, item.seed)

    def run(self, batch: Sequence[Prepared]) -> list[Raw]:
        """One call of the pipeline for all that have a canvas of one size."""
        made: dict[int, Raw] = {}
        for places in _by_size(batch):
            raw = self._call([batch[place] for place in places], self.painter.steps)
            made.update(zip(places, raw, strict=True))
        return [made[place] for place in range(len(batch))]

    def _call(self, batch: Sequence[Prepared], steps: int) -> list[Raw]:
        import torch

        width, height = batch[0].canvas.size
        given: dict[str, Any] = {}
        if "controlnet" in self.pipeline.components:
            given["control_image"] = torch.cat([_control(ready) for ready in batch])
        if self.painter.guidance > 1:
            given["negative_prompt"] = [self.tokenizers.cut(self.painter.negative_prompt)] * len(batch)
        with compiling() if self.painter.compile else contextlib.nullcontext():
            out = self.pipeline(
                prompt=[ready.prompt for ready in batch],
                image=[ready.image for ready in batch],
                mask_image=[ready.mask for ready in batch],
                width=width,
                height=height,
                num_inference_steps=steps,
                strength=self.painter.strength,
                guidance_scale=self.painter.guidance,
                # On the CPU, so that the noise is the same on every device.
                generator=[torch.Generator("cpu").manual_seed(ready.seed) for ready in batch],
                **given,
            )
        verdicts = getattr(out, "nsfw_content_detected", None) or [None] * len(batch)
        return [
            Raw(ready, image, None if verdict is None else bool(verdict))
            for ready, image, verdict in zip(batch, out.images, verdicts, strict=True)
        ]

    def finish(self, item: Scene, raw: Raw) -> Painted:
        """The painting at the photograph's size, blended around the object if so asked."""
        canvas = raw.ready.canvas
        image = feathered(item.photo, canvas.back(np.asarray(raw.painting)), self.painter.feather)
        drawn: dict[str, Any] = {
            "canvas": list(canvas.size),
            "scale": round(canvas.scale, 4),
            "fill": colours(item.seed).mean(axis=(0, 1)).round().astype(int).tolist(),
        }
        if raw.ready.prompt == item.prompt:
            return Painted(image, raw.nsfw, drawn=drawn)
        return Painted(image, raw.nsfw, ("prompt_truncated",), {**drawn, "prompt_seen": raw.ready.prompt})


def _by_size(batch: Sequence[Prepared]) -> Iterable[list[int]]:
    """Places in the batch, in their order, of those that can be painted at once."""
    groups: dict[tuple[int, int], list[int]] = {}
    for place, ready in enumerate(batch):
        groups.setdefault(ready.canvas.size, []).append(place)
    return groups.values()


def _control(ready: Prepared) -> torch.Tensor:
    """The condition of ControlNets for inpainting: RGB 0–1, and -1 where to paint; shape (1, 3, H, W)."""
    import torch

    pixels_HWC = np.asarray(ready.image, np.float32) / 255
    pixels_HWC[np.asarray(ready.mask) > 0] = -1
    return torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None]


def _facts(painter: Sdxl, pipeline: Any, device: str) -> dict[str, Any]:
    import diffusers
    import torch

    return {
        "painter": painter.name,
        "pipeline": type(pipeline).__name__,
        "weights": dict(painter.weights()),
        "unet_channels": pipeline.unet.config.in_channels,
        "lora_scale": painter.lora_scale if painter.lora else None,
        "scheduler": type(pipeline.scheduler).__name__,
        "steps": painter.steps,
        "guidance": painter.guidance,
        "strength": painter.strength,
        "fill": "colours of the seed",
        "size": painter.size or int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        **{name: getattr(painter, name) for name in ("fuse_qkv", "compile", "offload", "tiling")},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
    }
