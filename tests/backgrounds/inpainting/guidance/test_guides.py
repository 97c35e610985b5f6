"""Guided inpainting with tiny models: complexity follows the strength, a surrogate is misled, objects stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.inpainting import KINDS, guided, guided_request_of, inpaint, load, sdxl_entry
from support.saved_models import saved_model
from support.tiny_models import tiny_decoder

from xray.backgrounds.inpainting.pipeline import InpaintingModel
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.complexity import complexity
from xray.core.errors import ConfigError, XrayError
from xray.core.plugins import settings_of
from xray.sources.categories.base import Category

# NumPy passes tensors a keyword that they do not support yet; harmless for the schedulers of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STRENGTHS = (-0.2, -0.05, 0.0, 0.05, 0.2)
FOX = Category(name="red fox", indices=(277,))


def towards(strength: float, **settings: Any) -> dict[str, Any]:
    return {"kind": "complexity", "strength": strength, **settings}


@pytest.fixture(scope="module")
def surrogate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved_model(tmp_path_factory.mktemp("surrogate"), "test_resnet")


@pytest.mark.parametrize("kind", KINDS)
def test_complexity_follows_the_strength(kind: str, models: dict[str, InpaintingModel]) -> None:
    item, measured = guided_request_of(64, 64), []
    for strength in STRENGTHS:
        result = inpaint(guided(models[kind], **towards(strength)), item)[0]
        recorded = result.recorded["complexity"]
        measured.append(recorded["background"]["after"])
        if strength == 0:
            assert np.array_equal(result.image, inpaint(models[kind], item)[0].image)
    assert measured == sorted(measured)
    assert measured[-1] > 1.2 * measured[0]


def test_recorded_complexity_is_that_of_the_results(sdxl: Path) -> None:
    item = guided_request_of(90, 70)
    result = inpaint(load(sdxl, guide=towards(0.1)), item)[0]
    mask = item.photo.mask[:, :, None]
    background = np.where(mask, item.photo.removed, result.image)
    assert result.recorded["complexity"] == {
        "image": {
            "before": complexity(item.photo.image),
            "after": complexity(np.where(mask, item.photo.image, result.image)),
        },
        "background": {"before": complexity(item.photo.removed), "after": complexity(background)},
    }
    json.dumps(result.recorded)


def test_only_the_background_counts_unless_the_image_is_meant(model: InpaintingModel) -> None:
    item = guided_request_of(64, 64)
    by_region = {region: guided(model, **towards(0.1, region=region)) for region in ("background", "image")}
    images = {region: inpaint(one, item)[0].image for region, one in by_region.items()}
    assert not np.array_equal(images["background"], images["image"])
    targets = {region: one.prepare(item).target for region, one in by_region.items()}
    assert np.array_equal(targets["background"].kept[item.photo.mask], item.photo.removed[item.photo.mask])
    assert np.array_equal(targets["image"].kept[item.photo.mask], item.photo.image[item.photo.mask])
    assert not targets["image"].inpainted[item.photo.mask].any()


def test_gradient_may_go_through_a_smaller_decoder(sdxl: Path, model: InpaintingModel, tmp_path: Path) -> None:
    item, folder = guided_request_of(64, 64), tiny_decoder(tmp_path / "decoder")
    guide = towards(0.2, decoder=str(folder))
    painter = sdxl_entry(sdxl, guide=guide)
    assert painter.weights() == {"model": str(sdxl), "decoder": str(folder)}
    assert painter.check_models({}, []) == []
    image = inpaint(load(sdxl, guide=guide), item)[0].image
    for other in (model, guided(model, **towards(0.2))):
        assert not np.array_equal(image, inpaint(other, item)[0].image)
    with pytest.raises(ConfigError, match="AutoencoderTiny"):
        sdxl_entry(sdxl, guide=towards(0.2, decoder=str(sdxl / "vae"))).check_models({}, [])


def test_batch_does_not_change_its_images(sdxl: Path) -> None:
    model = load(sdxl, guide=towards(0.1))
    items = [guided_request_of(64, 64), guided_request_of(64, 64, seed=9)]
    together, alone = inpaint(model, *items)[0].image, inpaint(model, items[0])[0].image
    assert np.abs(together.astype(int) - alone).max() <= 1


def test_surrogate_is_misled(model: InpaintingModel, surrogate: str) -> None:
    items = [guided_request_of(64, 64, seed=seed, accepted=(seed,)) for seed in range(4)]
    after = {}
    for strength in (-0.2, 0.0, 0.2):
        results = inpaint(guided(model, kind="adversarial", strength=strength, surrogate=surrogate), *items)
        after[strength] = np.mean([np.log(result.recorded["p_true"]["after"]) for result in results])
    assert after[0.2] < after[0.0] < after[-0.2]


def test_surrogate_sees_the_true_object(sdxl: Path, surrogate: str) -> None:
    model = load(sdxl, guide={"kind": "adversarial", "strength": 0.1, "surrogate": surrogate})
    item = guided_request_of(64, 64)
    target = model.prepare(item).target
    assert target is not None
    assert np.array_equal(target.kept[item.photo.mask], item.photo.image[item.photo.mask])
    assert not target.inpainted[item.photo.mask].any()
    assert model.facts["guide"]["surrogate"] == surrogate
    assert len(model.facts["guide"]["surrogate_weights"]) == 64
    assert "background" not in inpaint(model, guided_request_of(64, 64, removed=False))[0].recorded["complexity"]


def test_no_guide_leaves_settings_and_facts_as_they_were(sdxl: Path, models: dict[str, InpaintingModel]) -> None:
    assert "guide" not in settings_of(StableDiffusion())
    assert "guide" not in models["sdxl"].facts
    assert sdxl_entry(sdxl, guide=None) == sdxl_entry(sdxl)
    guided = sdxl_entry(sdxl, guide=towards(0.1))
    assert settings_of(guided)["guide"] == {
        "kind": "complexity",
        "strength": 0.1,
        "region": "background",
        "decoder": None,
    }
    assert (guided.needs_removed, sdxl_entry(sdxl).needs_removed) == (True, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"guide": {"kind": "complexity"}},
        {"guide": towards(2)},
        {"guide": {"kind": "adversarial", "strength": 0.1}},
        {"guide": {"kind": "adversarial", "strength": 0.1, "surrogate": "no_family:net"}},
        {"guide": towards(0.1), "compile": True},
        {"guide": towards(0.1), "offload": True},
        {"guide": towards(0.1), "dtype": "float16"},
    ],
    ids=str,
)
def test_contradictory_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ValidationError)):
        sdxl_entry(Path("folder"), **settings)


def test_plan_refuses_a_scheduler_that_cannot_be_guided(sdxl: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(sdxl, tmp_path / "model"))
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_class_name": "HeunDiscreteScheduler"}))
    assert sdxl_entry(folder).check(["a wall"]) == []
    with pytest.raises(ConfigError, match="HeunDiscreteScheduler"):
        sdxl_entry(folder, guide=towards(0.1)).check(["a wall"])
    assert sdxl_entry(folder, guide=towards(0.1), scheduler="euler").check(["a wall"]) == []


def test_plan_knows_the_surrogate(sdxl: Path, surrogate: str) -> None:
    painter = sdxl_entry(sdxl, guide={"kind": "adversarial", "strength": 0.1, "surrogate": surrogate})
    assert painter.weights() == {"model": str(sdxl), "surrogate": surrogate.partition("@")[2]}
    assert painter.adversarial
    assert painter.check(["a wall"]) == []
    (note,) = painter.check_models({"mine": surrogate, "other": "timm:resnet50"}, [FOX])
    assert "'mine'" in note
    with pytest.raises(ConfigError, match="widget"):
        painter.check_models({}, [FOX, Category(name="widget")])
    missing = sdxl_entry(sdxl, guide={"kind": "adversarial", "strength": 0.1, "surrogate": "timm:no_such_net"})
    with pytest.raises(XrayError, match="no_such_net"):
        missing.check_models({}, [])
