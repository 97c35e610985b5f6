"""Measures inpainted images with the models of a filter, and gives each a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xray.backgrounds.filtering.clip import Clip, SafetyChecker
from xray.backgrounds.filtering.measures import accepted_probability, background_contrast, object_growth, object_masks
from xray.core.device import DeviceModel
from xray.core.types import Photo, Pixels
from xray.masks.base import RefinedMask, RefinerInput
from xray.models.base import Loaded
from xray.sources.categories.base import Category

if TYPE_CHECKING:
    from xray.backgrounds.filtering.settings import Filter

T = TypeVar("T")

MEASURES = ("contrast", "nsfw", "growth", "repeated", "category_similarity", "prompt_similarity")
"""Everything that can be measured of an image."""

_BATCH = 8
"""Images per batch. Fixed, and counted from the first image, so that the same images give bit-identical numbers."""


@dataclass(frozen=True)
class FilterInput:
    """An inpainted image to be judged.

    Args:
        photo: the photograph it was made from, with the mask of the object in both. Images of one photograph share
            this object: then the photograph is measured once.
        image: the image as it will be stored, RGB, uint8, of the photograph's size.
        category: the object's category.
        prompt: the text it was made from.
        nsfw: the verdict of the inpainter's own safety checker; None: it has none.
    """

    photo: Photo
    image: Pixels
    category: Category
    prompt: str
    nsfw: bool | None = None


@dataclass(frozen=True)
class Verdict:
    """The filter's result for an image.

    Args:
        reason: a code of `xray.core.schema.FILTERED`; empty: it passes.
        measures: values by name, also of an image that passes: those of `MEASURES` (`nsfw` is 0 or 1), and
            `repeated_before`, of the photograph. A measure whose model is not configured is absent.
    """

    reason: str
    measures: Mapping[str, float]


@dataclass(frozen=True)
class LoadedFilter:
    """A filter with its models on a device; created by `Filter.load`.

    Args:
        settings: the thresholds, and the names of categories.
        facts: the checks and models used, as plain JSON values; recorded with every image.
        classifier: None: `repeated` is not measured.
        clip: None: the similarities are not measured.
        safety: None: only the inpainter's own checker counts.
        refiner: None: `growth` is not measured.
    """

    settings: Filter
    facts: Mapping[str, Any]
    classifier: Loaded | None = None
    clip: Clip | None = None
    safety: SafetyChecker | None = None
    refiner: DeviceModel[RefinerInput, RefinedMask] | None = None

    def judge(self, items: Sequence[FilterInput]) -> list[Verdict]:
        """Return a verdict for each image; everything is measured, also where the first measure already rejects it."""
        measured: list[dict[str, float]] = [{} for _ in items]
        for start in range(0, len(items), _BATCH):
            batch = slice(start, start + _BATCH)
            for name, values in self._measure(items[batch]):
                for measures, value in zip(measured[batch], values, strict=True):
                    if value is not None:
                        measures[name] = round(float(value), 6)
        return [Verdict(rejection_reason(measures, self.settings), measures) for measures in measured]

    def _measure(self, batch: Sequence[FilterInput]) -> Iterator[tuple[str, Iterable[float | None]]]:
        pictures = [Photo(item.image, item.photo.mask) for item in batch]
        yield "contrast", map(background_contrast, pictures)
        yield "nsfw", self._nsfw(batch)
        if self.refiner is not None:
            yield "growth", _growths(self.refiner, batch, pictures)
        if self.classifier is not None:
            classifier = self.classifier
            yield "repeated", accepted_probability(classifier, pictures, _accepted(batch))
            yield (
                "repeated_before",
                _per_photo(batch, lambda some: accepted_probability(classifier, _photos(some), _accepted(some))),
            )
        if self.clip is not None:
            images_ND = self.clip.images([item.image for item in batch], whole=True)
            categories = [f"a photo of {with_article(item.category.name, self.settings.names)}" for item in batch]
            yield "category_similarity", self.clip.similarity(images_ND, categories)
            yield "prompt_similarity", self.clip.similarity(images_ND, [item.prompt for item in batch])

    def _nsfw(self, batch: Sequence[FilterInput]) -> list[bool | None]:
        own = [item.nsfw for item in batch]
        if self.safety is None:
            return own
        flagged = self.safety.flags([item.image for item in batch])
        return [bool(one) or other for one, other in zip(own, flagged, strict=True)]


def _growths(
    refiner: DeviceModel[RefinerInput, RefinedMask], batch: Sequence[FilterInput], pictures: Sequence[Photo]
) -> list[float | None]:
    before = _per_photo(batch, lambda some: object_masks(refiner, _photos(some)))
    masks = [picture.mask for picture in pictures]
    return [object_growth(*three) for three in zip(masks, before, object_masks(refiner, pictures), strict=True)]


def _per_photo(batch: Sequence[FilterInput], measure: Callable[[Sequence[FilterInput]], Iterable[T]]) -> list[T]:
    """Measure each distinct photograph once, and return its value for each image."""
    distinct = {id(item.photo): item for item in batch}
    values = dict(zip(distinct, measure(list(distinct.values())), strict=True))
    return [values[id(item.photo)] for item in batch]


def _photos(items: Sequence[FilterInput]) -> list[Photo]:
    return [item.photo for item in items]


def _accepted(items: Sequence[FilterInput]) -> list[Sequence[int]]:
    return [item.category.indices for item in items]


def with_article(category: str, names: Mapping[str, str]) -> str:
    """Return a category's name with its indefinite article, or its entry in `names`.

    >>> with_article("airship", {}), with_article("red fox", {}), with_article("bovid", {"bovid": "a cow or a sheep"})
    ('an airship', 'a red fox', 'a cow or a sheep')
    """
    article = "an" if category[:1].casefold() in set("aeiou") else "a"
    return names.get(category, f"{article} {category}")


def rejection_reason(measures: Mapping[str, float], thresholds: Filter) -> str:
    """Return the code of the first threshold that the measures violate; empty if there is none."""

    def below(name: str, minimum: float | None) -> bool:
        return minimum is not None and measures.get(name, math.inf) < minimum

    violated = {
        "nsfw": measures.get("nsfw", 0) > 0,
        "blank_picture": below("contrast", thresholds.min_contrast),
        "object_extended": measures.get("growth", 0) > thresholds.max_growth,
        "object_repeated": measures.get("repeated", 0) - measures.get("repeated_before", 0) > thresholds.max_repeated,
        "category_missed": below("category_similarity", thresholds.min_category_similarity),
        "prompt_missed": below("prompt_similarity", thresholds.min_prompt_similarity),
    }
    return next((reason for reason, holds in violated.items() if holds), "")
