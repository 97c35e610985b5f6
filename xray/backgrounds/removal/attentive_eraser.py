"""Removal by Attentive Eraser: Stable Diffusion that may not look at the object, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field, model_validator

from xray.backgrounds.inpainting.folder_check import check_files, read_json
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.erasing import ErasingModel
from xray.core.errors import ConfigError, XrayError
from xray.core.plugins import settings
from xray.models.weights import locate


@settings
class AttentiveEraser(Remover):
    """A base model of Stable Diffusion repaints the area of the object, and its self-attention does not see the area.

    The photograph, with noise of `strength`, is denoised without a prompt. At every step the noise is predicted twice:
    plainly, and with the self-attention of the decoder changed so that nothing attends to the area. In the first
    `similarity_steps` steps the area also attends to the background more evenly, because all its similarities are
    scaled down, so that parts alike the object are not copied. The step follows the second prediction, away from the
    first one. Outside of the area the photograph's own noisy latents are put back after each step.

    Source: Sun et al., "Attentive Eraser: unleashing diffusion model's object removal potential via self-attention
    redirection guidance", AAAI 2025; written from its description.

    Args:
        model: folder of a base model of Stable Diffusion (4 channels): XL, 1.5 or 2.x; or a name from
            `xray weights list`.
        vae: folder of another VAE.
        size: side of the square with the canvas' area, in pixels; None: the model's own, 1024 for XL.
        steps: number of denoising steps, before `strength`.
        strength: share of the steps that are run.
        guidance: how far each step goes from the plain prediction towards, and beyond, the other one; above 1.
        similarity_steps: first steps in which similarities are scaled down.
        similarity_scale: the scale of similarities in these steps, 0–1.
        dilate: pixels by which the area of the object is enlarged, 0–100, so that its soft rim goes too.
        feather: width in pixels, at most that of `dilate`, of the blended rim within the enlarged area.
        dtype: precision of the networks; `auto` is bfloat16 on a GPU and float32 on a CPU.
        offload: keep only the active network on the GPU; slower, for small GPUs.
    """

    name: ClassVar[str] = "attentive_eraser"
    summary: ClassVar[str] = "Stable Diffusion XL that does not attend to the object, without training, on GPUs"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers")
    accelerated: ClassVar[bool] = True
    caveat: ClassVar[str] = "`attentive_eraser` may paint something new where a scene is busy"

    model: str = "sdxl-base"
    vae: str | None = None
    size: Annotated[int, Field(ge=64, le=4096)] | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    strength: Annotated[float, Field(gt=0, le=1)] = 0.8
    guidance: Annotated[float, Field(gt=1, le=50)] = 9.0
    similarity_steps: Annotated[int, Field(ge=0, le=1000)] = 9
    similarity_scale: Annotated[float, Field(ge=0, le=1)] = 0.3
    dilate: Annotated[int, Field(ge=0, le=100)] = 5
    feather: Annotated[int, Field(ge=0, le=100)] = 3
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    offload: bool = False

    @model_validator(mode="after")
    def _runs_a_step(self) -> AttentiveEraser:
        if int(self.steps * self.strength) < 1:
            raise ValueError(f"strength {self.strength} leaves none of {self.steps} steps: increase either")
        return self

    def inpainter(self) -> StableDiffusion:
        """Return the same model as an inpainter, whose loading, canvas and sampling are used."""
        return StableDiffusion(
            model=self.model,
            vae=self.vae,
            size=self.size,
            steps=self.steps,
            strength=self.strength,
            guidance=self.guidance,
            negative_prompt="",
            scheduler="ddim",
            dtype=self.dtype,
            offload=self.offload,
        )

    def weights(self) -> Mapping[str, str]:
        """See `Remover.weights`."""
        return self.inpainter().weights()

    def check(self) -> list[str]:
        """See `Remover.check`; reads configurations and the headers of weights only."""
        try:
            files = check_files(**{role: locate(reference) for role, reference in self.weights().items()})
        except XrayError as error:
            raise ConfigError(
                f"`remover: attentive_eraser`: {error}; or use a remover without weights: patchmatch or telea"
            ) from error
        channels = read_json(files.networks["unet"][1] / "config.json", "a UNet").get("in_channels")
        if channels != 4:
            raise ConfigError(
                f"`remover: attentive_eraser` needs a base model, whose UNet has 4 channels; {self.model!r} has "
                f"{channels}: write `model: sdxl-base`"
            )
        return self.inpainter().check([""])

    def load(self, device: str) -> ErasingModel:
        """See `Remover.load`."""
        self.check()
        return ErasingModel.start(self, cast(InpaintingModel, self.inpainter().load(device)))
