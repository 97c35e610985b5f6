"""Masks from words, by a detector with known boxes and real refiners."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support.tiny_detectors import tiny_grounding_dino, tiny_sam3

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.core.plugins import build, settings, settings_of
from xray.core.types import Pixels
from xray.masks import Annotations, Hint, RefinedMask, Refiner, RefinerInput
from xray.masks.formats.text import Text
from xray.masks.given import Given
from xray.masks.grabcut import GrabCut
from xray.masks.guess import Guess
from xray.masks.sam.refiner import Sam
from xray.masks.text.detector import Detections, Detector
from xray.masks.text.refiner import TextOnDevice
from xray.sources.base import Candidate

KIND = f"{__name__}:Known"
BOX = (20.0, 10.0, 60.0, 50.0)


@settings
class Known(Detector):
    """A detector that finds known boxes for each phrase."""

    name: ClassVar[str] = "known"
    summary: ClassVar[str] = "for tests"

    boxes: dict[str, list[tuple[float, float, float, float]]]

    def load(self, device: str) -> Known:
        return self

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"kind": "known"}

    def prepare(self, image: Pixels, phrase: str) -> str:
        return phrase

    def run(self, batch: Sequence[str]) -> Sequence[str]:
        return batch

    def finish(self, raw: str, height: int, width: int, threshold: float) -> Detections:
        boxes = self.boxes.get(raw, [])
        scores = np.linspace(0.9, 0.5, len(boxes)).astype(np.float32)
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores)


def text(boxes: dict[str, Any], **more: Any) -> Text:
    built = build(
        "annotation format", Annotations, {"kind": "text", "detector": {"kind": KIND, "boxes": boxes}, **more}
    )
    assert isinstance(built, Text)
    return built


def square(height: int = 80, width: int = 100) -> np.ndarray:
    """Draw a bright square at (25, 15)–(55, 45) on a dark ground with noise."""
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 40, (height, width, 3)).astype(np.uint8)
    image[15:45, 25:55] += 200
    return image


def load(annotations: Text, refiner: Refiner) -> TextOnDevice:
    loaded = annotations.combine(refiner).load("cpu")
    assert isinstance(loaded, TextOnDevice)
    return loaded


def items(*phrases: tuple[str, ...]) -> list[RefinerInput]:
    return [RefinerInput(Decoded(square(), None, ()), Hint(phrases=one), 0) for one in phrases]


def make(model: TextOnDevice, batch: Sequence[RefinerInput]) -> list[RefinedMask | str]:
    results: list[RefinedMask | str] = []
    for item, raw in zip(batch, model.run([model.prepare(item) for item in batch]), strict=True):
        try:
            results.append(model.finish(item, raw))
        except Rejected as verdict:
            results.append(verdict.reason)
    return results


def test_boxes_of_the_phrase_become_a_mask_by_grabcut() -> None:
    model = load(text({"fox": [BOX]}), GrabCut())
    (result,) = make(model, items(("fox",)))
    assert isinstance(result, RefinedMask)
    expected = np.zeros((80, 100), bool)
    expected[15:45, 25:55] = True
    np.testing.assert_array_equal(result.mask, expected)
    assert (result.origin, result.agreement) == ("text", None)
    assert json.loads(result.detection or "") == {
        "phrases": ["fox"],
        "boxes": [list(BOX)],
        "scores": [pytest.approx(0.9, abs=1e-3)],
        "instances": 1,
    }
    assert model.facts["detector"]["kind"] == "known"


def test_a_photograph_that_cannot_be_used_costs_only_itself() -> None:
    boxes = {"fox": [BOX], "all": [(0, 0, 100, 80)], "many": [(k, 0, k + 9.0, 40) for k in range(0, 90, 10)]}
    model = load(text(boxes, max_instances=3), GrabCut())
    results = make(model, items(("nothing",), ("fox",), ("all",), ("many",), ("fox",)))
    assert [results[index] for index in (0, 2, 3)] == ["nothing_detected", "mask_full", "several_objects"]
    for index in (1, 4):
        (alone,) = make(model, items(("fox",)))
        assert isinstance(alone, RefinedMask)
        result = results[index]
        assert isinstance(result, RefinedMask)
        np.testing.assert_array_equal(result.mask, alone.mask)


@pytest.mark.parametrize(
    ("other", "outcome"),
    [((22.0, 12.0, 60.0, 50.0), None), ((70.0, 10.0, 90.0, 50.0), "phrases_disagree"), (None, "phrases_disagree")],
)
def test_two_phrases_must_find_the_same(other: Any, outcome: str | None) -> None:
    boxes: dict[str, Any] = {"fox": [BOX], "animal": [other] if other else []}
    (result,) = make(load(text(boxes, agree=0.5), GrabCut()), items(("fox", "animal")))
    if outcome:
        assert result == outcome
    else:
        assert isinstance(result, RefinedMask)
        assert json.loads(result.detection or "")["agreement"] == pytest.approx(1444 / 1600, abs=1e-3)


def test_sam_gets_the_boxes_of_the_detector(sam2_folder: Path) -> None:
    sam = Sam(model=str(sam2_folder))
    model = load(text({"fox": [BOX]}), sam)
    (result, missing) = make(model, items(("fox",), ("x",)))
    plain, item = sam.load("cpu"), RefinerInput(Decoded(square(), None, ()), Hint(boxes=(BOX,)), 0)
    expected = plain.finish(item, plain.run([plain.prepare(item)])[0])
    assert isinstance(result, RefinedMask)
    np.testing.assert_array_equal(result.mask, expected.mask)
    assert (result.predicted_iou, result.stability) == (expected.predicted_iou, expected.stability)
    assert missing == "nothing_detected"


def test_grounding_dino_and_sam_2_work_together(tmp_path: Path, sam2_folder: Path) -> None:
    folder = tiny_grounding_dino(tmp_path / "dino")
    spec = {"kind": "text", "detector": {"kind": "grounding-dino", "model": str(folder)}, "threshold": 0.01}
    refiner = build("annotation format", Annotations, {**spec, "max_area": 1.0, "max_instances": 64}).combine(
        Sam(model=str(sam2_folder))
    )
    assert refiner.accelerated
    assert refiner.weights() == {"detector": str(folder), "sam": str(sam2_folder)}
    model = refiner.load("cpu")
    (item,) = items(("fox",))
    (raw,) = model.run([model.prepare(item)])
    refined = model.finish(item, raw)
    assert refined.mask.shape == (80, 100)
    assert json.loads(refined.detection or "")["instances"] >= 1


def test_given_keeps_the_masks_of_sam3(tmp_path: Path) -> None:
    folder = tiny_sam3(tmp_path / "sam3")
    spec = {"kind": "sam3", "model": str(folder)}
    annotations = build("annotation format", Annotations, {"kind": "text", "detector": spec, "threshold": 0.2})
    model = annotations.combine(Given()).load("cpu")
    (item,) = items(("fox",))
    prepared = model.prepare(item)
    refined = model.finish(item, model.run([prepared])[0])
    detector = build("detector", Detector, spec).load("cpu")
    masks = detector.finish(detector.run(prepared.inputs)[0], 80, 100, 0.2).masks_NHW
    assert masks is not None
    assert not (refined.mask & ~np.logical_or.reduce(masks)).any()
    assert refined.origin == "text"


@pytest.mark.parametrize("refiner", [Given(), Guess()])
def test_refiners_that_take_no_boxes_are_refused(refiner: Refiner) -> None:
    with pytest.raises(ConfigError, match="refine"):
        Text().combine(refiner)


def test_other_formats_leave_the_refiner_as_it_is() -> None:
    refiner = GrabCut()
    assert build("annotation format", Annotations, "alpha").combine(refiner) is refiner


@pytest.mark.parametrize(
    ("more", "category", "phrases"),
    [
        ({}, "red_fox", ("red fox",)),
        ({}, "n02085620-Chihuahua", ("Chihuahua",)),
        ({"phrase": ["a {name}", "animal"]}, "Cardigan", ("a Cardigan", "animal")),
        ({"phrases": {"Cardigan": "corgi dog"}}, "Cardigan", ("corgi dog",)),
        ({"phrase": "object"}, "277", ("object",)),
    ],
)
def test_phrases_of_categories(more: dict[str, Any], category: str, phrases: tuple[str, ...]) -> None:
    assert text({}, **more).phrases_of(category) == phrases


@pytest.mark.parametrize(
    ("more", "category"), [({"phrase": "{parent}"}, "fox"), ({}, "n02119022"), ({}, "277"), ({"phrase": []}, "fox")]
)
def test_phrases_that_say_nothing_are_refused_by_the_plan(more: dict[str, Any], category: str) -> None:
    with pytest.raises(ConfigError, match="annotations"):
        list(text({}, **more).attach([Candidate("a.jpg", category, "file:///a.jpg")]))


def test_annotations_of_the_source_are_not_used() -> None:
    given = Candidate("a.jpg", "fox", "file:///a.jpg", mask_uri="file:///a.png", boxes=(BOX,))
    (candidate,) = text({}).attach([given])
    assert (candidate.mask_uri, candidate.boxes, candidate.points) == (None, (), ())
    with pytest.raises(Rejected, match="missing_mask"):
        text({}).read(None, Decoded(square(), None, ()))


def test_settings_survive_a_recipe_and_a_worker() -> None:
    annotations = text({"fox": [BOX]}, phrase=["{name}", "animal"], phrases={"crane": "crane bird"})
    assert text(**{"boxes": {}}) != annotations
    again = build("annotation format", Annotations, {"kind": "text", **settings_of(annotations)})
    assert again == annotations
    assert pickle.loads(pickle.dumps(annotations)) == annotations
