"""Guided steps: what each scheduler predicts, and how a guide moves it."""

from __future__ import annotations

from typing import Any

import pytest
from support.inpainting import KINDS, guided, guided_request_of, inpaint, request_of

from xray.backgrounds.inpainting.guidance.scheduler import GuidedScheduler, check_guidable, predicted_latents
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.core.errors import ConfigError

torch = pytest.importorskip("torch")
# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCHEDULERS = (
    "DDIMScheduler", "DDPMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler", "LCMScheduler", "PNDMScheduler", "UniPCMultistepScheduler",
)  # fmt: skip


def scheduler_of(name: str, **config: Any) -> Any:
    import diffusers

    scheduler = getattr(diffusers, name)(**config)
    scheduler.set_timesteps(5)
    return scheduler


def noisy(scheduler: Any, image: Any, noise: Any, timestep: Any) -> Any:
    """Return the latents of an image at a timestep, as the scheduler's own `add_noise` makes them."""
    return scheduler.add_noise(image, noise, timestep[None])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_exact_outputs_predict_the_image(name: str, prediction: str) -> None:
    scheduler = scheduler_of(name, prediction_type=prediction)
    image, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    timestep = scheduler.timesteps[2]
    latents = noisy(scheduler, image, noise, timestep)
    scheduler.set_begin_index(2) if hasattr(scheduler, "set_begin_index") else None
    power = float(scheduler.alphas_cumprod[int(timestep)])
    output = noise if prediction == "epsilon" else power**0.5 * noise - (1 - power) ** 0.5 * image
    predicted, weight = predicted_latents(scheduler, output, timestep, latents)
    assert torch.allclose(predicted, image, atol=5e-3)  # Euler interpolates σ between timesteps

    moved, _ = predicted_latents(scheduler, output - weight * torch.ones_like(image), timestep, latents)
    assert torch.allclose(moved, image + 1, atol=5e-3)


def test_flow_matching_predicts_the_image() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(5)
    scheduler.set_begin_index(2)
    sigma = float(scheduler.sigmas[2])
    image, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    latents = (1 - sigma) * image + sigma * noise
    predicted, weight = predicted_latents(scheduler, noise - image, scheduler.timesteps[2], latents)
    assert torch.allclose(predicted, image, atol=1e-5)
    assert weight == pytest.approx(1 / sigma)


def test_push_is_relative_to_each_image() -> None:
    scheduler = scheduler_of("EulerDiscreteScheduler")
    guided = GuidedScheduler(scheduler, lambda latents: (latents * torch.arange(64).view(8, 8)).sum((1, 2, 3)), 0.1)
    output = torch.randn(2, 4, 8, 8)
    latents = torch.randn(2, 4, 8, 8) * torch.tensor([1.0, 30.0]).view(2, 1, 1, 1)
    before, weight = predicted_latents(scheduler, output, scheduler.timesteps[0], latents)
    push = (output - guided._guide(output, scheduler.timesteps[0], latents)) / weight
    rms = [float(image.square().mean().sqrt()) for image in (*push, *before)]
    assert rms[0] == pytest.approx(0.1 * rms[2], rel=1e-3)
    assert rms[1] == pytest.approx(0.1 * rms[3], rel=1e-3)


def test_score_that_does_not_change_moves_nothing() -> None:
    scheduler = scheduler_of("EulerDiscreteScheduler")
    guided = GuidedScheduler(scheduler, lambda latents: (latents * 0).sum((1, 2, 3)), 0.1)
    output, latents = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    assert torch.equal(guided._guide(output, scheduler.timesteps[0], latents), output)


@pytest.mark.parametrize("kind", KINDS)
def test_strength_0_changes_no_bit(kind: str, models: dict[str, InpaintingModel]) -> None:
    model, item = models[kind], request_of(64, 64)
    plain = inpaint(model, item)[0].image
    scheduler = model.pipeline.scheduler
    model.pipeline.scheduler = GuidedScheduler(scheduler, lambda latents: latents.square().sum((1, 2, 3)), 0.0)
    try:
        assert (inpaint(model, item)[0].image == plain).all()
    finally:
        model.pipeline.scheduler = scheduler


def test_scheduler_is_put_back(model: InpaintingModel) -> None:
    model = guided(model, kind="complexity", strength=0.1)
    before = model.pipeline.scheduler
    inpaint(model, guided_request_of(64, 64))
    assert model.pipeline.scheduler is before


@pytest.mark.parametrize(("name", "prediction"), [("HeunDiscreteScheduler", "epsilon"), ("DDIMScheduler", "sample")])
def test_others_are_refused(name: str, prediction: str) -> None:
    with pytest.raises(ConfigError, match=prediction if prediction == "sample" else name):
        check_guidable(name, prediction)
