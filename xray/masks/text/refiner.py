"""The refiner behind `kind: text`: a detector and a refiner that takes boxes, as one model on a device."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from xray.core.device import DeviceModel
from xray.core.errors import Rejected
from xray.masks.base import Hint, RefinedMask, Refiner, RefinerInput
from xray.masks.formats.text import Text
from xray.masks.text.detector import Detections, LoadedDetector
from xray.masks.text.selection import agreement_of_boxes, select_objects
from xray.masks.without_weights import WithoutWeights

_PREPARERS = 4
"""Threads that resize photographs for the second network while the device waits."""


@dataclass(frozen=True)
class TextRefiner(Refiner):
    """A refiner that first finds the object by words; see `Text`."""

    name: ClassVar[str] = "text"
    summary: ClassVar[str] = "a detector, then a refiner that takes boxes"
    accelerated: ClassVar[bool] = True
    needs_hint: ClassVar[bool] = False

    text: Text
    refiner: Refiner

    def weights(self) -> Mapping[str, str]:
        """See `Refiner.weights`."""
        return {**self.text.detector.weights(), **self.refiner.weights()}

    def load(self, device: str) -> TextOnDevice:
        """See `Refiner.load`."""
        detector = self.text.detector.load(device)
        second = self.refiner.load(device) if self.refiner.accelerated else WithoutWeights(self.refiner)
        return TextOnDevice(self.text, detector, second, keep_masks=self.refiner.name == "given")


@dataclass(frozen=True)
class _Prepared:
    """A photograph, and the detector's input for each phrase."""

    item: RefinerInput
    phrases: tuple[str, ...]
    inputs: Sequence[Any]


@dataclass(frozen=True)
class _Found:
    """The second refiner's item and output, and what the detector found; or why it cannot be used."""

    item: RefinerInput | None = None
    raw: Any = None
    detection: Mapping[str, Any] | None = None
    verdict: Rejected | None = None


class TextOnDevice:
    """A detector and a refiner on a device; a `xray.core.device.DeviceModel`."""

    def __init__(
        self,
        text: Text,
        detector: LoadedDetector,
        refiner: DeviceModel[RefinerInput, RefinedMask],
        *,
        keep_masks: bool = False,
    ) -> None:
        self._text, self._detector, self._refiner, self._keep_masks = text, detector, refiner, keep_masks
        self.facts = {"kind": "text", "detector": dict(detector.facts), "refiner": dict(refiner.facts)}

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_PREPARERS)

    def prepare(self, item: RefinerInput) -> _Prepared:
        """Convert the photograph and each phrase to the detector's input."""
        phrases = item.hint.phrases
        return _Prepared(item, phrases, [self._detector.prepare(item.decoded.image, phrase) for phrase in phrases])

    def run(self, batch: Sequence[_Prepared]) -> list[_Found]:
        """Detect in all photographs, then refine in all that have an object."""
        outputs = iter(self._detector.run([one for prepared in batch for one in prepared.inputs]))
        raws = [[next(outputs) for _ in prepared.inputs] for prepared in batch]
        results = list(self._threads.map(self._detect, batch, raws))
        usable = [index for index, result in enumerate(results) if result.verdict is None]
        refined = self._refiner.run([results[index].raw for index in usable]) if usable else ()
        for index, raw in zip(usable, refined, strict=True):
            results[index] = replace(results[index], raw=raw)
        return results

    def _detect(self, prepared: _Prepared, raws: Sequence[Any]) -> _Found:
        """Select the object and prepare the photograph for the refiner; runs in a thread, on the CPU."""
        try:
            objects, facts = self._objects(prepared, raws)
            boxes = tuple((x0, y0, x1, y1) for x0, y0, x1, y1 in objects.boxes_N4.astype(float).tolist())
            masks = objects.masks_NHW if self._keep_masks else None
            mask = None if masks is None else np.logical_or.reduce(masks)
            item = replace(prepared.item, hint=Hint(mask, boxes))
            return _Found(item, self._refiner.prepare(item), facts)
        except Rejected as verdict:
            return _Found(verdict=verdict)

    def _objects(self, prepared: _Prepared, raws: Sequence[Any]) -> tuple[Detections, dict[str, Any]]:
        """Select the objects of the first phrase; the others must find the same."""
        height, width = prepared.item.decoded.image.shape[:2]
        rules = self._text.rules
        found = [self._detector.finish(raw, height, width, rules.threshold) for raw in raws]
        objects = select_objects(found[0], prepared.phrases[0], height, width, rules)
        agreed = 1.0
        for phrase, other in zip(prepared.phrases[1:], found[1:], strict=True):
            try:
                same = agreement_of_boxes(objects, select_objects(other, phrase, height, width, rules), height, width)
            except Rejected as verdict:
                raise Rejected("phrases_disagree", f"{prepared.phrases[0]!r} was found, but {verdict}") from verdict
            if same < self._text.agree:
                seen = f"{prepared.phrases[0]!r} and {phrase!r} overlap by {same:.2f}, at least {self._text.agree:.2f}"
                raise Rejected("phrases_disagree", seen)
            agreed = min(agreed, same)
        facts = {
            "phrases": list(prepared.phrases),
            "boxes": [[round(side, 1) for side in box] for box in objects.boxes_N4.tolist()],
            "scores": [round(score, 4) for score in objects.scores_N.tolist()],
            "instances": len(objects.scores_N),
        }
        return objects, {**facts, "agreement": round(agreed, 4)} if len(found) > 1 else facts

    def finish(self, item: RefinerInput, raw: _Found) -> RefinedMask:
        """Make the mask by the refiner; its origin is `text`.

        Raises:
            Rejected: nothing_detected, several_objects, phrases_disagree, mask_full, or a reason of the refiner.
        """
        if raw.verdict is not None:
            raise raw.verdict
        assert raw.item is not None
        refined = self._refiner.finish(raw.item, raw.raw)
        return replace(refined, origin="text", agreement=None, detection=json.dumps(raw.detection))
