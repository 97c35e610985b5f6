from __future__ import annotations

import dataclasses
import json
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

from xray.backgrounds.inpainting.base import Painted, Scene, build_painter
from xray.backgrounds.inpainting.canvas import colours, field
from xray.backgrounds.inpainting.pipeline import Inpainting
from xray.backgrounds.inpainting.stable_diffusion import Sdxl
from xray.core.device import Turn, Work
from xray.core.errors import Rejected, XrayError
from xray.core.types import Photo

# NumPy asks tensors for a keyword that they do not have yet; the schedulers of diffusers do not mind.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "a meadow in the morning"


def scene(width: int, height: int, seed: int = 5, prompt: str = PROMPT) -> Scene:
    numbers = np.random.Generator(np.random.PCG64(width * 1000 + height))
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    return Scene(Photo(numbers.integers(0, 256, (height, width, 3), dtype=np.uint8), mask), prompt, seed)


def load(model: Path, **settings: Any) -> Inpainting:
    loaded = build_painter({"kind": "sdxl", "model": str(model), "steps": 3, "min_side": 16, **settings}).load("cpu")
    assert isinstance(loaded, Inpainting)
    return loaded


def paint(model: Inpainting, *scenes: Scene) -> list[Painted]:
    raw = model.run([model.prepare(item) for item in scenes])
    return [model.finish(item, made) for item, made in zip(scenes, raw, strict=True)]


@pytest.fixture(scope="module")
def model(sdxl: Path) -> Inpainting:
    return load(sdxl)


@pytest.fixture(scope="module")
def loaded_sdxl(model: Inpainting) -> Inpainting:
    return model


@pytest.fixture(scope="module")
def loaded_sdxl_base(sdxl_base: Path) -> Inpainting:
    return load(sdxl_base)


@pytest.fixture(scope="module")
def loaded_sd15(sd15: Path) -> Inpainting:
    return load(sd15)


@pytest.fixture(scope="module")
def loaded_sd15_base(sd15_base: Path) -> Inpainting:
    return load(sd15_base)


def filled(item: Scene) -> np.ndarray:
    """The photograph, of just the model's size, with the colours of the seed in place of its background."""
    height, width = item.photo.mask.shape
    return np.where(item.photo.mask[:, :, None], item.photo.image, field((width, height), item.seed))


def by_hand(folder: Path, item: Scene, **more: Any) -> np.ndarray:
    """The picture that diffusers makes of a photograph of just the model's size."""
    import torch
    from diffusers import AutoPipelineForInpainting

    parts = {"controlnet": more.pop("controlnet")} if "controlnet" in more else {}
    pipeline = AutoPipelineForInpainting.from_pretrained(folder, local_files_only=True, **parts)
    pipeline.set_progress_bar_config(disable=True)
    height, width = item.photo.mask.shape
    found = pipeline(
        item.prompt,
        image=Image.fromarray(filled(item)),
        mask_image=Image.fromarray(item.photo.outside),
        width=width,
        height=height,
        num_inference_steps=3,
        strength=0.99,
        guidance_scale=7.5,
        negative_prompt=Sdxl().negative_prompt,
        generator=torch.Generator("cpu").manual_seed(item.seed),
        **more,
    )
    return np.asarray(found.images[0])


