from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.inpainting import KINDS, PROMPT, inpaint, load, request_of

from xray.backgrounds.inpainting.base import InpaintRequest
from xray.backgrounds.inpainting.canvas import colour_field, seed_colours
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.errors import Rejected
from xray.core.types import Photo

# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def filled(item: InpaintRequest) -> np.ndarray:
    """A photograph of the model's own size, with the seed's colours in place of its background."""
    height, width = item.photo.mask.shape
    return np.where(item.photo.mask[:, :, None], item.photo.image, colour_field((width, height), item.seed))


def diffusers_result(folder: Path, item: InpaintRequest, **options: Any) -> np.ndarray:
    """The result of a plain diffusers pipeline for a photograph of the model's own size."""
    import torch
    from diffusers import AutoPipelineForInpainting

    parts = {"controlnet": options.pop("controlnet")} if "controlnet" in options else {}
    pipeline = AutoPipelineForInpainting.from_pretrained(folder, local_files_only=True, **parts)
    pipeline.set_progress_bar_config(disable=True)
    height, width = item.photo.mask.shape
    result = pipeline(
        item.prompt,
        image=Image.fromarray(filled(item)),
        mask_image=Image.fromarray(item.photo.outside),
        width=width,
        height=height,
        num_inference_steps=3,
        strength=0.99,
        guidance_scale=7.5,
        negative_prompt=StableDiffusion().negative_prompt,
        generator=torch.Generator("cpu").manual_seed(item.seed),
        **options,
    )
    return np.asarray(result.images[0])


@pytest.mark.parametrize("kind", KINDS)
def test_result_equals_diffusers(kind: str, models: dict[str, InpaintingModel], request: pytest.FixtureRequest) -> None:
    item = request_of(128, 32)
    result = inpaint(models[kind], item)[0]
    fill = np.rint(seed_colours(item.seed).reshape(9, 3).mean(0)).tolist()
    assert result.recorded == {"canvas": [128, 32], "scale": 1.0, "fill": fill}
    assert result.notes == ()
    assert result.image.std() > 10
    assert np.array_equal(result.image, diffusers_result(request.getfixturevalue(kind), item))


