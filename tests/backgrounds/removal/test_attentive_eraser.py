from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.removal_inputs import boxed, remove

from xray.backgrounds.inpainting.canvas import fit_canvas
from xray.backgrounds.removal.attentive_eraser import AttentiveEraser
from xray.backgrounds.removal.base import RemovalInput, Remover
from xray.backgrounds.removal.erasing import ErasingModel, SuppressedAttention, Suppression, hole_on_canvas
from xray.backgrounds.removal.hole import dilated
from xray.core.errors import ConfigError, Rejected
from xray.core.plugins import build

BOX = (20, 16, 40, 36)


def eraser(model: Path, **settings: Any) -> AttentiveEraser:
    built = build("remover", Remover, {"kind": "attentive_eraser", "model": str(model), "steps": 3, **settings})
    assert isinstance(built, AttentiveEraser)
    return built


@pytest.fixture(scope="module")
def model(sdxl_base: Path) -> ErasingModel:
    return eraser(sdxl_base).load("cpu")


def test_area_is_repainted_and_the_rest_stays(model: ErasingModel) -> None:
    photos = [boxed(64, 64, BOX), boxed(70, 90, (0, 10, 30, 40), seed=1), boxed(200, 40, (0, 0, 40, 60), seed=2)]
    results = remove(model, *photos)
    for photo, result in zip(photos, results, strict=True):
        area = dilated(photo.mask, 5)
        assert result.dtype == np.uint8
        assert np.array_equal(result[~area], photo.image[~area])
        assert (result[photo.mask] != photo.image[photo.mask]).any(axis=1).mean() > 0.9


def test_result_depends_on_photograph_and_seed_alone(model: ErasingModel, sdxl_base: Path) -> None:
    photo = boxed(64, 64, BOX)
    first = remove(model, photo)[0]
    assert np.array_equal(remove(model, photo)[0], first)
    assert np.array_equal(remove(eraser(sdxl_base).load("cpu"), photo)[0], first)
    assert not np.array_equal(remove(model, photo, seed=6)[0], first)
    both = remove(model, boxed(64, 64, (4, 4, 9, 9), seed=3), photo)[1]
    assert np.abs(both.astype(int) - first).max() <= 2  # sums in another order


@pytest.mark.parametrize("settings", [{"guidance": 4.0}, {"similarity_steps": 0}, {"similarity_scale": 0.0}], ids=str)
def test_settings_have_an_effect(settings: dict[str, Any], model: ErasingModel, sdxl_base: Path) -> None:
    photo = boxed(64, 64, BOX)
    changed = remove(eraser(sdxl_base, **settings).load("cpu"), photo)[0]
    assert not np.array_equal(changed, remove(model, photo)[0])


def test_only_self_attention_of_the_decoder_is_changed(model: ErasingModel) -> None:
    processors = model.inpainting.pipeline.unet.attn_processors
    changed = {name for name, one in processors.items() if isinstance(one, SuppressedAttention)}
    assert changed == {name for name in processors if name.startswith("up_blocks") and ".attn1." in name}
    assert changed


class Layer:
    """An attention layer of one head whose projections are the identity."""

    heads, rescale_output_factor = 1, 1.0

    def __init__(self) -> None:
        self.to_q = self.to_k = self.to_v = lambda x: x
        self.to_out = (lambda x: x, lambda x: x)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_attention_by_hand(step: int) -> None:
    import torch

    suppression = Suppression(steps=2, scale=0.3)
    holes = np.zeros((1, 4, 8), bool)
    holes[0, :2, :2] = True  # token 0 of 2×4
    suppression.begin(holes)
    for _ in range(step):
        suppression.advance()
    tokens = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(1))
    result = SuppressedAttention(lambda attn, x: x * 7, suppression)(Layer(), tokens)
    assert torch.equal(result[0], tokens[0] * 7)
    similarity = tokens[1] @ tokens[1].T / 2  # √4
    if step <= 2:
        similarity[0] *= 0.3
    similarity[:, 0] = -torch.inf
    assert torch.allclose(result[1], similarity.softmax(-1) @ tokens[1], atol=1e-6)


def test_area_that_covers_all_tokens_of_a_layer_is_ignored() -> None:
    import torch

    suppression = Suppression(steps=2, scale=0.3)
    holes = np.zeros((2, 4, 8), bool)
    holes[0, 1, 1::2] = holes[1, 0, 0] = True
    suppression.begin(holes)
    like = torch.zeros(1)
    assert suppression.tokens(2, like).tolist() == [[[False, False]], [[True, False]]]
    assert suppression.tokens(8, like)[1].tolist() == [[True, *[False] * 7]]


def test_area_grows_to_whole_cells_and_into_the_padding() -> None:
    hole = np.zeros((50, 64), bool)
    hole[21, 30] = True
    canvas = fit_canvas((64, 50), side=64, multiple=16)
    assert canvas.inner != canvas.size
    area = hole_on_canvas(canvas, hole, 8)
    assert area.shape == canvas.size[::-1]
    cells = area.reshape(canvas.size[1] // 8, 8, canvas.size[0] // 8, 8)
    assert np.array_equal(cells.any(axis=(1, 3)), cells.all(axis=(1, 3)))
    assert 1 <= cells.any(axis=(1, 3)).sum() <= 4
    hole[:] = False
    hole[0, :] = True
    x, y = canvas.corner
    touched = hole_on_canvas(canvas, hole, 1)
    assert touched[: y + 1, x : x + canvas.inner[0]].all()


def test_unusable_photograph(model: ErasingModel) -> None:
    for box in ((0, 0, 64, 64), (4, 4, 60, 60)):
        with pytest.raises(Rejected) as caught:
            model.prepare(RemovalInput(boxed(64, 64, box), 1))
        assert caught.value.reason == "background_too_small"


def test_weights_are_checked(sdxl: Path, sdxl_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert eraser(sdxl_base).check() == []
    assert eraser(sdxl_base).weights() == {"model": str(sdxl_base)}
    with pytest.raises(ConfigError, match="4 channels"):
        eraser(sdxl).check()
    with pytest.raises(ConfigError, match=r"model_index\.json"):
        eraser(tmp_path).check()
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path))
    with pytest.raises(ConfigError, match="xray weights pull sdxl-base"):
        AttentiveEraser().check()


@pytest.mark.parametrize("settings", [{"guidance": 1.0}, {"strength": 0.1}, {"similarity_scale": 2}], ids=str)
def test_settings_out_of_range(settings: dict[str, float], sdxl_base: Path) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        eraser(sdxl_base, **settings)


def test_facts_are_plain_json(model: ErasingModel, sdxl_base: Path) -> None:
    facts = json.loads(json.dumps(dict(model.facts)))
    expected = {
        "remover": "attentive_eraser", "weights": {"model": str(sdxl_base)}, "unet_channels": 4, "steps": 3,
        "guidance": 9.0, "strength": 0.8, "scheduler": "DDIMScheduler", "similarity_steps": 9, "similarity_scale": 0.3,
        "device": "cpu", "dtype": "float32",
    }  # fmt: skip
    assert {name: facts[name] for name in expected} == expected
    assert not {"painter", "fill"} & facts.keys()
