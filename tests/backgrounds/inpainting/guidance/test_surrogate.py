"""Differentiable preprocessing, and probabilities with gradients."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.saved_models import saved_model

from xray.backgrounds.inpainting.guidance.surrogate import DifferentiableInput, Surrogate
from xray.core.errors import ConfigError
from xray.models.registry import parse_model

torch = pytest.importorskip("torch")
SIZES = [(375, 500), (500, 375), (90, 70), (1024, 1024)]


def smooth(height: int, width: int) -> np.ndarray:
    import cv2

    small = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def model_with(preprocess: Callable[[np.ndarray], Any]) -> Any:
    return SimpleNamespace(preprocess=preprocess, preprocessing="of a test")


def transform(*steps: Any) -> Callable[[np.ndarray], Any]:
    from PIL import Image
    from torchvision import transforms

    last = [transforms.ToTensor(), transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))]
    composed = transforms.Compose([*steps, *last])
    return lambda image: composed(Image.fromarray(image))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["crop", "squeeze", "bicubic"])
def test_preprocessing_is_reproduced(kind: str, size: tuple[int, int]) -> None:
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    steps = {
        "crop": [transforms.Resize(64), transforms.CenterCrop(56)],
        "squeeze": [transforms.Resize((48, 64))],
        "bicubic": [transforms.Resize(70, InterpolationMode.BICUBIC), transforms.CenterCrop(64)],
    }[kind]
    model = model_with(transform(*steps))
    image = smooth(*size)
    ours = DifferentiableInput(model)(torch.from_numpy(image).permute(2, 0, 1) / 255)
    assert ours.shape == model.preprocess(image).shape
    assert float((ours - model.preprocess(image)).abs().mean()) < 0.02


def test_other_preprocessing_is_refused() -> None:
    from torchvision import transforms

    turned = model_with(transform(transforms.Resize((64, 64)), transforms.Lambda(lambda image: image.rotate(30))))
    with pytest.raises(ConfigError, match="of a test"):
        DifferentiableInput(turned)


@pytest.fixture(scope="module")
def surrogate(tmp_path_factory: pytest.TempPathFactory) -> Surrogate:
    spec = saved_model(tmp_path_factory.mktemp("surrogate"), "test_resnet")
    return Surrogate.of(parse_model(spec).load("cpu"), spec)


def test_probabilities_are_the_models(surrogate: Surrogate) -> None:
    images, accepted = [smooth(90, 120), smooth(64, 64)], [(1, 2), (7,)]
    tensors = [torch.from_numpy(image).permute(2, 0, 1) / 255 for image in images]
    expected = surrogate.probability(images, accepted)
    got = surrogate.log_probability(tensors, accepted).exp().tolist()
    assert got == pytest.approx(expected, rel=0.05)


def test_gradient_reaches_the_pixels(surrogate: Surrogate) -> None:
    image = (torch.from_numpy(smooth(90, 120)).permute(2, 0, 1) / 255).requires_grad_()
    (gradient,) = torch.autograd.grad(surrogate.log_probability([image], [(3,)]).sum(), image)
    assert gradient.abs().sum() > 0


def test_models_without_gradients_or_with_other_classes_are_refused(surrogate: Surrogate) -> None:
    import dataclasses

    with pytest.raises(ConfigError, match="no gradients"):
        Surrogate.of(model_with(surrogate.loaded.preprocess), "other:net")
    with pytest.raises(ConfigError, match="other classes"):
        Surrogate.of(dataclasses.replace(surrogate.loaded, labels=("cat", "dog")), "mine")