@pytest.mark.parametrize("size", [(64, 64), (90, 70), (40, 61)])
@pytest.mark.parametrize("kind", KINDS)
def test_old_background_has_no_influence(kind: str, size: tuple[int, int], models: dict[str, InpaintingModel]) -> None:
    item = request_of(*size)
    mask = item.photo.mask.copy()
    mask[:, size[0] // 4] = True  # a thin part
    results = []
    for background in (0, 255, item.photo.image[::-1]):
        photo = Photo(np.where(mask[:, :, None], item.photo.image, background).astype(np.uint8), mask)
        results.append(inpaint(models[kind], InpaintRequest(photo, PROMPT, 5))[0].image)
    assert results[0].std() > 5
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_background_and_padding_start_from_the_colours_of_the_seed(model: InpaintingModel) -> None:
    item = request_of(64, 64)
    assert np.array_equal(np.asarray(model.prepare(item).image), filled(item))
    padded = model.prepare(request_of(90, 70))
    image, removed = np.asarray(padded.image), np.asarray(padded.mask) > 0
    assert padded.canvas.inner != padded.canvas.size
    assert np.array_equal(image[removed], colour_field(padded.canvas.size, 5)[removed])


def test_unet_of_4_channels_keeps_whole_cells_of_thin_parts(models: dict[str, InpaintingModel]) -> None:
    import torch

    mask = np.zeros((64, 64), bool)
    mask[:, 21:23] = True  # beside the pixel that is sampled for its latent cell
    item = InpaintRequest(Photo(request_of(64, 64).photo.image, mask), PROMPT, 5)

    def is_lost(prepared: Any) -> bool:
        """Sample the mask as diffusers does."""
        pixels = torch.from_numpy(np.array(prepared.mask, np.float32))[None, None]
        return bool(torch.nn.functional.interpolate(pixels, size=(8, 8)).all())

    exact, cells = models["sdxl"].prepare(item), models["sdxl_base"].prepare(item)
    assert np.array_equal(np.asarray(exact.mask), item.photo.outside)
    assert is_lost(exact)
    assert not is_lost(cells)
    kept_columns = np.flatnonzero((np.asarray(cells.mask) == 0).all(axis=0))
    assert kept_columns.tolist() == list(range(16, 24))
    image = np.asarray(cells.image)
    assert np.array_equal(image[:, 16:22], np.repeat(item.photo.image[:, 21:22], 6, axis=1))
    assert np.array_equal(image[:, 22:24], np.repeat(item.photo.image[:, 22:23], 2, axis=1))


def test_controlnet_gets_the_mask(sd15_base: Path, models: dict[str, InpaintingModel], controlnet: Path) -> None:
    import torch
    from diffusers import ControlNetModel

    item = request_of(128, 32)
    pixels = filled(item).astype(np.float32) / 255
    pixels[~item.photo.mask] = -1
    control = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    network = ControlNetModel.from_pretrained(controlnet)
    image = inpaint(load(sd15_base, controlnet=str(controlnet)), item)[0].image
    assert np.array_equal(image, diffusers_result(sd15_base, item, controlnet=network, control_image=control))
    assert not np.array_equal(image, inpaint(models["sd15_base"], item)[0].image)


def test_result_depends_on_the_request_alone(model: InpaintingModel, sdxl: Path) -> None:
    first = inpaint(model, request_of(90, 70))[0].image
    inpaint(model, request_of(140, 40, prompt="a wall"), request_of(50, 50, seed=9))
    assert np.array_equal(inpaint(model, request_of(90, 70))[0].image, first)
    assert np.array_equal(inpaint(load(sdxl), request_of(90, 70))[0].image, first)
    for other in (request_of(90, 70, seed=6), request_of(90, 70, prompt="snow")):
        assert not np.array_equal(inpaint(model, other)[0].image, first)


def test_batch_of_several_sizes_keeps_its_order(model: InpaintingModel) -> None:
    items = [request_of(256, 256), request_of(90, 70), request_of(200, 25), request_of(90, 70, 1), request_of(16, 16)]
    results = inpaint(model, *items)
    assert (results[0].recorded["scale"], results[-1].recorded["scale"]) == (0.25, 4.0)
    for item, result in zip(items, results, strict=True):
        assert result.image.shape == item.photo.image.shape
        assert result.image.dtype == np.uint8
        alone = inpaint(model, item)[0].image
        assert np.abs(result.image.astype(int) - alone).max() <= 2  # sums in another order


@pytest.mark.parametrize(
    ("settings", "full", "reason"),
    [
        ({"min_side": 71}, False, "too_small_to_paint"),
        ({"dilate": 200}, False, "mask_full"),
        ({}, True, "mask_full"),
    ],
)
def test_unusable_photographs_are_rejected(
    model: InpaintingModel, settings: dict[str, int], full: bool, reason: str
) -> None:
    item = request_of(90, 70)
    photo = Photo(item.photo.image, np.ones_like(item.photo.mask)) if full else item.photo
    changed = dataclasses.replace(model, settings=dataclasses.replace(model.settings, **settings))
    with pytest.raises(Rejected) as caught:
        changed.prepare(InpaintRequest(photo, PROMPT, 1))
    assert caught.value.reason == reason


def test_dilate_and_feather(model: InpaintingModel, sdxl: Path) -> None:
    item = request_of(64, 64)
    wide = load(sdxl, dilate=5, feather=4)
    prepared = wide.prepare(item)
    kept, grown = (np.asarray(one.mask) == 0 for one in (model.prepare(item), prepared))
    assert grown.sum() > kept.sum()
    assert grown[kept].all()
    assert np.array_equal(np.asarray(prepared.image)[grown], item.photo.image[grown])
    image = inpaint(wide, item)[0].image
    assert np.array_equal(image[item.photo.mask], item.photo.image[item.photo.mask])


def test_lora_is_fused(model: InpaintingModel, sdxl: Path, lora: Path) -> None:
    item = request_of(64, 64)
    plain = inpaint(model, item)[0].image
    with_lora = load(sdxl, lora=str(lora))
    assert not np.array_equal(inpaint(with_lora, item)[0].image, plain)
    assert with_lora.facts["weights"] == {"model": str(sdxl), "lora": str(lora)}
    assert np.array_equal(inpaint(load(sdxl, lora=str(lora.parent), lora_scale=0), item)[0].image, plain)


def test_other_vae_is_used(model: InpaintingModel, sdxl: Path, other_vae: Path) -> None:
    item = request_of(64, 64)
    assert not np.array_equal(inpaint(load(sdxl, vae=str(other_vae)), item)[0].image, inpaint(model, item)[0].image)


def test_own_safety_checker(sd15: Path, models: dict[str, InpaintingModel], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    assert inpaint(models["sd15"], request_of(64, 64))[0].nsfw is False
    assert inpaint(models["sdxl"], request_of(64, 64))[0].nsfw is None
    strict = Path(shutil.copytree(sd15, tmp_path / "copy"))
    file = strict / "safety_checker" / "model.safetensors"
    weights = load_file(file)
    weights["concept_embeds_weights"] = np.full_like(weights["concept_embeds_weights"], -1)
    save_file(weights, file, metadata={"format": "pt"})
    result = inpaint(load(strict), request_of(64, 64))[0]
    assert result.nsfw is True
    assert not result.image.any()


def test_facts_are_plain_json(models: dict[str, InpaintingModel], sdxl: Path) -> None:
    facts = json.loads(json.dumps(dict(models["sdxl"].facts)))
    expected = {
        "painter": "sdxl",
        "pipeline": "StableDiffusionXLInpaintPipeline",
        "scheduler": "EulerDiscreteScheduler",
        "dtype": "float32",
        "size": 64,
        "steps": 3,
        "device": "cpu",
        "weights": {"model": str(sdxl)},
        "channels_last": False,
        "fill": "colours of the seed",
        "unet_channels": 9,
        "lora_scale": None,
    }
    assert {name: facts[name] for name in expected} == expected
    assert models["sdxl_base"].facts["unet_channels"] == 4
