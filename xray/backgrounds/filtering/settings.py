"""The automatic filter after painting: which pictures are no use, and by which models that is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from xray.backgrounds.filtering.clip import Clip, SafetyChecker
from xray.backgrounds.filtering.judge import MEASURES, Judged, LoadedFilter, Verdict, reason_of
from xray.core.device import DeviceModel
from xray.core.errors import XrayError, extra
from xray.core.plugins import settings, settings_of
from xray.core.uri import local_path
from xray.masks.base import Refined, Refiner, Unrefined
from xray.models.registry import parse_model

__all__ = ["MEASURES", "Filter", "Judged", "LoadedFilter", "Verdict", "reason_of"]

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]

_NO_REFINER = "the filter's `refine` needs a mask refiner with weights: masks: {refine: sam}"


@settings
class Filter:
    """Which painted pictures are refused. Every model is optional: only what one is given for is measured.

    Args:
        min_contrast: standard deviation of the background's luma (Rec. 601, levels 0–255) below which the picture is
            `blank_picture`. A black frame has 0, one colour under noise of σ 4 has 3. Among 66 photographs of ImageNet
            the lowest were 2.5 (an even sky), 5.9 and 17.7, the median 52: a very even sky or wall is refused as well.
            Blind to two colours of equal luma.
        classifier: model string (see `xray.models.parse_model`) that looks at the picture, and at the photograph, with
            the object hidden under the mean colour of their backgrounds: does it see the object's category again? Not
            one of those that are to be evaluated: it would select the pictures that it is tested on.
        max_repeated: the largest increase, from photograph to picture, of the probability (0–1) of the category's
            accepted indices; above it the picture is `object_repeated`. The outline of the hidden object, or a place
            that the category is known for, can be taken for the object: in the photograph as in a typical world. A
            classifier names the main thing it sees: small copies, and copies beside something larger, stay unseen, and
            so do those in place of an object that the photograph showed twice.
        clip: folder of a CLIPModel with its CLIPProcessor, or a name of `xray weights list`. Cosines with the whole
            picture, object included, squeezed into the square that the model takes, where the published processing
            cuts out the centre: they say what it shows, not whether it looks real; numbers and negations are hardly
            understood. Cosines of different CLIP models are not comparable: set thresholds after a look at recorded
            ones. Longer texts than CLIP takes (77 tokens) are cut, for the cosine only.
        min_prompt_similarity: cosine with the prompt below which the picture is `prompt_missed`; None: only recorded.
        min_category_similarity: cosine with "a photo of a CATEGORY" below which it is `category_missed`; None: only
            recorded. As the object itself is untouched, this finds pictures whose new world hides or outshines it.
        names: what to call categories there, by their names, with the article: `{bigungulate: a large hoofed animal}`.
            The others are called by their names, after "an" before a, e, i, o, u, and "a" else.
        safety: folder of a StableDiffusionSafetyChecker with its preprocessor_config.json, or a name of `xray weights
            list`: pictures that it flags are `nsfw`, as are those that the painter's own checker flags. It, too, sees
            the whole picture squeezed.
        refine: ask the recipe's accelerated mask refiner for the object, by its mask, in the picture and in the
            photograph: has it grown? The prompts hold the refiner to what is in and near the mask: limbs that were
            painted far outside stay unseen, and what merely touches the object may be taken as part of it.
        max_growth: area that is the object's in the picture, but neither in the photograph nor in its mask, in areas of
            the mask, above which the picture is `object_extended`.
        min_keep_rate: share of a scenario's pictures that must pass; after a hundred of them, less ends the run: a
            painter that fails everywhere costs as much as one that works.
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
        """What `load` reads, by role.

        A classifier is among it where its model string names a file or folder here. Published weights, which its
        library fetches, and files in object stores are not; the hash of what was loaded is in `LoadedFilter.facts`.

        Raises:
            XrayError: no such family of classifiers, or no model in the folder.
        """
        own = None if self.classifier is None else _own_weights(self.classifier)
        named = {"clip": self.clip, "safety": self.safety, "classifier": own}
        return {role: reference for role, reference in named.items() if reference is not None}

    def checks(self) -> list[str]:
        """Which of `MEASURES` it takes of each picture; `nsfw` is also had from painters that have a checker."""
        models = {
            "nsfw": self.safety is not None,
            "growth": self.refine,
            "repeated": self.classifier is not None,
            "category_similarity": self.clip is not None,
            "prompt_similarity": self.clip is not None,
        }
        return [measure for measure in MEASURES if models.get(measure, True)]

    def check(self, models: Mapping[str, str] | None = None, refiner: Refiner | None = None) -> list[str]:
        """Refuse, in the plan, what cannot work.

        Args:
            models: that are to be evaluated, model strings by name.
            refiner: of the recipe's masks.

        Returns:
            What people must know before pictures are painted, one sentence each.

        Raises:
            XrayError: a threshold without the model that it is for, weights that are not there, no such classifier;
                `refine` without a refiner that has weights.
        """
        self._check_models()
        if self.refine and not (refiner is not None and refiner.accelerated):
            raise XrayError(_NO_REFINER, ("refine",))
        return [
            f"the filter's classifier {self.classifier!r} is also asked (as {name!r}); its accuracy on painted worlds "
            "is measured on pictures that it has itself selected: give the filter another one"
            for name, spec in (models or {}).items()
            if self.classifier is not None and _same_model(spec, self.classifier)
        ]

    def _check_models(self) -> None:
        thresholds = {
            "min_prompt_similarity": self.min_prompt_similarity,
            "min_category_similarity": self.min_category_similarity,
        }
        for name, threshold in thresholds.items():
            if threshold is not None and self.clip is None:
                raise XrayError(f"the filter's `{name}` ({threshold}) needs a CLIP model: set `clip`", (name,))
        if self.weights():
            from xray.models.weights import locate

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
            XrayError: as `check`; weights that are damaged or not safe.
        """
        self._check_models()
        if self.refine and refiner is None:
            raise XrayError(_NO_REFINER, ("refine",))
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


def _own_weights(spec: str) -> str | None:
    """The file or folder here that a model string names, if it names one."""
    texts = [value for value in settings_of(parse_model(spec)).values() if isinstance(value, str)]
    for text in (text.removeprefix("local-dir:") for text in texts):
        path = local_path(text) or Path(text).expanduser()
        if path.is_file() or ("/" in text and path.is_dir()):  # a folder `resnet50` is no weights of timm:resnet50
            return str(path)
    return None


def _same_model(one: str, other: str) -> bool:
    try:
        return one == other or parse_model(one) == parse_model(other)
    except XrayError:  # of another machine, where it will be asked
        return False
