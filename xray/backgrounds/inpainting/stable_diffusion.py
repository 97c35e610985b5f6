"""Inpainting by Stable Diffusion XL, 1.5 and 2.x: inpainting models and base models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.backgrounds.inpainting.folder_check import PipelineFiles, check_files, read_json
from xray.backgrounds.inpainting.guidance.base import Guide
from xray.backgrounds.inpainting.guidance.scheduler import check_guidable
from xray.backgrounds.inpainting.loading import SCHEDULERS, open_decoder, open_pipeline
from xray.backgrounds.inpainting.tokenizers import load_tokenizers
from xray.core.errors import ConfigError, extra, unknown
from xray.core.plugins import field_of, settings
from xray.core.types import Presets
from xray.models.weights import locate
from xray.sources.categories.base import Category

if TYPE_CHECKING:
    from xray.core.device import DeviceModel

NEGATIVE_PROMPT = "people, person, text, watermark, frame, collage, drawing, low quality, deformed"
"""The default: people and writing attract classifiers, and drawings are not photographs."""

_FEW_STEPS = {"strength": 1.0, "negative_prompt": ""}
"""With few steps, a strength of 0.99 would skip one; without guidance, a negative prompt has no effect."""


def _scheduler(name: str) -> str:
    if name not in SCHEDULERS:
        raise ValueError(str(unknown("scheduler", name, SCHEDULERS)))
    return name


@settings
class StableDiffusion(Inpainter):
    """Stable Diffusion inpaints everything but the object.

    A photograph is scaled, its aspect ratio kept, to the canvas of the nearest aspect ratio among the few with the
    model's area; it is padded, inpainted, and scaled back. The background is sharper or softer than the object by that
    scale. Every image has its own random generator.

    The model never sees the old background. Everything to be inpainted, padding included, is filled beforehand with
    colours sampled by the image's seed; the initial latents are encoded from the same colours. If `dilate` is above 0,
    it is also shown a rim of the photograph around the object; the finished image has its own decoding there.

    UNets of 9 channels (the inpainting kind: the default, `sd15`, `sd2`) see the object, and generate a place that fits
    it. UNets of 4 channels (`turbo`, `lightning`, `lcm`, `hyper`, `sdxl-base`) do not: the object is only put back into
    the noise after each step, so light, ground and scale fit it less. Its outline stays in whole latent cells, 8 pixels
    of the canvas, filled with the object's own colours.

    Args:
        model: folder of a diffusers pipeline: Stable Diffusion XL, 1.5 or 2.x, of the inpainting kind or the base.
        size: side of the square with the canvas' area, in pixels; None: the model's own, 1024 for XL.
        steps: number of denoising steps, before `strength`.
        guidance: scale of classifier-free guidance; up to 1 there is none, and the negative prompt has no effect.
        strength: share of the steps that are run. Below 1, the first few steps are skipped: sampling starts from the
            seed's colours under nearly full noise, and keeps some of their tone. At 1 it starts from pure noise; the
            inpainting model of Stable Diffusion XL then gives dull images, as its authors state.
        negative_prompt: what the image must not show.
        scheduler: name of a sampler; None: the model's own.
        lora: file of a LoRA, such as that of a few-step variant; it is fused into the weights.
        lora_scale: weight of the LoRA.
        controlnet: folder of a ControlNet for inpainting, whose input is the photograph with -1 where it is inpainted.
        vae: folder of another VAE, such as one that works in float16.
        dilate: pixels by which the region given to the model is larger than the object. Only the object is put back, so
            that the rim shows what the model made of it, and not the photograph. Below 0 it is smaller: if an imprecise
            mask includes a rim of old background, the model neither sees nor continues it. The object's own pixels,
            including that rim, are put back in any case.
        feather: width, in pixels, of the rim around the object in which the photograph, including its old background,
            is blended into the inpainted image.
        guide: pushes every step towards an image of more or less detail (`complexity`), or one that misleads a
            classifier (`adversarial`). Each step then decodes the image and follows the gradient back: three to four
            times the time of XL, and some GB more memory. None: nothing.
        min_side: photographs with a shorter side are rejected.
        truncate_prompts: truncate prompts that exceed the tokenizer's limit, instead of refusing them.
        dtype: precision of the networks; `auto` is bfloat16 on a GPU and float32 on a CPU.
        channels_last: use the memory layout that convolutions on tensor cores prefer; None: on a GPU only.
        fuse_qkv: compute queries, keys and values of an attention layer by one product.
        compile: compile UNet and VAE decoder, which takes minutes when an actor starts, and again at the first oblong
            canvas and the first batch of several images; then it covers all sizes. The run fails if torch gives up.
        offload: keep only the active network on the GPU; slower, for small GPUs.
        tiling: encode and decode large canvases in tiles; needs less memory, leaves faint seams.
    """

    name: ClassVar[str] = "sdxl"
    summary: ClassVar[str] = "Stable Diffusion (XL, 1.5, 2.x) inpaints everything but the object"
    presets: ClassVar[Presets] = {
        "turbo": {**_FEW_STEPS, "model": "sdxl-turbo", "steps": 4, "guidance": 0.0},
        "lightning": {
            **_FEW_STEPS,
            "model": "sdxl-base",
            "lora": "sdxl-lightning-lora",
            "steps": 4,
            "guidance": 0.0,
            "scheduler": "euler_trailing",
        },
        # The LoRA was distilled from the base model; the inpainting model is dull at the strength that 4 steps need.
        "lcm": {
            **_FEW_STEPS,
            "model": "sdxl-base",
            "lora": "lcm-lora-sdxl",
            "steps": 4,
            "guidance": 1.0,
            "scheduler": "lcm",
        },
        # This LoRA supports guidance, and with it the negative prompt.
        "hyper": {
            "model": "sdxl-base",
            "lora": "hyper-sdxl-lora",
            "steps": 8,
            "strength": 1.0,
            "guidance": 5.0,
            "scheduler": "ddim_trailing",
        },
        "sdxl-base": {"model": "sdxl-base", "strength": 1.0, "steps": 50, "guidance": 5.0},
        "sd15": {"model": "sd15-inpainting", "strength": 1.0, "steps": 50},
        "sd2": {"model": "sd2-inpainting", "strength": 1.0, "steps": 50},
    }

    model: str = "sdxl-inpainting"
    size: Annotated[int, Field(ge=64, le=4096)] | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] = 30
    guidance: Annotated[float, Field(ge=0, le=50)] = 7.5
    strength: Annotated[float, Field(gt=0, le=1)] = 0.99
    negative_prompt: str = NEGATIVE_PROMPT
    scheduler: Annotated[str, AfterValidator(_scheduler)] | None = None
    lora: str | None = None
    lora_scale: Annotated[float, Field(ge=-10, le=10)] = 1.0
    controlnet: str | None = None
    vae: str | None = None
    dilate: Annotated[int, Field(ge=-1000, le=1000)] = 0
    feather: Annotated[int, Field(ge=0, le=1000)] = 0
    # Left out of the recipe where it is None, so that plans from before it stay equal.
    guide: Annotated[
        Guide | None, *field_of("guide", Guide, optional=True), Field(exclude_if=lambda guide: guide is None)
    ] = None
    min_side: Annotated[int, Field(ge=1)] = 64
    truncate_prompts: bool = False
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    channels_last: bool | None = None
    fuse_qkv: bool = False
    compile: bool = False
    offload: bool = False
    tiling: bool = False

    @model_validator(mode="after")
    def _runs_a_step(self) -> StableDiffusion:
        if int(self.steps * self.strength) < 1:
            raise ValueError(f"strength {self.strength} leaves none of {self.steps} steps: increase either")
        return self

    @model_validator(mode="after")
    def _can_be_guided(self) -> StableDiffusion:
        if self.guide is not None:
            for name in ("compile", "offload"):
                if getattr(self, name):
                    raise ValueError(f"`guide` needs gradients of the decoder, which `{name}: true` does not allow")
            if self.dtype == "float16":
                raise ValueError("`guide` needs gradients, which are 0 in float16: use `dtype: bfloat16`")
            if self.scheduler is not None:
                check_guidable(SCHEDULERS[self.scheduler][0], "epsilon")
        return self

    @property
    def phrase(self) -> str:
        """See `Inpainter.phrase`."""
        return super().phrase if self.guide is None else f"{super().phrase} {self.guide.phrase}"

    @property
    def adversarial(self) -> bool:
        """See `Inpainter.adversarial`."""
        return self.guide is not None and self.guide.adversarial

    @property
    def needs_removed(self) -> bool:
        """See `Inpainter.needs_removed`."""
        return self.guide is not None and self.guide.needs_removed

    def weights(self) -> Mapping[str, str]:
        """Return references of the model and of what is added to it, by role."""
        return {**self._own_weights(), **(self.guide.weights() if self.guide is not None else {})}

    def _own_weights(self) -> Mapping[str, str]:
        roles = {"model": self.model, "lora": self.lora, "controlnet": self.controlnet, "vae": self.vae}
        return {role: reference for role, reference in roles.items() if reference is not None}

    def check(self, prompts: Sequence[str]) -> list[str]:
        """See `Inpainter.check`; reads the tokenizers, the headers of weights and the configurations only."""
        tokenizers = load_tokenizers(self._check_files().tokenizers)
        warnings: list[str] = []
        for kind, texts in (("prompt", prompts), ("negative prompt", [self.negative_prompt])):
            long = [text for text in dict.fromkeys(texts) if tokenizers.count(text) > tokenizers.limit]
            if long and not self.truncate_prompts:
                raise ConfigError(
                    f"the {kind} {long[0]!r} has {tokenizers.count(long[0])} tokens, including start and end, and "
                    f"{self.model!r} takes {tokenizers.limit}: shorten it, or set `truncate_prompts: true`"
                )
            warnings += [
                f"The {kind} {text!r} is too long: {self.model!r} sees {tokenizers.cut(text)!r}." for text in long
            ]
        return warnings

    def check_models(self, models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
        """See `Inpainter.check_models`."""
        if self.guide is None:
            return []
        self.guide.check()
        return self.guide.check_models(models, categories)

    def load(self, device: str) -> DeviceModel[InpaintRequest, InpaintedImage]:
        """See `Inpainter.load`.

        Raises:
            ConfigError: weights that are missing, damaged, not safe or incompatible; offloading without a GPU.
        """
        with extra("diffusion"):
            from xray.backgrounds.inpainting.pipeline import InpaintingModel

        files = self._check_files()
        if self.offload and not device.startswith("cuda"):
            raise ConfigError(f"`offload` moves networks off the GPU, but the device is {device!r}")
        if self.dtype == "float16" and device == "cpu":
            raise ConfigError("`dtype: float16` needs a GPU; on a CPU use `dtype: float32`, or bfloat16")
        tokenizers = load_tokenizers(files.tokenizers)
        pipeline, guide, decoder = open_pipeline(files, self, device), None, None
        if self.guide is not None:
            guide = self.guide.load(device)
            decoder = None if self.guide.decoder is None else open_decoder(self.guide.decoder, self, device)
        return InpaintingModel.start(self, pipeline, tokenizers, device, guide, decoder)

    def dtype_on(self, device: str) -> str:
        """Return the name of the networks' dtype on a device."""
        if self.dtype != "auto":
            return self.dtype
        return "bfloat16" if device.startswith("cuda") else "float32"

    def channels_last_on(self, device: str) -> bool:
        """Return whether the networks use that memory layout on a device."""
        return device.startswith("cuda") if self.channels_last is None else self.channels_last

    def _check_files(self) -> PipelineFiles:
        """Check all weights without loading them; refuse a VAE that overflows in float16."""
        files = check_files(**{role: locate(reference) for role, reference in self._own_weights().items()})
        vae = files.networks["vae"][1]
        upcast = read_json(vae / "config.json", "a VAE").get("force_upcast", True)
        if self.dtype == "float16" and files.is_xl and upcast:
            raise ConfigError(
                f"the VAE {str(vae)!r} overflows in float16: use `dtype: bfloat16`, or a VAE that does not: "
                "`vae: sdxl-vae-fp16-fix`"
            )
        if self.guide is not None and self.scheduler is None:
            own = read_json(files.model / "scheduler" / "scheduler_config.json", "a scheduler")
            check_guidable(str(own.get("_class_name")), str(own.get("prediction_type", "epsilon")))
        return files
