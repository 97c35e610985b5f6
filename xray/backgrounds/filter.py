"""The automatic filter after painting: which pictures are no use, and what was measured of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from xray.backgrounds.clip import Clip, SafetyChecker
from xray.backgrounds.measures import contrast, growths, repeated
from xray.categories.base import Category
from xray.device import DeviceModel
from xray.errors import XrayError, extra
from xray.masks.base import Refined, Unrefined
from xray.models.base import Loaded
from xray.models.spec import parse_model
from xray.plugins import settings
from xray.scenarios.base import Photo, Pixels

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]

_BATCH = 8
"""Pictures at once. Fixed, and counted from the first of those that are given, so that the same ones give the same
numbers to the last bit."""


@dataclass(frozen=True)
class Judged:
    """A picture that is to be judged.

    Args:
        photo: the photograph that it was made of, and where the object is, in both.
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
        reason: a code of `xray.schema.FILTERED`; empty: it passes.
        measures: what was measured, whether it passes or not: `contrast`, `repeated`, `prompt_similarity`,
            `category_similarity`, `growth`, `nsfw` (0 or 1). Without the model for it, a measure is not there.
    """

    reason: str
    measures: Mapping[str, float]


@settings
class Filter:
    """Which painted pictures are refused. Every model is optional: only what one is given for is measured.

    Args:
        min_contrast: standard deviation of the background's luma (Rec. 601, levels 0–255) below which the picture is
            `blank_picture`. A black frame has 0, one colour under noise of σ 4 has 3. Among 66 photographs of ImageNet
            the lowest were 2.5 (an even sky), 5.9 and 17.7, the median 52: a very even sky or wall is refused as well.
            Blind to two colours of equal luma.
        classifier: model string (see `xray.models.parse_model`) that looks at the picture with the object hidden under
            the mean colour of the background: does it see the object's category again?
        max_repeated: probability, 0–1, of the category's accepted indices there, above which the picture is
            `object_repeated`. A classifier names the main thing it sees: small copies, and copies beside something
            larger, stay unseen, and the outline of the hidden object or a place that the category is known for can be
            taken for the object itself.
        clip: folder of a CLIPModel with its CLIPProcessor, or a name of `xray weights list`. Cosines with the whole
            picture, object included: they say what it shows, not whether it looks real; numbers and negations are
            hardly understood. Cosines of different CLIP models are not comparable: set thresholds after a look at
            recorded ones. Longer texts than CLIP takes (77 tokens) are cut, for the cosine only.
        min_prompt_similarity: cosine with the prompt below which the picture is `prompt_missed`; None: only recorded.
        min_category_similarity: cosine with "a photo of a CATEGORY" below which it is `category_missed`; None: only
            recorded. As the object itself is untouched, this finds pictures whose new world hides or outshines it.
        safety: folder of a StableDiffusionSafetyChecker with its preprocessor_config.json, or a name of `xray weights
            list`: pictures that it flags are `nsfw`, as are those that the painter's own checker flags.
        refine: ask the recipe's accelerated mask refiner for the object in the new picture, by the box of its mask: has
            it grown? A box holds the refiner to what is in and near it: limbs that were painted far outside stay
            unseen, and what merely touches the object may be taken as part of it.
        max_growth: area of the new mask outside the old one, in areas of the old one, above which the picture is
            `object_extended`.
    """

    min_contrast: Annotated[float, Field(ge=0, le=128)] = 4.0
    classifier: str | None = None
    max_repeated: Share = 0.5
    clip: str | None = None
    min_prompt_similarity: Cosine | None = None
    min_category_similarity: Cosine | None = None
    safety: str | None = None
    refine: bool = False
    max_growth: Annotated[float, Field(ge=0)] = 0.5

    def weights(self) -> Mapping[str, str]:
        """What `load` reads, by role; the classifier's weights are hashed when they are loaded."""
        return {role: given for role, given in (("clip", self.clip), ("safety", self.safety)) if given is not None}

    def check(self) -> None:
        """Refuse, in the plan, what cannot work.

        Raises:
            XrayError: a threshold without the model that it is for, weights that are not there, no such classifier.
        """
        thresholds = {
            "min_prompt_similarity": self.min_prompt_similarity,
            "min_category_similarity": self.min_category_similarity,
        }
        for name, threshold in thresholds.items():
            if threshold is not None and self.clip is None:
                raise XrayError(f"the filter's `{name}` ({threshold}) needs a CLIP model: set `clip`", (name,))
        if self.weights():
            from xray.weights import locate

            for reference in self.weights().values():
                locate(reference)
        if self.classifier is not None:
            with extra("models"):
                parse_model(self.classifier).check()

    def load(self, device: str, refiner: DeviceModel[Unrefined, Refined] | None = None) -> LoadedFilter:
        """Bring the models to a device, once an actor. Without any model nothing is imported, torch included.

        Args:
            device: `cpu`, `cuda` or `cuda:<number>`.
            refiner: the recipe's accelerated mask refiner, if `refine` is set.

        Raises:
            XrayError: as `check`; weights that are damaged or not safe; `refine` without a refiner.
        """
        self.check()
        if self.refine and refiner is None:
            raise XrayError(
                "the filter's `refine` needs a mask refiner with weights: masks: {refine: sam}", ("refine",)
            )
        classifier = None
        if self.classifier is not None:
            with extra("models"):
                classifier = parse_model(self.classifier).load(device)
        return LoadedFilter(
            self,
            classifier,
            None if self.clip is None else Clip(self.clip, device),
            None if self.safety is None else SafetyChecker(self.safety, device),
            refiner if self.refine else None,
        )


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
        """What judged, as plain JSON values: models, and the hash of the classifier's weights."""
        facts: dict[str, Any] = dict(self.settings.weights())
        if self.classifier is not None:
            facts["classifier"] = {
                "spec": self.settings.classifier,
                "weights": self.classifier.weights_sha256,
                "preprocessing": self.classifier.preprocessing,
            }
        if self.clip is not None:
            facts["clip_context"] = self.clip.context
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
            yield "growth", growths(self.refiner, pictures)
        if self.classifier is not None:
            yield "repeated", repeated(self.classifier, pictures, [item.category.indices for item in batch])
        if self.clip is not None:
            images_ND = self.clip.images([item.image for item in batch])
            categories = [f"a photo of a {item.category.name}" for item in batch]
            yield "category_similarity", self.clip.similarity(images_ND, categories)
            yield "prompt_similarity", self.clip.similarity(images_ND, [item.prompt for item in batch])

    def _nsfw(self, batch: Sequence[Judged]) -> list[bool | None]:
        own = [item.nsfw for item in batch]
        if self.safety is None:
            return own
        flagged = self.safety.flags([item.image for item in batch])
        return [bool(one) or other for one, other in zip(own, flagged, strict=True)]


def reason_of(measures: Mapping[str, float], settings: Filter) -> str:
    """The first reason to refuse a picture by what was measured of it; empty if there is none.

    >>> reason_of({"contrast": 1.2, "nsfw": 1.0}, Filter()), reason_of({"contrast": 30.0, "growth": 0.4}, Filter())
    ('nsfw', '')
    """

    def below(name: str, least: float | None) -> bool:
        return least is not None and measures.get(name, math.inf) < least

    verdicts = {
        "nsfw": measures.get("nsfw", 0) > 0,
        "blank_picture": below("contrast", settings.min_contrast),
        "object_extended": measures.get("growth", 0) > settings.max_growth,
        "object_repeated": measures.get("repeated", 0) > settings.max_repeated,
        "category_missed": below("category_similarity", settings.min_category_similarity),
        "prompt_missed": below("prompt_similarity", settings.min_prompt_similarity),
    }
    return next((reason for reason, holds in verdicts.items() if holds), "")