@pytest.mark.parametrize("folder", ["sdxl", "sdxl_base", "sd15", "sd15_base"])
def test_it_paints_what_diffusers_paints(folder: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(folder)
    item = scene(128, 32)
    painted = paint(request.getfixturevalue(f"loaded_{folder}"), item)[0]
    fill = np.rint(colours(item.seed).reshape(9, 3).mean(0)).tolist()
    assert painted.drawn == {"canvas": [128, 32], "scale": 1.0, "fill": fill}
    assert painted.notes == ()
    assert painted.image.std() > 10
    assert np.array_equal(painted.image, by_hand(path, item))


@pytest.mark.parametrize("size", [(64, 64), (90, 70), (40, 61)])
@pytest.mark.parametrize("folder", ["sdxl", "sdxl_base", "sd15", "sd15_base"])
def test_nothing_of_the_old_background_gets_into_the_world(
    folder: str, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    loaded = request.getfixturevalue(f"loaded_{folder}")
    first = scene(*size)
    mask = first.photo.mask.copy()
    mask[:, size[0] // 4] = True  # a thin part
    worlds = []
    for background in (0, 255, first.photo.image[::-1]):
        photo = Photo(np.where(mask[:, :, None], first.photo.image, background).astype(np.uint8), mask)
        worlds.append(paint(loaded, Scene(photo, PROMPT, 5))[0].image)
    assert worlds[0].std() > 5
    assert np.array_equal(worlds[0], worlds[1])
    assert np.array_equal(worlds[0], worlds[2])


def test_a_world_starts_from_the_colours_of_the_seed(loaded_sdxl: Inpainting) -> None:
    item = scene(64, 64)
    ready = loaded_sdxl.prepare(item)
    assert np.array_equal(np.asarray(ready.image), filled(item))
    padded = loaded_sdxl.prepare(scene(90, 70))
    image, paint_here = np.asarray(padded.image), np.asarray(padded.mask) > 0
    assert padded.canvas.inner != padded.canvas.size
    assert np.array_equal(image[paint_here], field(padded.canvas.size, 5)[paint_here])


def test_a_rim_that_is_kept_is_the_photographs(sdxl: Path) -> None:
    item = scene(64, 64)
    ready = load(sdxl, dilate=5).prepare(item)
    stays = np.asarray(ready.mask) == 0
    assert stays.sum() > item.photo.mask.sum()
    assert np.array_equal(np.asarray(ready.image)[stays], item.photo.image[stays])


def test_a_unet_of_4_channels_keeps_the_cells_of_thin_parts(
    loaded_sdxl: Inpainting, loaded_sdxl_base: Inpainting
) -> None:
    import torch

    mask = np.zeros((64, 64), bool)
    mask[:, 21:23] = True  # beside the pixel that stands for its latent cell
    item = Scene(Photo(scene(64, 64).photo.image, mask), PROMPT, 5)

    def lost(ready: Any) -> bool:
        pixels = torch.from_numpy(np.array(ready.mask, np.float32))[None, None]
        return bool(torch.nn.functional.interpolate(pixels, size=(8, 8)).all())

    exact, cells = loaded_sdxl.prepare(item), loaded_sdxl_base.prepare(item)
    assert np.array_equal(np.asarray(exact.mask), item.photo.outside)
    assert lost(exact)  # as diffusers samples it; the UNet of 9 channels sees the object's pixels beside it
    assert not lost(cells)
    kept_columns = np.flatnonzero((np.asarray(cells.mask) == 0).all(axis=0))
    assert kept_columns.tolist() == list(range(16, 24))
    image = np.asarray(cells.image)
    assert np.array_equal(image[:, 16:22], np.repeat(item.photo.image[:, 21:22], 6, axis=1))
    assert np.array_equal(image[:, 22:24], np.repeat(item.photo.image[:, 22:23], 2, axis=1))


def test_the_scale_of_a_photograph_is_recorded(loaded_sdxl: Inpainting) -> None:
    large, small = paint(loaded_sdxl, scene(256, 256), scene(16, 16))
    assert (large.drawn["scale"], small.drawn["scale"]) == (0.25, 4.0)


def test_a_controlnet_sees_where_to_paint(sd15_base: Path, loaded_sd15_base: Inpainting, controlnet: Path) -> None:
    import torch
    from diffusers import ControlNetModel

    item = scene(128, 32)
    pixels = filled(item).astype(np.float32) / 255
    pixels[~item.photo.mask] = -1
    control = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    net = ControlNetModel.from_pretrained(controlnet)
    painted = paint(load(sd15_base, controlnet=str(controlnet)), item)[0].image
    assert np.array_equal(painted, by_hand(sd15_base, item, controlnet=net, control_image=control))
    assert not np.array_equal(painted, paint(loaded_sd15_base, item)[0].image)


def test_the_same_scene_gives_the_same_bytes_whatever_was_painted_before(model: Inpainting, sdxl: Path) -> None:
    first = paint(model, scene(90, 70))[0].image
    paint(model, scene(140, 40, prompt="a wall"), scene(50, 50, seed=9))
    assert np.array_equal(paint(model, scene(90, 70))[0].image, first)
    assert np.array_equal(paint(load(sdxl), scene(90, 70))[0].image, first)


def test_seed_and_prompt_matter(model: Inpainting) -> None:
    first = paint(model, scene(64, 64))[0].image
    assert not np.array_equal(paint(model, scene(64, 64, seed=6))[0].image, first)
    assert not np.array_equal(paint(model, scene(64, 64, prompt="snow"))[0].image, first)


def test_a_batch_of_several_sizes_comes_back_in_its_order(model: Inpainting) -> None:
    scenes = [scene(90, 70), scene(200, 25), scene(90, 70, seed=1), scene(33, 70), scene(90, 70, prompt="snow")]
    together = paint(model, *scenes)
    for item, painted in zip(scenes, together, strict=True):
        assert painted.image.shape == item.photo.image.shape
        assert painted.image.dtype == np.uint8
        alone = paint(model, item)[0].image
        assert np.abs(painted.image.astype(int) - alone).max() <= 2  # sums of another order


def test_it_works_as_a_device_model_beside_a_rejected_row(model: Inpainting) -> None:
    made = list(Work(model, 2, Turn(threading.Lock())).through([scene(90, 70), scene(15, 70), scene(70, 90)]))
    assert [getattr(one, "reason", "ok") for one in made] == ["ok", "too_small_to_paint", "ok"]
    assert np.array_equal(made[0].image, paint(model, scene(90, 70))[0].image)


@pytest.mark.parametrize(
    ("settings", "reason"), [({"min_side": 71}, "too_small_to_paint"), ({"dilate": 200}, "mask_full")]
)
def test_photographs_that_cannot_be_painted_are_rejected(sdxl: Path, settings: dict[str, int], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        load(sdxl, **settings).prepare(scene(90, 70))
    assert caught.value.reason == reason


def test_a_photograph_that_is_all_object_is_rejected(model: Inpainting) -> None:
    item = scene(64, 64)
    with pytest.raises(Rejected, match="mask_full"):
        model.prepare(Scene(Photo(item.photo.image, np.ones((64, 64), bool)), PROMPT, 1))


def test_dilation_and_feather_reach_the_picture(model: Inpainting, sdxl: Path) -> None:
    item = scene(64, 64)
    wide = load(sdxl, dilate=5, feather=4)
    stays, grown = (np.asarray(one.prepare(item).mask) == 0 for one in (model, wide))
    assert grown.sum() > stays.sum()
    assert grown[stays].all()
    painted = paint(wide, item)[0].image
    assert np.array_equal(painted[item.photo.mask], item.photo.image[item.photo.mask])


def test_a_lora_is_added_to_the_weights(model: Inpainting, sdxl: Path, lora: Path) -> None:
    item = scene(64, 64)
    plain = paint(model, item)[0].image
    with_lora = load(sdxl, lora=str(lora))
    assert not np.array_equal(paint(with_lora, item)[0].image, plain)
    assert with_lora.facts["weights"] == {"model": str(sdxl), "lora": str(lora)}
    assert np.array_equal(paint(load(sdxl, lora=str(lora.parent), lora_scale=0), item)[0].image, plain)


def test_another_vae_takes_the_place_of_the_models(model: Inpainting, sdxl: Path, other_vae: Path) -> None:
    item = scene(64, 64)
    assert not np.array_equal(paint(load(sdxl, vae=str(other_vae)), item)[0].image, paint(model, item)[0].image)


@pytest.mark.parametrize(
    "settings",
    [
        {"channels_last": True},
        {"fuse_qkv": True},
        {"tiling": True},
        {"dtype": "bfloat16"},
    ],
)
def test_speed_settings_paint_about_the_same(model: Inpainting, sdxl: Path, settings: dict[str, Any]) -> None:
    item = scene(64, 64)
    plain = paint(model, item)[0].image.astype(int)
    fast = load(sdxl, **settings)
    assert np.abs(paint(fast, item)[0].image - plain).mean() < 3
    assert {name: fast.facts[name] for name in settings} == settings


def test_compile_reaches_unet_and_decoder(model: Inpainting, sdxl: Path) -> None:
    import torch

    with torch.compiler.set_stance("force_eager"):  # generating code would take minutes
        compiled = load(sdxl, compile=True)
        assert compiled.pipeline.unet._compiled_call_impl is not None
        assert compiled.pipeline.vae.decoder._compiled_call_impl is not None
        assert np.array_equal(paint(compiled, scene(64, 64))[0].image, paint(model, scene(64, 64))[0].image)


def test_where_torch_gives_up_compiling_the_run_ends(sdxl: Path, model: Inpainting) -> None:
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

    painter = dataclasses.replace(model.painter, compile=True)
    ready = [model.prepare(item) for item in (scene(64, 64), scene(80, 48), scene(48, 80))]
    compiled = dataclasses.replace(model, painter=painter, pipeline=Pipeline())
    with torch._dynamo.config.patch(recompile_limit=2):
        assert len(compiled.run(ready[:2])) == 2
        with pytest.raises(XrayError, match="has compiled a network 2 times, its limit"):
            compiled.run(ready[2:])
        assert len(compiled.run(ready[:2])) == 2


@pytest.mark.parametrize(
    ("preset", "scheduler", "steps"),
    [
        ("turbo", "EulerDiscreteScheduler", 4),
        ("lightning", "EulerDiscreteScheduler", 4),
        ("lcm", "LCMScheduler", 4),
        ("hyper", "DDIMScheduler", 8),
        ("sdxl-base", "EulerDiscreteScheduler", 50),
    ],
)
def test_presets_paint(preset: str, scheduler: str, steps: int, sdxl: Path, lora: Path) -> None:
    entry = {"kind": "sdxl", "preset": preset, "model": str(sdxl)}
    if "lora" in Sdxl.presets[preset]:
        entry["lora"] = str(lora)
    painter = build_painter(entry)
    assert isinstance(painter, Sdxl)
    assert painter.steps == steps
    if preset == "sdxl-base":
        painter = build_painter({**entry, "steps": 2})  # what is written out wins
    model = painter.load("cpu")
    assert isinstance(model, Inpainting)
    assert model.facts["scheduler"] == scheduler
    assert paint(model, scene(80, 64))[0].image.std() > 5
    if preset in {"lightning", "hyper"}:
        assert model.pipeline.scheduler.config.timestep_spacing == "trailing"


@pytest.mark.parametrize("preset", ["turbo", "lightning", "lcm"])
def test_few_step_presets_take_all_their_steps_on_a_plain_model(preset: str) -> None:
    painter = build_painter({"kind": "sdxl", "preset": preset})
    assert isinstance(painter, Sdxl)
    assert int(painter.steps * painter.strength) == painter.steps
    assert painter.model != Sdxl().model  # which turns out dull at strength 1


def test_presets_name_weights_that_are_known() -> None:
    from xray.models.weights import KNOWN

    for preset in ({}, *Sdxl.presets.values()):
        assert set(build_painter({"kind": "sdxl", **preset}).weights().values()) <= KNOWN.keys()


def test_the_models_own_safety_checker_gives_its_verdict(sd15: Path, sdxl: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    assert paint(load(sd15), scene(64, 64))[0].nsfw is False
    assert paint(load(sdxl), scene(64, 64))[0].nsfw is None
    strict = copy(sd15, tmp_path)
    file = strict / "safety_checker" / "model.safetensors"
    weights = load_file(file)
    weights["concept_embeds_weights"] = np.full_like(weights["concept_embeds_weights"], -1)
    save_file(weights, file, metadata={"format": "pt"})
    painted = paint(load(strict), scene(64, 64))[0]
    assert painted.nsfw is True
    assert not painted.image.any()


def test_facts_are_plain_json(model: Inpainting, loaded_sdxl_base: Inpainting, sdxl: Path) -> None:
    facts = json.loads(json.dumps(dict(model.facts)))
    assert facts["pipeline"] == "StableDiffusionXLInpaintPipeline"
    assert facts["scheduler"] == "EulerDiscreteScheduler"
    assert (facts["dtype"], facts["size"], facts["steps"], facts["device"]) == ("float32", 64, 3, "cpu")
    assert facts["weights"] == {"model": str(sdxl)}
    assert facts["channels_last"] is False
    assert facts["fill"] == "colours of the seed"
    assert (facts["unet_channels"], loaded_sdxl_base.facts["unet_channels"]) == (9, 4)


def test_it_says_nothing(sdxl: Path, sd15: Path, lora: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for loaded in (load(sdxl, lora=str(lora)), load(sd15)):
        paint(loaded, scene(64, 64))
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes prompts of 20 tokens."""
    return tiny_models.tiny_sdxl(tmp_path_factory.mktemp("short"), length=20)


LONG = "green meadow with many flowers"


def test_a_prompt_that_is_too_long_is_refused_or_cut(short: Path) -> None:
    entry = {"kind": "sdxl", "model": str(short), "steps": 3, "negative_prompt": ""}
    assert build_painter(entry).check(["green meadow"]) == []
    with pytest.raises(XrayError, match=r"prompt 'green meadow with many flowers' has 2\d tokens, and .* takes 20"):
        build_painter(entry).check(["snow", LONG])
    with pytest.raises(XrayError, match="negative prompt 'people, person"):
        build_painter({**entry, "negative_prompt": "people, person, dogs, text"}).check([])
    cutting = build_painter({**entry, "truncate_prompts": True})
    remarks = cutting.check([LONG, "snow", LONG])
    assert len(remarks) == 1
    assert f"{LONG!r} is too long" in remarks[0]


def test_a_cut_prompt_is_noted(short: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(short, negative_prompt="people and " * 5, truncate_prompts=True)
    painted, whole = paint(model, scene(64, 64, prompt=LONG), scene(64, 64, prompt="green meadow"))
    assert painted.notes == ("prompt_truncated",)
    seen = painted.drawn["prompt_seen"]
    assert LONG.startswith(seen)
    assert seen.endswith(("with", "many"))
    assert whole.notes == ()
    assert np.array_equal(
        paint(model, scene(64, 64, prompt=seen))[0].image, paint(model, scene(64, 64, prompt=LONG))[0].image
    )
    assert model.tokenizers.count(model.tokenizers.cut("x" * 100)) == 20
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"steps": 1, "strength": 0.9},
        {"strength": 0},
        {"scheduler": "eulr"},
        {"size": 8},
        {"guidance": -1},
        {"dtype": "int8"},
        {"feather": -1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build_painter({"kind": "sdxl", **settings})


def test_names_that_do_not_exist_are_answered_with_the_nearest() -> None:
    with pytest.raises(XrayError, match=r"unknown preset of painter 'sdxl' 'turb'; did you mean 'turbo'\?"):
        build_painter({"kind": "sdxl", "preset": "turb"})
    with pytest.raises(ValidationError, match=r"did you mean 'euler'\?"):
        Sdxl(scheduler="eulr")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float16"}, "overflows in float16.*sdxl-vae-fp16-fix"),
        ({"offload": True}, "`offload` takes networks off the GPU"),
        ({"scheduler": "lcm", "steps": 60}, "LCMScheduler takes no 60 steps"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(sdxl: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(XrayError, match=message):
        load(sdxl, **settings)


def test_any_strength_that_leaves_a_step_is_taken(sdxl: Path) -> None:
    assert paint(load(sdxl, steps=10, strength=0.1), scene(64, 64))[0].image.std() > 5


def test_float16_needs_a_gpu(sd15: Path) -> None:
    with pytest.raises(XrayError, match="`dtype: float16` needs a GPU"):
        load(sd15, dtype="float16")


def test_weights_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path))
    with pytest.raises(XrayError, match="xray weights pull sdxl-inpainting"):
        Sdxl().check([])


def test_importing_the_plug_in_needs_no_torch() -> None:
    code = "import sys, xray.backgrounds.inpainting.stable_diffusion; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def copy(folder: Path, into: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, into / "copy"))
