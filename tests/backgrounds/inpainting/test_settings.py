from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from support import tiny_models
from support.inpainting import inpaint, load, request_of

from xray.backgrounds.inpainting.base import Inpainter
from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.errors import XrayError
from xray.core.plugins import build

# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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
