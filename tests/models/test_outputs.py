from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.errors import Rejected, XrayError
from xray.core.images import Decoded, Limits, decode, encode, flatten
from xray.models.outputs import flatten_onto, prediction_columns
from xray.pipeline.evaluate.panel import Panel


@pytest.fixture(scope="module")
def panel(timm_file: Path, timm_folder: Path, torchvision_file: Path) -> Panel:
    """Four models, the last two with the same preprocessing."""
    specs = [
        f"timm:test_efficientnet@{timm_file}",
        str(timm_folder),
        f"torchvision:mobilenet_v3_small@{torchvision_file}",
    ]
    return Panel.load([*specs, specs[2].replace("@", ".IMAGENET1K_V1@")], batch_size=3)


def test_every_image_is_decoded_once_and_preprocessed_once_per_key(
    panel: Panel, images: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: Counter[object] = Counter()
    network = type(next(iter(panel.models.values())))
    preprocess = network.preprocess

    def counting(self: object, image: np.ndarray) -> torch.Tensor:
        prepared[self.preprocessing_key] += 1  # type: ignore[attr-defined]
        return preprocess(self, image)

    monkeypatch.setattr(network, "preprocess", counting)
    monkeypatch.setattr(panel, "decoded", 0)
    decodes: Counter[bytes] = Counter()
    monkeypatch.setattr(
        "xray.pipeline.evaluate.panel.decode", lambda data, limits: (decodes.update([data]), decode(data, limits))[1]
    )
    batches = list(panel.predict(iter(images)))
    assert panel.decoded == len(images) == 7
    assert set(decodes.values()) == {1}
    assert sorted(prepared.values()) == [7, 7, 7], "four models, three kinds of preprocessing"
    assert [len(next(iter(batch.values()))) for batch in batches] == [3, 3, 1]


def test_a_panel_predicts_as_its_models_alone(panel: Panel, images: list[bytes]) -> None:
    together = list(panel.predict(images))
    assert list(together[0]) == list(panel.models)
    for name, model in panel.models.items():
        predicted = np.concatenate([batch[name] for batch in together])
        inputs = torch.stack([model.preprocess(decode(data).image) for data in images])
        np.testing.assert_allclose(predicted, model.predict(inputs), rtol=1e-4, atol=1e-7)
        assert (np.concatenate([batch[name] for batch in panel.predict(images)]) == predicted).all()


def test_no_images_no_batches(panel: Panel) -> None:
    assert list(panel.predict([])) == []


def test_a_bad_image_is_rejected(panel: Panel, images: list[bytes]) -> None:
    before = panel.decoded
    with pytest.raises(Rejected, match="corrupt_image"):
        panel.prepare(images[0][:200])
    assert panel.decoded == before
    small = Panel(panel.models, limits=Limits(max_pixels=100))
    with pytest.raises(Rejected, match="too_many_pixels"):
        small.prepare(images[0])


def test_transparent_images_are_flattened_onto_the_colour(panel: Panel, images: list[bytes]) -> None:
    image = decode(images[0]).image
    mask = np.zeros(image.shape[:2], bool)
    mask[20:60, 20:80] = True
    cutout = encode(np.dstack([image * mask[:, :, None], mask * np.uint8(255)]), "png")
    for colour in ((0, 0, 0), (255, 0, 128)):
        opaque = encode(np.where(mask[:, :, None], image, np.array(colour, np.uint8)), "png")
        flattening = Panel(panel.models, colour=colour)
        for key, tensor in flattening.prepare(opaque).items():
            assert torch.equal(flattening.prepare(cutout)[key], tensor)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 255)] * 3))
def test_flatten_onto_equals_flattening_at_once(seed: int, colour: tuple[int, int, int]) -> None:
    rgba = np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (9, 9, 4)).astype(np.uint8)
    decoded = Decoded(flatten(rgba), rgba[:, :, 3], ())
    expected = flatten(rgba, colour).astype(int)
    assert abs(flatten_onto(decoded, colour).astype(int) - expected).max() <= 1
    rgba[:, :, 3] = np.where(rgba[:, :, 3] > 100, 255, 0)
    exact = flatten_onto(Decoded(flatten(rgba), rgba[:, :, 3], ()), colour)
    assert (exact == flatten(rgba, colour)).all()


def test_a_model_that_cannot_be_loaded_stops_the_panel(timm_file: Path) -> None:
    with pytest.raises(XrayError, match="unknown timm model 'resnet5'"):
        Panel.load([f"timm:test_efficientnet@{timm_file}", "timm:resnet5"])


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    accepted=st.lists(st.lists(st.integers(0, 19), unique=True, min_size=1, max_size=6), max_size=8),
)
def test_columns_agree_with_counting_one_by_one(seed: int, accepted: list[list[int]]) -> None:
    numbers = np.random.Generator(np.random.PCG64(seed))
    logits = numbers.integers(0, 6, (len(accepted), 20))  # with ties
    probabilities = (logits / np.maximum(logits.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    columns = prediction_columns(probabilities, accepted)
    for k, indices in enumerate(accepted):
        best = sorted(range(20), key=lambda i: (-probabilities[k, i], i))
        assert columns["top5"][k].tolist() == best[:5]
        assert columns["top1"][k] == best[0] == probabilities[k].argmax()
        assert columns["correct"][k] == (best[0] in indices)
        assert columns["p_true"][k] == pytest.approx(sum(probabilities[k, i] for i in indices), abs=1e-6)
    types = {name: (column.dtype, len(column)) for name, column in columns.items()}
    n = len(accepted)
    assert types == {"top1": (np.int32, n), "top5": (np.int32, n), "p_true": (np.float32, n), "correct": (bool, n)}


def test_a_repeated_index_counts_once() -> None:
    columns = prediction_columns(np.array([[0.5, 0.2, 0.1, 0.1, 0.1]], np.float32), [[0, 0]])
    assert columns["p_true"][0] == 0.5
