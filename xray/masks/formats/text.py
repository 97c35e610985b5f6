"""The annotation format `text`: photographs without annotations, whose objects are found by words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.core.plugins import field_of, settings
from xray.masks.base import Annotations, Mask, Refiner
from xray.masks.given import Given
from xray.masks.quality import Share
from xray.masks.text.detector import Detector
from xray.masks.text.families import GroundingDino
from xray.masks.text.selection import Instances, Rules
from xray.sources.base import Candidate

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Phrases = Phrase | tuple[Phrase, ...]


@settings
class Text(Annotations):
    """A format without files: a detector looks for the category's name, and the refiner turns its boxes into a mask.

    The refiner must take boxes, such as `sam` or `grabcut`; `given` keeps the masks of a detector that makes some
    (`sam3`). Detectors find some categories better than others: compare the losses by category that the report lists.

    Args:
        detector: the network that finds boxes for a phrase.
        phrase: what to look for; `{name}` is the category's name. Several phrases in a list must find the same.
        phrases: phrases of single categories, by name, where the name means several things (crane, mouse).
        threshold: minimum score of a box, 0–1.
        instances: `all`: the mask is that of all objects found, so that none is left in the background; `best`: of the
            one with the highest score.
        max_instances: maximum number of objects; with more, the photograph is rejected (several_objects).
        min_area: minimum share of the photograph that a box covers, 0–1; smaller ones do not count.
        max_area: maximum share of the photograph that a box covers, 0–1; larger ones do not count, since they say
            nothing about where the object is.
        agree: minimum IoU of the regions that the boxes of two phrases cover, 0–1; below it, the photograph is
            rejected (phrases_disagree). The mask is made from the boxes of the first phrase.

    >>> Text(phrase=("{name}", "animal"), phrases={"crane": "crane bird"}).phrases_of("red_fox")
    ('red fox', 'animal')
    """

    name: ClassVar[str] = "text"
    summary: ClassVar[str] = "no annotations: a detector finds the category's name (Grounding DINO, OWLv2, SAM 3)"
    separate: ClassVar[bool] = False

    detector: Annotated[Detector, *field_of("detector", Detector)] = GroundingDino()
    phrase: Phrases = "{name}"
    phrases: dict[str, Phrases] = field(default_factory=dict)
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    instances: Instances = "all"
    max_instances: Annotated[int, Field(ge=1, le=64)] = 16
    min_area: Share = 0.001
    max_area: Share = 0.95
    agree: Share = 0.5

    @property
    def rules(self) -> Rules:
        """The settings that decide which boxes count."""
        return Rules(self.threshold, self.instances, self.max_instances, self.min_area, self.max_area)

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Remove the annotations of the source; see `Annotations.attach`.

        Raises:
            ConfigError: a phrase has an unknown placeholder, or a category's name is no word.
        """
        for candidate in candidates:
            self.phrases_of(candidate.category)
            yield replace(candidate, mask_uri=None, boxes=(), points=(), drawn_on=None)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`: there is no given mask."""
        raise Rejected("missing_mask", "masks are made from text")

    def phrases_of(self, category: str) -> tuple[str, ...]:
        """Return the phrases to look for in photographs of a category.

        Raises:
            ConfigError: a phrase has an unknown placeholder, or the category's name is no word.
        """
        chosen = self.phrases.get(category, self.phrase)
        patterns = (chosen,) if isinstance(chosen, str) else chosen
        if not patterns:
            raise ConfigError("masks.annotations: `phrase` is an empty list; write `phrase: '{name}'`")
        return tuple(self._filled(pattern, category) for pattern in patterns)

    def _filled(self, pattern: str, category: str) -> str:
        if unknown := set(re.findall(r"\{[^}]*\}", pattern)) - {"{name}"}:
            raise ConfigError(
                f"masks.annotations: the phrase {pattern!r} has {', '.join(sorted(unknown))}; only {{name}} is known"
            )
        name = " ".join(re.sub(r"^n\d{8}[-_ ]", "", category).replace("_", " ").split())
        if "{name}" in pattern and (re.fullmatch(r"n?\d+", name) or not re.search(r"\w", name)):
            raise ConfigError(
                f"masks.annotations: a detector cannot look for the category {category!r}; write what it is, such as "
                f"`phrases: {{{category!r}: red fox}}`"
            )
        return pattern.replace("{name}", name)

    def combine(self, refiner: Refiner) -> Refiner:
        """Put the detector before the refiner; see `Annotations.combine`.

        Raises:
            ConfigError: `given` with a detector that makes no masks.
        """
        from xray.masks.text.refiner import TextRefiner

        if isinstance(refiner, Given) and not self.detector.gives_masks:
            raise ConfigError(
                f"the detector {self.detector.name!r} finds boxes, not masks: write `masks: {{annotations: {{kind: "
                "text}, refine: {kind: sam, model: sam2.1-hiera-large}}`, or `refine: grabcut`"
            )
        if type(refiner).name == "guess":
            raise ConfigError("`refine: guess` uses no annotations: write `refine: sam`, or leave out `kind: text`")
        return TextRefiner(self, refiner)
