"""Judging painted pictures: all that the models of a filter measure of them, and the first reason to refuse one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xray.backgrounds.filtering.clip import Clip, SafetyChecker
from xray.backgrounds.filtering.measures import contrast, growth, objects, repeated
from xray.core.device import DeviceModel
from xray.core.types import Photo, Pixels
from xray.masks.base import Refined, Unrefined
from xray.models.base import Loaded
from xray.sources.categories.base import Category

if TYPE_CHECKING:
    from xray.backgrounds.filtering.settings import Filter

T = TypeVar("T")

MEASURES = ("contrast", "nsfw", "growth", "repeated", "category_similarity", "prompt_similarity")
"""All that can be measured of a picture."""

_BATCH = 8
"""Pictures at once. Fixed, and counted from the first of those that are given, so that the same ones give the same
numbers to the last bit."""


@dataclass(frozen=True)
class Judged:
    """A picture that is to be judged.

    Args:
        photo: the photograph that it was made of, and where the object is, in both. Pictures of one photograph share
            this object: then what is measured of the photograph is measured once.
        image: the picture as it will be stored, RGB, of the photograph's size.
        category: of the object.
        prompt: what was painted.
        nsfw: the verdict of the painter's own safety checker; None: it has none.
    """

    photo: Photo
    image: Pixels
    category: Category
    prompt: str
    nsfw: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """What the filter says of a picture.

    Args:
        reason: a code of `xray.core.schema.FILTERED`; empty: it passes.
        measures: what was measured, whether it passes or not: those of `MEASURES` (`nsfw` is 0 or 1), and
            `repeated_before`, of the photograph. Without the model for it, a measure is not there.
    """

    reason: str
    measures: Mapping[str, float]


@dataclass(frozen=True)
class LoadedFilter:
    """A filter with its models on a device; made by `Filter.load`."""

    settings: Filter
    classifier: Loaded | None = None
    clip: Clip | None = None
    safety: SafetyChecker | None = None
    refiner: DeviceModel[Unrefined, Refined] | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What judged, as plain JSON values: `checks`, the models for them, the hash of the classifier's weights."""
        facts: dict[str, Any] = {"checks": self.settings.checks()}
        facts |= {role: given for role, given in self.settings.weights().items() if role != "classifier"}
        if self.classifier is not None:
            facts["classifier"] = {
                "spec": self.settings.classifier,
                "weights": self.classifier.weights_sha256,
                "preprocessing": self.classifier.preprocessing,
            }
        if self.clip is not None:
            facts["clip_context"] = self.clip.context
            facts["clip_input"] = f"the whole picture, squeezed to {self.clip.side}×{self.clip.side}"
        if self.refiner is not None:
            facts["refiner"] = dict(self.refiner.facts)
        return facts

    def judge(self, items: Sequence[Judged]) -> list[Verdict]:
        """A verdict for each picture, in their order.

        All that can be measured is measured, also where the first measure already refuses the picture.
        """
        measured: list[dict[str, float]] = [{} for _ in items]
        for start in range(0, len(items), _BATCH):
            batch = slice(start, start + _BATCH)
            for name, values in self._measured(items[batch]):
                for measures, value in zip(measured[batch], values, strict=True):
                    if value is not None:
                        measures[name] = round(float(value), 6)
        return [Verdict(reason_of(measures, self.settings), measures) for measures in measured]

    def _measured(self, batch: Sequence[Judged]) -> Iterator[tuple[str, Iterable[float | None]]]:
        pictures = [Photo(item.image, item.photo.mask) for item in batch]
        yield "contrast", map(contrast, pictures)
        yield "nsfw", self._nsfw(batch)
        if self.refiner is not None:
            yield "growth", self._growths(self.refiner, batch, pictures)
        if self.classifier is not None:
            classifier = self.classifier
            yield "repeated", repeated(classifier, pictures, _accepted(batch))
            yield "repeated_before", _once(batch, lambda some: repeated(classifier, _photos(some), _accepted(some)))
        if self.clip is not None:
            images_ND = self.clip.images([item.image for item in batch], whole=True)
            categories = [f"a photo of {called(item.category.name, self.settings.names)}" for item in batch]
            yield "category_similarity", self.clip.similarity(images_ND, categories)
            yield "prompt_similarity", self.clip.similarity(images_ND, [item.prompt for item in batch])

    @staticmethod
    def _growths(
        refiner: DeviceModel[Unrefined, Refined], batch: Sequence[Judged], pictures: Sequence[Photo]
    ) -> list[float | None]:
        before = _once(batch, lambda some: objects(refiner, _photos(some)))
        masks = [picture.mask for picture in pictures]
        return [growth(*three) for three in zip(masks, before, objects(refiner, pictures), strict=True)]

    def _nsfw(self, batch: Sequence[Judged]) -> list[bool | None]:
        own = [item.nsfw for item in batch]
        if self.safety is None:
            return own
        flagged = self.safety.flags([item.image for item in batch])
        return [bool(one) or other for one, other in zip(own, flagged, strict=True)]


def _once(batch: Sequence[Judged], measure: Callable[[Sequence[Judged]], Iterable[T]]) -> list[T]:
    """What is measured of the photographs, one for each picture; each photograph is measured once."""
    distinct = {id(item.photo): item for item in batch}
    found = dict(zip(distinct, measure(list(distinct.values())), strict=True))
    return [found[id(item.photo)] for item in batch]


def _photos(items: Sequence[Judged]) -> list[Photo]:
    return [item.photo for item in items]


def _accepted(items: Sequence[Judged]) -> list[Sequence[int]]:
    return [item.category.indices for item in items]


def called(category: str, names: Mapping[str, str]) -> str:
    """A category with its article, as one would say it.

    >>> called("airship", {}), called("red fox", {}), called("bovid", {"bovid": "a cow or a sheep"})
    ('an airship', 'a red fox', 'a cow or a sheep')
    """
    article = "an" if category[:1].casefold() in set("aeiou") else "a"
    return names.get(category, f"{article} {category}")


def reason_of(measures: Mapping[str, float], settings: Filter) -> str:
    """The first reason to refuse a picture by what was measured of it; empty if there is none.

    >>> from xray.backgrounds.filtering.settings import Filter
    >>> reason_of({"contrast": 1.2, "nsfw": 1.0}, Filter()), reason_of({"contrast": 30.0, "growth": 0.4}, Filter())
    ('nsfw', '')
    """

    def below(name: str, least: float | None) -> bool:
        return least is not None and measures.get(name, math.inf) < least

    verdicts = {
        "nsfw": measures.get("nsfw", 0) > 0,
        "blank_picture": below("contrast", settings.min_contrast),
        "object_extended": measures.get("growth", 0) > settings.max_growth,
        "object_repeated": measures.get("repeated", 0) - measures.get("repeated_before", 0) > settings.max_repeated,
        "category_missed": below("category_similarity", settings.min_category_similarity),
        "prompt_missed": below("prompt_similarity", settings.min_prompt_similarity),
    }
    return next((reason for reason, holds in verdicts.items() if holds), "")
