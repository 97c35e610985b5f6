"""A scheduler of diffusers whose every step is guided."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xray.backgrounds.inpainting.guidance.base import GuideTarget, LoadedGuide
from xray.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

_BY_SIGMA = frozenset({"EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"})
"""Their latents are the image plus σ times the noise; those of flow matching a mixture by σ."""
_SCALED = frozenset({"DPMSolverMultistepScheduler", "UniPCMultistepScheduler"})
"""They count in σ, too, but scale the latents to a variance of 1."""
_BY_TIMESTEP = frozenset({"DDIMScheduler", "DDPMScheduler", "LCMScheduler", "PNDMScheduler"})
"""They look the noise up by timestep."""
_PREDICTIONS = ("epsilon", "v_prediction")

Score = Callable[["torch.Tensor"], "torch.Tensor"]
"""From latents, shape (N, C, h, w), to what is to increase, shape (N,); differentiable."""


def check_guidable(scheduler: str, prediction: str) -> None:
    """Refuse a scheduler whose steps cannot be guided, by its class and its `prediction_type`."""
    if scheduler not in _BY_SIGMA | _SCALED | _BY_TIMESTEP:
        raise ConfigError(f"the scheduler {scheduler} cannot be guided: write `scheduler: euler`, or leave out `guide`")
    if prediction not in _PREDICTIONS:
        raise ConfigError(f"a model that predicts {prediction!r} cannot be guided, only one of {_PREDICTIONS}")


class GuidedScheduler:
    """A scheduler that replaces the image that the model predicts, at every step, by one with a higher score.

    The prediction x becomes x + strength · rms(x) · g / rms(g), where g is the gradient of the score at x, through the
    decoder alone, and rms is taken within each image: a batch does not change its images. All else is the scheduler's.

    Args:
        scheduler: of diffusers.
        score: of predicted latents.
        strength: see above.
    """

    def __init__(self, scheduler: Any, score: Score, strength: float) -> None:
        check_guidable(type(scheduler).__name__, scheduler.config.get("prediction_type", "epsilon"))
        self.guided, self._score, self._strength = scheduler, score, strength

        @functools.wraps(scheduler.step)  # pipelines look at its signature
        def step(model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **options: Any) -> Any:
            return scheduler.step(self._guide(model_output, timestep, sample), timestep, sample, *args, **options)

        self.step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self.guided, name)

    def _guide(self, output: torch.Tensor, timestep: Any, sample: torch.Tensor) -> torch.Tensor:
        """Return the model's output as if it had predicted the image with the higher score."""
        import torch

        predicted, weight = predicted_latents(self.guided, output.float(), timestep, sample.float())
        with torch.enable_grad():
            latents = predicted.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self._score(latents).sum(), latents)
        size = _rms(gradient)
        push = torch.where(size > 0, gradient / size, torch.zeros_like(gradient))
        return (output - weight * self._strength * _rms(predicted) * push).to(output.dtype)


def predicted_latents(
    scheduler: Any, output: torch.Tensor, timestep: Any, sample: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Return the noiseless latents x that a model's output means, and w: the output for x + d is `output` - w d."""
    kind = type(scheduler).__name__
    if kind in _BY_TIMESTEP:
        power = float(scheduler.alphas_cumprod[int(timestep)])
        signal, noise = math.sqrt(power), math.sqrt(1 - power)
    else:
        if scheduler.step_index is None:
            scheduler._init_step_index(timestep)
        sigma = float(scheduler.sigmas[scheduler.step_index])
        if kind.startswith("FlowMatch"):
            return sample - sigma * output, 1 / sigma
        signal = 1 / math.sqrt(1 + sigma * sigma)
        noise = sigma * signal
        sample = sample * signal if kind in _BY_SIGMA else sample
    if scheduler.config.prediction_type == "v_prediction":
        return signal * sample - noise * output, 1 / noise
    return (sample - noise * output) / signal, signal / noise


def score_of_latents(vae: Any, guide: LoadedGuide, targets: Sequence[GuideTarget]) -> Score:
    """Return the guide's score of a batch as a function of its latents: decoded, with the objects put back.

    Pixels of the objects do not depend on the latents, so no gradient comes from them.
    """
    import torch

    device = vae.device
    kept = [torch.from_numpy(target.kept).to(device).permute(2, 0, 1) / 255 for target in targets]
    inpainted = [torch.from_numpy(target.inpainted).to(device) for target in targets]

    def score(latents: torch.Tensor) -> torch.Tensor:
        decoded = decoded_images(vae, latents)
        composites = [torch.where(*parts) for parts in zip(inpainted, decoded, kept, strict=True)]
        return guide.score([_photo_part(*pair) for pair in zip(composites, targets, strict=True)], targets)

    return score


def decoded_images(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Decode latents of a pipeline; RGB, 0–1, shape (N, 3, H, W), float32."""
    config = vae.config
    latents = latents / config.scaling_factor
    mean, std = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
    if mean is not None and std is not None:
        latents = latents * latents.new_tensor(std).view(1, -1, 1, 1) + latents.new_tensor(mean).view(1, -1, 1, 1)
    image: torch.Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    return (image.float() / 2 + 0.5).clamp(0, 1)


def _photo_part(image: torch.Tensor, target: GuideTarget) -> torch.Tensor:
    (x, y), (width, height) = target.canvas.corner, target.canvas.inner
    return image[:, y : y + height, x : x + width]


def _rms(latents: torch.Tensor) -> torch.Tensor:
    return latents.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
