from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from support import tiny_models

from xray.backgrounds.inpainting.base import InpaintedImage, Inpainter, InpaintRequest
from xray.backgrounds.inpainting.canvas import colour_field, seed_colours
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.batching import BatchRunner, DeviceLock
from xray.core.errors import Rejected, XrayError
from xray.core.plugins import build
from xray.core.types import Photo

# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "a meadow in the morning"
KINDS = ("sdxl", "sdxl_base", "sd15", "sd15_base")


def request_of(width: int, height: int, seed: int = 5, prompt: str = PROMPT) -> InpaintRequest:
    rng = np.random.Generator(np.random.PCG64(width * 1000 + height))
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    return InpaintRequest(Photo(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), mask), prompt, seed)


def load(model: Path, **settings: Any) -> InpaintingModel:
    inpainter = build(
        "painter", Inpainter, {"kind": "sdxl", "model": str(model), "steps": 3, "min_side": 16, **settings}
    )
    loaded = inpainter.load("cpu")
    assert isinstance(loaded, InpaintingModel)
    return loaded


def inpaint(model: InpaintingModel, *requests: InpaintRequest) -> list[InpaintedImage]:
    raw = model.run([model.prepare(item) for item in requests])
    return [model.finish(item, output) for item, output in zip(requests, raw, strict=True)]


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest) -> dict[str, InpaintingModel]:
    return {kind: load(request.getfixturevalue(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def model(models: dict[str, InpaintingModel]) -> InpaintingModel:
    return models["sdxl"]


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


def test_device_loop_continues_after_a_rejected_row(model: InpaintingModel) -> None:
    results = list(
        BatchRunner(model, 2, DeviceLock(threading.Lock())).run(
            [request_of(90, 70), request_of(15, 70), request_of(70, 90)]
        )
    )
    assert [getattr(one, "reason", "ok") for one in results] == ["ok", "too_small_to_paint", "ok"]
    assert np.array_equal(results[0].image, inpaint(model, request_of(90, 70))[0].image)


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


@pytest.mark.parametrize(
    "settings", [{"channels_last": True}, {"fuse_qkv": True}, {"tiling": True}, {"dtype": "bfloat16"}]
)
def test_speed_settings_change_little(model: InpaintingModel, sdxl: Path, settings: dict[str, Any]) -> None:
    item = request_of(64, 64)
    plain = inpaint(model, item)[0].image.astype(int)
    fast = load(sdxl, **settings)
    assert np.abs(inpaint(fast, item)[0].image - plain).mean() < 3
    assert {name: fast.facts[name] for name in settings} == settings


def test_compile_reaches_unet_and_decoder(model: InpaintingModel, sdxl: Path) -> None:
    import torch

    with torch.compiler.set_stance("force_eager"):  # generating code would take minutes
        compiled = load(sdxl, compile=True)
        assert compiled.pipeline.unet._compiled_call_impl is not None
        assert compiled.pipeline.vae.decoder._compiled_call_impl is not None
        item = request_of(64, 64)
        assert np.array_equal(inpaint(compiled, item)[0].image, inpaint(model, item)[0].image)


def test_reaching_the_recompile_limit_is_an_error(model: InpaintingModel) -> None:
    import torch
    import torch._dynamo

    @torch.compile(backend="eager", dynamic=False)
    def network(pixels: torch.Tensor) -> torch.Tensor:
        return pixels + 1

    class Pipeline:
        components: ClassVar[dict[str, Any]] = {}

        def __call__(self, **given: Any) -> Any:
            network(torch.zeros(given["width"], given["height"]))
            return SimpleNamespace(images=given["image"])

    inputs = [model.prepare(item) for item in (request_of(64, 64), request_of(80, 48), request_of(48, 80))]
    settings = dataclasses.replace(model.settings, compile=True)
    compiled = dataclasses.replace(model, settings=settings, pipeline=Pipeline())
    with torch._dynamo.config.patch(recompile_limit=2):
        assert len(compiled.run(inputs[:2])) == 2
        with pytest.raises(XrayError, match="2 times"):
            compiled.run(inputs[2:])
        assert len(compiled.run(inputs[:2])) == 2


@pytest.mark.parametrize(
    ("preset", "scheduler", "steps", "spacing"),
    [
        ("turbo", "EulerDiscreteScheduler", 4, "leading"),
        ("lightning", "EulerDiscreteScheduler", 4, "trailing"),
        ("lcm", "LCMScheduler", 4, "leading"),
        ("hyper", "DDIMScheduler", 8, "trailing"),
        ("sdxl-base", "EulerDiscreteScheduler", 50, "leading"),
    ],
)
def test_presets(preset: str, scheduler: str, steps: int, spacing: str, sdxl: Path, lora: Path) -> None:
    named = build("painter", Inpainter, {"kind": "sdxl", "preset": preset})
    assert isinstance(named, StableDiffusion)
    assert named.steps == steps
    assert int(named.steps * named.strength) == named.steps
    assert named.model != StableDiffusion().model  # which is dull at strength 1
    entry: dict[str, Any] = {"kind": "sdxl", "preset": preset, "model": str(sdxl)}
    if named.lora:
        entry["lora"] = str(lora)
    if steps > 8:
        entry["steps"] = 2  # explicit settings override the preset's
    model = build("painter", Inpainter, entry).load("cpu")
    assert isinstance(model, InpaintingModel)
    assert (model.facts["scheduler"], model.facts["steps"]) == (scheduler, entry.get("steps", steps))
    assert model.pipeline.scheduler.config.timestep_spacing == spacing
    assert inpaint(model, request_of(80, 64))[0].image.std() > 5


def test_presets_name_known_weights() -> None:
    from xray.models.weights.catalog import CATALOG

    for preset in ({}, *StableDiffusion.presets.values()):
        assert set(build("painter", Inpainter, {"kind": "sdxl", **preset}).weights().values()) <= CATALOG.keys()


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


def test_loading_prints_nothing(sdxl: Path, sd15: Path, lora: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for loaded in (load(sdxl, lora=str(lora)), load(sd15)):
        inpaint(loaded, request_of(64, 64))
    assert capfd.readouterr() == ("", "")


LONG = "green meadow with many flowers"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes prompts of 20 tokens."""
    return tiny_models.tiny_sdxl(tmp_path_factory.mktemp("short"), length=20)


def test_long_prompts_are_refused_or_truncated(short: Path) -> None:
    entry = {"kind": "sdxl", "model": str(short), "steps": 3, "negative_prompt": ""}
    assert build("painter", Inpainter, entry).check(["green meadow"]) == []
    with pytest.raises(XrayError, match=rf"prompt '{LONG}' has 2\d tokens.* 20:"):
        build("painter", Inpainter, entry).check(["snow", LONG])
    with pytest.raises(XrayError, match="negative prompt 'people, person"):
        build("painter", Inpainter, {**entry, "negative_prompt": "people, person, dogs, text"}).check([])
    (warning,) = build("painter", Inpainter, {**entry, "truncate_prompts": True}).check([LONG, "snow", LONG])
    assert repr(LONG) in warning


def test_truncated_prompts_are_noted(short: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(short, negative_prompt="people and " * 5, truncate_prompts=True)
    cut, whole = inpaint(model, request_of(64, 64, prompt=LONG), request_of(64, 64, prompt="green meadow"))
    assert (cut.notes, whole.notes) == (("prompt_truncated",), ())
    seen = cut.recorded["prompt_seen"]
    assert LONG.startswith(seen)
    assert seen.endswith(("with", "many"))
    images = [inpaint(model, request_of(64, 64, prompt=prompt))[0].image for prompt in (seen, LONG)]
    assert np.array_equal(*images)
    assert model.tokenizers.count(model.tokenizers.cut("x" * 100)) == 20
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"steps": 1, "strength": 0.9}, {"strength": 0}, {"scheduler": "eulr"}, {"size": 8}]
)
def test_invalid_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build("painter", Inpainter, {"kind": "sdxl", **settings})


def test_unknown_names_get_the_nearest_suggestion() -> None:
    with pytest.raises(XrayError, match="'turb'; did you mean 'turbo'"):
        build("painter", Inpainter, {"kind": "sdxl", "preset": "turb"})
    with pytest.raises(ValidationError, match="did you mean 'euler'"):
        StableDiffusion(scheduler="eulr")


@pytest.mark.parametrize(
    ("kind", "settings", "named"),
    [
        ("sdxl", {"dtype": "float16"}, "sdxl-vae-fp16-fix"),
        ("sd15", {"dtype": "float16"}, "float16.*needs a GPU"),
        ("sdxl", {"offload": True}, "offload.*'cpu'"),
        ("sdxl", {"scheduler": "lcm", "steps": 60}, "LCMScheduler.* 60 steps"),
    ],
)
def test_incompatible_settings_are_refused(
    kind: str, settings: dict[str, Any], named: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(XrayError, match=named):
        load(request.getfixturevalue(kind), **settings)


def test_strength_that_leaves_one_step_is_accepted(sdxl: Path) -> None:
    assert inpaint(load(sdxl, steps=10, strength=0.1), request_of(64, 64))[0].image.std() > 5


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path))
    with pytest.raises(XrayError, match="xray weights pull sdxl-inpainting"):
        StableDiffusion().check([])


def test_import_needs_no_torch() -> None:
    module = "xray.backgrounds.inpainting.stable_diffusion"
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
