"""A guide to backgrounds that mislead a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from xray.backgrounds.inpainting.guidance.base import Guide, GuideTarget
from xray.core.errors import ConfigError, XrayError, extra
from xray.core.plugins import settings, settings_of
from xray.core.types import Pixels
from xray.models.registry import is_folder, local_weights, parse_model, same_model
from xray.sources.base import join_names
from xray.sources.categories.base import Category

if TYPE_CHECKING:
    import torch

    from xray.backgrounds.inpainting.guidance.surrogate import Surrogate


def _model(spec: str) -> str:
    if not is_folder(spec):  # a folder may exist on other machines only
        parse_model(spec)
    return spec


@settings
class Adversarial(Guide):
    """Backgrounds in which a surrogate classifier no longer finds the object, whose own pixels stay as they are.

    Only the background is moved. The surrogate sees the whole image with the object put back. A model with the weights
    of the surrogate is attacked directly (white box), all others by what transfers: report the two apart.

    Args:
        surrogate: model string, such as `timm:resnet50`, or a folder; see `xray list models`. Its classes are
            ImageNet-1k's.
        strength: from -1 to 1; see `complexity`. Below 0 the surrogate is helped.
        decoder: see `complexity`.
    """

    name: ClassVar[str] = "adversarial"
    summary: ClassVar[str] = "backgrounds in which a surrogate classifier misses the object"

    surrogate: Annotated[str, AfterValidator(_model)]
    strength: Annotated[float, Field(ge=-1, le=1)]
    decoder: str | None = None

    @property
    def adversarial(self) -> bool:
        """See `Guide.adversarial`; without strength it is the control."""
        return self.strength != 0

    @property
    def phrase(self) -> str:
        """See `Guide.phrase`."""
        return f"that misleads {self.surrogate} (strength {self.strength:g})"

    def weights(self) -> Mapping[str, str]:
        """See `Guide.weights`; the hash of published weights is in the facts of the loaded guide."""
        own = local_weights(self.surrogate)
        return {**Guide.weights(self), **({} if own is None else {"surrogate": own})}

    def check(self) -> None:
        """See `Guide.check`."""
        Guide.check(self)
        try:
            with extra("models"):
                labels = parse_model(self.surrogate).check_evaluation()
        except XrayError as error:
            raise ConfigError(f"the surrogate {self.surrogate!r}: {error}") from error
        if labels is not None:
            raise ConfigError(f"the surrogate {self.surrogate!r} has other classes than ImageNet-1k's")

    def check_models(self, models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
        """See `Guide.check_models`."""
        if own := [repr(category.name) for category in categories if category.own]:
            raise ConfigError(
                f"the surrogate {self.surrogate!r} knows ImageNet's classes only, and ImageNet has no class of "
                f"{join_names(own)}: remove `guide`, or leave these categories out"
            )
        return [
            f"the surrogate {self.surrogate!r} is also evaluated, as {name!r}: its accuracy on these images is that "
            "under a white-box attack, the accuracy of other models that under a transferred one"
            for name, spec in models.items()
            if same_model(spec, self.surrogate)
        ]

    def load(self, device: str) -> LoadedAdversarial:
        """See `Guide.load`."""
        with extra("models"):
            from xray.backgrounds.inpainting.guidance.surrogate import Surrogate

            loaded = parse_model(self.surrogate).load(device)
        return LoadedAdversarial(self, Surrogate.of(loaded, self.surrogate))


@dataclass(frozen=True)
class LoadedAdversarial:
    """See `LoadedGuide`."""

    settings: Adversarial
    surrogate: Surrogate

    @property
    def facts(self) -> Mapping[str, Any]:
        """The settings, and the surrogate's weights and preprocessing."""
        loaded = self.surrogate.loaded
        used = {"surrogate_weights": loaded.weights_sha256, "surrogate_preprocessing": loaded.preprocessing}
        return {"kind": Adversarial.name, **settings_of(self.settings), **used}

    def score(self, images: Sequence[torch.Tensor], targets: Sequence[GuideTarget]) -> torch.Tensor:
        """Return the negative logarithm of the probability of the right classes."""
        return -self.surrogate.log_probability(images, [target.accepted for target in targets])

    def measure(self, images: Sequence[Pixels], targets: Sequence[GuideTarget]) -> list[dict[str, Any]]:
        """Return the surrogate's probability of the right classes, before (in the photographs) and after."""
        accepted = [target.accepted for target in targets]
        before = self.surrogate.probability([target.photo.image for target in targets], accepted)
        after = self.surrogate.probability(images, accepted)
        return [{"p_true": {"before": one, "after": other}} for one, other in zip(before, after, strict=True)]
