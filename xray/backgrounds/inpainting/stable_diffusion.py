"""Worlds painted around the object by Stable Diffusion: XL, 1.5 and 2.x, inpainting models and plain ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from xray.backgrounds.inpainting.base import Painted, Painter, Scene
from xray.backgrounds.inpainting.folder_check import PipelineFolder, check_network, lora_file, read_folder, read_json
from xray.backgrounds.inpainting.loading import SCHEDULERS, open_pipeline
from xray.backgrounds.inpainting.tokenizers import load_tokenizers
from xray.core.errors import XrayError, extra, unknown
from xray.core.plugins import settings
from xray.core.types import Presets
from xray.models.weights import locate

if TYPE_CHECKING:
    from xray.core.device import DeviceModel

NEGATIVE_PROMPT = "people, person, text, watermark, frame, collage, drawing, low quality, deformed"
"""What no world is to show: people and writing draw a classifier's eye, drawings are no photographs."""

_FEW_STEPS = {"strength": 1.0, "negative_prompt": ""}
"""With so few steps each counts, and 0.99 would skip one; without guidance a negative prompt has no effect."""


def _scheduler(name: str) -> str:
    if name not in SCHEDULERS:
        raise ValueError(str(unknown("scheduler", name, SCHEDULERS)))
    return name


