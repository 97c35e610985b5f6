"""The settings of the filter that rejects unusable inpainted images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from xray.backgrounds.filtering.clip import Clip, SafetyChecker
from xray.backgrounds.filtering.judge import MEASURES, LoadedFilter
from xray.core.device import DeviceModel
from xray.core.errors import ConfigError, extra
from xray.core.plugins import settings, settings_of
from xray.masks.base import RefinedMask, Refiner, RefinerInput
from xray.models.registry import local_weights, parse_model, same_model
from xray.models.weights import locate

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]

_NO_REFINER = "the filter's `refine` needs a mask refiner with weights: masks: {refine: sam}"


@settings
class Filter:
    """Which inpainted images are rejected. Every model is optional; only measures whose model is set are taken.

    Args:
        min_contrast: minimum standard deviation of the background's luma (Rec. 601, levels 0–255); below it the image
            is `blank_picture`. A black frame has 0, one colour under noise of σ 4 has 3. Among 66 ImageNet photographs
            the lowest were 2.5 (an even sky), 5.9 and 17.7, the median 52: a very even sky or wall is rejected as well.
            Blind to two colours of equal luma.
        classifier: model string (see `xray.models.parse_model`). The classifier sees the image, and the photograph,
            with the object hidden under the mean colour of their backgrounds: does it find the object's category again?
            Do not use a model that is evaluated: it would select the images that it is tested on.
        max_repeated: maximum increase, from photograph to image, of the probability (0–1) of the category's accepted
            indices; above it the image is `object_repeated`. The outline of the hidden object, or a place typical of
            the category, can be mistaken for the object, in the photograph as well as in the image. A classifier names
            the main thing it sees: it misses small copies, copies beside something larger, and copies of an object that
            the photograph showed twice.
        clip: folder of a CLIPModel with its CLIPProcessor, or a name of `xray weights list`. CLIP sees the whole image,
            object included, squeezed into its square input; the published preprocessing crops the centre. Cosines
            measure what the image shows, not whether it looks real; numbers and negations are hardly understood.
            Cosines of different CLIP models are not comparable: set thresholds from recorded values. Texts longer than
            CLIP's limit (77 tokens) are truncated, for the cosine only.
        min_prompt_similarity: minimum cosine with the prompt; below it the image is `prompt_missed`. None: only
            recorded.
        min_category_similarity: minimum cosine with "a photo of a CATEGORY"; below it the image is `category_missed`.
            None: only recorded. As the object itself is unchanged, this finds images whose background hides or
            outshines it.
        names: names of categories in that text, with the article, by category: `{bigungulate: a large hoofed animal}`.
            Other categories use their own name, after "an" before a, e, i, o, u, and after "a" otherwise.
        safety: folder of a StableDiffusionSafetyChecker with its preprocessor_config.json, or a name of `xray weights
            list`. Images that it flags are `nsfw`, as are those flagged by the inpainter's own checker. It, too, sees
            the whole image, squeezed.
        refine: let the recipe's accelerated mask refiner segment the object, given its mask, in the image and in the
            photograph, to measure whether it has grown. The refiner looks only in and near the mask: it misses limbs
            inpainted far outside, and may include what merely touches the object.
        max_growth: maximum area that the refiner assigns to the object in the image, but neither in the photograph nor
            in its mask, as a multiple of the mask's area; above it the image is `object_extended`.
        min_keep_rate: minimum share of a scenario's images that must pass. After 100 images, a lower share ends the
            run: an inpainter that always fails costs as much as one that works.
    """

    min_contrast: Annotated[float, Field(ge=0, le=128)] = 4.0
    classifier: str | None = None
    max_repeated: Share = 0.5
    clip: str | None = None
    min_prompt_similarity: Cosine | None = None
    min_category_similarity: Cosine | None = None
    names: Mapping[str, str] = Field(default_factory=dict)
    safety: str | None = None
    refine: bool = False
    max_growth: Annotated[float, Field(ge=0)] = 0.5
    min_keep_rate: Annotated[float, Field(ge=0, le=1)] = 0.05

    def weights(self) -> Mapping[str, str]:
        """Return the references of the weights that `load` reads, by role.

        The classifier is included if its model string names a local file or folder. Published weights, which the
        classifier's library downloads, and files in object stores are not; the hash of the loaded weights is in
        `LoadedFilter.facts`.
        """
        own = None if self.classifier is None else local_weights(self.classifier)
        named = {"clip": self.clip, "safety": self.safety, "classifier": own}
        return {role: reference for role, reference in named.items() if reference is not None}

    def checks(self) -> list[str]:
        """Return which of `MEASURES` it takes of every image; an inpainter with its own checker adds `nsfw`."""
        models = {
            "nsfw": self.safety is not None,
            "growth": self.refine,
            "repeated": self.classifier is not None,
            "category_similarity": self.clip is not None,
            "prompt_similarity": self.clip is not None,
        }
        return [measure for measure in MEASURES if models.get(measure, True)]

    def describe(self) -> dict[str, Any]:
        """Return the settings in effect: those that are unset, or need a model that is unset, are left out.

        >>> Filter(refine=True, max_growth=0.2).describe()
        {'min_contrast': 4.0, 'refine': True, 'max_growth': 0.2, 'min_keep_rate': 0.05}
        """
        models = {
            "max_repeated": self.classifier,
            "min_prompt_similarity": self.clip,
            "min_category_similarity": self.clip,
            "names": self.clip,
            "max_growth": self.refine or None,
        }
        return {
            name: value
            for name, value in settings_of(self).items()
            if models.get(name, True) is not None and value is not None and value is not False and value != {}
        }

    def check(self, models: Mapping[str, str] | None = None, refiner: Refiner | None = None) -> list[str]:
        """Refuse, while planning, settings that cannot work.

        Args:
            models: model strings to be evaluated, by name.
            refiner: the recipe's mask refiner.

        Returns:
            Warnings, one sentence each.

        Raises:
            ConfigError: a threshold without its model, missing weights, an unknown classifier, or `refine` without a
                refiner that has weights.
        """
        self._check_models()
        if self.refine and not (refiner is not None and refiner.accelerated):
            raise ConfigError(_NO_REFINER, ("refine",))
        return [
            f"the filter's classifier {self.classifier!r} is also evaluated (as {name!r}): its accuracy on inpainted "
            "images is measured on images that it selected itself; use another classifier for the filter"
            for name, spec in (models or {}).items()
            if self.classifier is not None and same_model(spec, self.classifier)
        ]

    def _check_models(self) -> None:
        for name in ("min_prompt_similarity", "min_category_similarity"):
            threshold = getattr(self, name)
            if threshold is not None and self.clip is None:
                raise ConfigError(f"the filter's `{name}` ({threshold}) needs a CLIP model: set `clip`", (name,))
        for reference in self.weights().values():
            locate(reference)
        if self.classifier is not None:
            with extra("models"):
                parse_model(self.classifier).check()

    def load(self, device: str, refiner: DeviceModel[RefinerInput, RefinedMask] | None = None) -> LoadedFilter:
        """Load the models to a device, once per actor. Without any model nothing is imported, not even torch.

        Raises:
            ConfigError: as `check`; weights that are damaged or not safe.
        """
        self._check_models()
        if self.refine and refiner is None:
            raise ConfigError(_NO_REFINER, ("refine",))
        classifier, clip = None, None
        facts: dict[str, Any] = {"checks": self.checks()}
        facts |= {role: reference for role, reference in self.weights().items() if role != "classifier"}
        if self.classifier is not None:
            with extra("models"):
                classifier = parse_model(self.classifier).load(device)
            facts["classifier"] = {
                "spec": self.classifier,
                "weights": classifier.weights_sha256,
                "preprocessing": classifier.preprocessing,
            }
        if self.clip is not None:
            clip = Clip(self.clip, device)
            facts["clip_context"] = clip.context
            facts["clip_input"] = f"the whole picture, squeezed to {clip.side}×{clip.side}"
        if self.refine and refiner is not None:
            facts["refiner"] = dict(refiner.facts)
        safety = None if self.safety is None else SafetyChecker(self.safety, device)
        return LoadedFilter(self, facts, classifier, clip, safety, refiner if self.refine else None)
