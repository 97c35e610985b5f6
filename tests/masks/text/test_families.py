from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_detectors import TINY_DETECTORS, tiny_grounding_dino

from xray.core.errors import ConfigError
from xray.core.plugins import build
from xray.masks.text.detector import Detections, Detector, LoadedDetector
from xray.masks.text.families import GroundingDino, Owlv2

NAMES = list(TINY_DETECTORS)
TEXTS: dict[str, Any] = {
    "grounding-dino": "red fox.",
    "owlv2": [["Red fox"]],
    "omdet-turbo": ["Red fox"],
    "sam3": "Red fox",
}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3)).astype(np.uint8)


WIDE, OTHER, HIGH = noise(90, 141), noise(90, 141, 1), noise(130, 77)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp("detectors") / name) for name, make in TINY_DETECTORS.items()}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def detector(name: str, folders: dict[str, Path]) -> LoadedDetector:
    return load(name, folders[name])


def load(name: str, folder: Path) -> LoadedDetector:
    return build("detector", Detector, {"kind": name, "model": str(folder)}).load("cpu")


def detect(detector: LoadedDetector, *images: np.ndarray, threshold: float = 0.001) -> list[Detections]:
    raws = detector.run([detector.prepare(image, "Red fox") for image in images])
    return [detector.finish(raw, *image.shape[:2], threshold) for raw, image in zip(raws, images, strict=True)]


def by_transformers(name: str, folder: Path, image: np.ndarray, threshold: float) -> dict[str, Any]:
    """Detect by transformers' automatic classes, one photograph at a time."""
    from transformers import AutoModel, AutoModelForZeroShotObjectDetection, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    auto: Any = AutoModel if name == "sam3" else AutoModelForZeroShotObjectDetection
    inputs = processor(images=Image.fromarray(image), text=TEXTS[name], return_tensors="pt")
    with torch.no_grad():
        output = auto.from_pretrained(folder)(**inputs)
    kind = "instance_segmentation" if name == "sam3" else "grounded_object_detection"
    post_process = getattr(processor, f"post_process_{kind}")
    (found,) = post_process(output, threshold=threshold, target_sizes=[image.shape[:2]])
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("image", [WIDE, HIGH], ids=["wide", "high"])
@pytest.mark.parametrize("threshold", [0.001, 0.25])
def test_boxes_scores_and_masks_equal_those_of_transformers(
    name: str, folders: dict[str, Path], detector: LoadedDetector, image: np.ndarray, threshold: float
) -> None:
    expected = by_transformers(name, folders[name], image, threshold)
    (ours,) = detect(detector, image, threshold=threshold)
    np.testing.assert_array_equal(ours.boxes_N4, expected["boxes"])
    np.testing.assert_array_equal(ours.scores_N, expected["scores"])
    assert (ours.masks_NHW is not None) == (name == "sam3")
    if ours.masks_NHW is not None:
        np.testing.assert_array_equal(ours.masks_NHW, expected["masks"])
    assert len(ours.scores_N) or threshold > 0.2


def test_a_batch_equals_single_photographs(detector: LoadedDetector) -> None:
    images = (WIDE, HIGH, OTHER)
    for together, image in zip(detect(detector, *images), images, strict=True):
        (alone,) = detect(detector, image)
        np.testing.assert_allclose(together.boxes_N4, alone.boxes_N4, atol=0.05)
        np.testing.assert_allclose(together.scores_N, alone.scores_N, atol=1e-4)


def test_a_threshold_above_all_scores_finds_nothing(detector: LoadedDetector) -> None:
    (found,) = detect(detector, WIDE, threshold=1.0)
    assert found.boxes_N4.shape == (0, 4)
    assert found.scores_N.shape == (0,)


def test_facts_name_the_weights(name: str, folders: dict[str, Path], detector: LoadedDetector) -> None:
    assert (detector.facts["kind"], detector.facts["model"]) == (name, str(folders[name]))


def test_mm_grounding_dino_is_read_by_its_own_class(tmp_path: Path, one_thread: None) -> None:
    detector = load("grounding-dino", tiny_grounding_dino(tmp_path / "mm", mm=True))
    assert detector.facts["class"] == "MMGroundingDinoForObjectDetection"
    (found,) = detect(detector, WIDE)
    assert found.boxes_N4.shape[1] == 4


@pytest.mark.parametrize("phrase", ["Red fox", "red fox.", " RED FOX "])
def test_grounding_dino_gets_lower_case_and_one_full_stop(phrase: str) -> None:
    assert GroundingDino().text(phrase) == "red fox."


def test_a_phrase_that_is_too_long_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="tokens"):
        load("owlv2", folders["owlv2"]).prepare(WIDE, "a very long phrase indeed, with many words")


def test_other_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="grounding-dino"):
        load("owlv2", folders["grounding-dino"])
    with pytest.raises(ConfigError, match="config"):
        load("owlv2", tmp_path)
    assert Owlv2(model="x").weights() == {"detector": "x"}