@settings
class Sdxl(Painter):
    """Stable Diffusion fills in everything but the object.

    Every photograph is scaled with its shape kept to the canvas that is nearest in shape, of the few that have the
    model's area; it is padded, painted, and scaled back, so that nothing is distorted. The world is sharper or softer
    than the object by that scale. All that is random comes from a generator of its own for each picture.

    The model never sees the old background. Everything that is to be painted, the padding too, is filled before with
    colours that the picture's seed decides, and so is what the colours of the new world start from. Where `dilate` is
    above 0, its rim of the photograph stays.

    UNets of 9 channels (the inpainting kind: the default, `sd15`, `sd2`) are shown the object, and paint a place that
    it stands in. UNets of 4 channels (`turbo`, `lightning`, `lcm`, `hyper`, `sdxl-base`) are not: the object is only
    put back into the noise after each step, so light, ground and scale fit it less; and its outline stays in whole
    latent cells, 8 pixels of the canvas, filled up with the object's own colours.

    Args:
        model: folder of a diffusers pipeline: Stable Diffusion XL, 1.5 or 2.x, of the inpainting kind or the base.
        size: side of the square whose area is worked at, in pixels; none: the model's own, 1024 for XL.
        steps: of denoising, before `strength`.
        guidance: scale of classifier-free guidance; up to 1 there is none, and the negative prompt has no effect.
        strength: share of the steps that are gone through, from noise on. Below 1 the first few are skipped and the
            painting starts from the seed's colours under nearly full noise, and keeps some of their tone: the
            inpainting model of Stable Diffusion XL turns out dull at 1, as its authors say. At 1 it starts from
            noise alone.
        negative_prompt: what is not to be shown.
        scheduler: another sampler than the model's own, by name.
        lora: a LoRA's file, such as that of a few-step variant; it is added to the weights for good.
        lora_scale: how much of it.
        controlnet: folder of a ControlNet for inpainting, which is shown the photograph with -1 where it is painted.
        vae: folder of another VAE, such as one that works in float16.
        dilate: pixels of the photograph by which the region that the model takes as given is larger than the object.
            Below 0 it is smaller: where an imprecise mask has old background in its rim, the model neither sees nor
            continues it. The object's own pixels, its rim among them, are put back in any case.
        feather: pixels around the object over which the photograph, its old background, and the painting are blended.
        min_side: photographs with a shorter side are refused.
        truncate_prompts: paint prompts that are longer than the tokenizer takes, without their end.
        dtype: of the networks; `auto` is bfloat16 on a GPU and float32 on a CPU.
        channels_last: order tensors in memory as convolutions on tensor cores like it; none: on a GPU only.
        fuse_qkv: compute queries, keys and values of an attention layer by one product.
        compile: compile UNet and VAE decoder, which takes minutes when an actor starts, and again at the first oblong
            canvas and the first batch of several; then all sizes run. Where torch gives up compiling, the run ends.
        offload: keep only the network on the GPU that works at the moment; slower, for small GPUs.
        tiling: encode and decode large canvases in tiles; less memory, faint seams.
    """

    name: ClassVar[str] = "sdxl"
    summary: ClassVar[str] = "Stable Diffusion (XL, 1.5, 2.x) paints around the object"
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
        # The LoRA was distilled from the base; the inpainting model would be dull at the strength that 4 steps need.
        "lcm": {
            **_FEW_STEPS,
            "model": "sdxl-base",
            "lora": "lcm-lora-sdxl",
            "steps": 4,
            "guidance": 1.0,
            "scheduler": "lcm",
        },
        # The LoRA that keeps guidance, and with it the negative prompt.
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
    min_side: Annotated[int, Field(ge=1)] = 64
    truncate_prompts: bool = False
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    channels_last: bool | None = None
    fuse_qkv: bool = False
    compile: bool = False
    offload: bool = False
    tiling: bool = False

    @model_validator(mode="after")
    def _some_step_is_left(self) -> Sdxl:
        if int(self.steps * self.strength) < 1:
            raise ValueError(f"of {self.steps} steps, strength {self.strength} leaves none: use more of either")
        return self

    def weights(self) -> Mapping[str, str]:
        """References of the model and of what is added to it."""
        roles = {"model": self.model, "lora": self.lora, "controlnet": self.controlnet, "vae": self.vae}
        return {role: reference for role, reference in roles.items() if reference is not None}

    def check(self, prompts: Sequence[str]) -> list[str]:
        """See `Painter.check`; loads only the tokenizers, and looks at headers and configurations."""
        folder = self._looked_at()
        tokenizers = load_tokenizers(folder)
        remarks: list[str] = []
        for what, texts in (("prompt", prompts), ("negative prompt", [self.negative_prompt])):
            long = [text for text in dict.fromkeys(texts) if tokenizers.count(text) > tokenizers.limit]
            if long and not self.truncate_prompts:
                raise XrayError(
                    f"the {what} {long[0]!r} has {tokenizers.count(long[0])} tokens, and {self.model!r} takes "
                    f"{tokenizers.limit} (start and end among them): shorten it, or cut it by `truncate_prompts: true`"
                )
            remarks += [
                f"The {what} {text!r} is too long: {self.model!r} sees {tokenizers.cut(text)!r}." for text in long
            ]
        return remarks

    def load(self, device: str) -> DeviceModel[Scene, Painted]:
        """See `Painter.load`.

        Raises:
            XrayError: weights that are not there, damaged, not safe or do not fit; offloading without a GPU.
        """
        with extra("diffusion"):
            import torch
        from xray.backgrounds.inpainting.pipeline import Inpainting

        folder = self._looked_at()
        if self.offload and not device.startswith("cuda"):
            raise XrayError(f"`offload` takes networks off the GPU while they rest, and the device is {device!r}")
        if self.dtype == "float16" and device == "cpu":
            raise XrayError("`dtype: float16` needs a GPU; on a CPU use `dtype: float32`, or bfloat16")
        tokenizers = load_tokenizers(folder)
        pipeline = open_pipeline(
            folder,
            getattr(torch, self.dtype_on(device)),
            vae=self._found("vae"),
            controlnet=self._found("controlnet"),
            lora=(lora_file(lora), self.lora_scale) if (lora := self._found("lora")) else None,
            scheduler=self.scheduler,
        )
        return Inpainting.started(self, pipeline, tokenizers, device)

    def dtype_on(self, device: str) -> str:
        """The name of the networks' dtype on a device."""
        if self.dtype != "auto":
            return self.dtype
        return "bfloat16" if device.startswith("cuda") else "float32"

    def _found(self, role: str) -> Path | None:
        reference = self.weights().get(role)
        return None if reference is None else locate(reference)

    def _looked_at(self) -> PipelineFolder:
        """The model's folder, once all that is loaded was looked at.

        Raises:
            XrayError: something is not there, damaged, not safe, or overflows.
        """
        folder = read_folder(locate(self.model))
        vae = self._found("vae") or folder.path / "vae"
        for network in (vae, self._found("controlnet")):
            if network is not None:
                check_network(network)
        if lora := self._found("lora"):
            lora_file(lora)
        upcast = read_json(vae / "config.json", "a VAE").get("force_upcast", True)
        if self.dtype == "float16" and folder.is_xl and upcast:
            raise XrayError(
                f"the VAE {str(vae)!r} overflows in float16: use `dtype: bfloat16`, or one that does not: "
                "`vae: sdxl-vae-fp16-fix`"
            )
        return folder
