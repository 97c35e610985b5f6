"""Image classifiers of transformers, from the Hugging Face hub or a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import MALFORMED, ConfigError, XrayError
from xray.core.plugins import settings
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Colour, Labels, Pixels, Trainable, check_classes
from xray.models.family import Family
from xray.models.head import MIN_SIDE
from xray.models.loaded import LoadedNetwork, Preprocessing
from xray.models.output_labels import imagenet_order, own_labels
from xray.models.weights.availability import cached_folder, check_hub, read_config
from xray.models.weights.checkpoint import weights_unavailable
from xray.models.weights.pretrained import hide_progress_bars, unset_weights

if TYPE_CHECKING:
    import torch

_TEXT_FIELDS = ("size", "crop_size", "crop_pct", "resample", "image_mean", "image_std")


def _preprocessing(processor: Any) -> Preprocessing:
    def apply(image_HWC: Pixels) -> torch.Tensor:
        batch = processor(images=[image_HWC], return_tensors="pt", input_data_format="channels_last")
        return batch["pixel_values"][0]  # type: ignore[no-any-return]

    kind, config = type(processor).__name__, processor.to_dict()
    fields = ", ".join(f"{field} {config[field]}" for field in _TEXT_FIELDS if config.get(field) is not None)
    return Preprocessing(apply, f"{kind}: {fields}", (kind, json.dumps(config, sort_keys=True, default=str)))


@settings
class Transformers(Family):
    """An image classifier of transformers; code that comes with a model is never run.

    Args:
        model: `owner/name` on the hub, or the path of a folder.
        revision: branch, tag or commit on the hub; a commit pins the weights.
    """

    name: ClassVar[str] = "hf"
    summary: ClassVar[str] = "Hugging Face transformers: hf:google/vit-base-patch16-224, hf:owner/name@revision"

    model: str
    revision: str | None = None

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Parse `owner/name`, `owner/name@revision` or the path of a folder."""
        if rest.startswith(("/", ".", "~")) or (Path(rest) / "config.json").is_file():
            return cls(model=str(Path(rest).expanduser().absolute()))
        model, _, revision = rest.partition("@")
        return cls(model=model, revision=revision or None)

    @property
    def title(self) -> str:
        """See `Family.title`."""
        return f"hf:{self.model}"

    def load(self, device: str) -> LoadedNetwork:
        """See `Classifier.load`; outputs are put in ImageNet's order by the labels in the model's configuration."""
        loaded = super().load(device)
        module: Any = loaded.module
        return replace(loaded, order=imagenet_order(module.config.id2label, self.title))

    def _labels(self, module: Any) -> Labels | None:
        return own_labels(module.config.id2label, self.title)

    def _check_published(self) -> Labels | None:
        config = self._checked_config()
        if config is None:
            return None
        kinds = config.get("architectures") or []
        if not any(str(kind).endswith("ForImageClassification") for kind in kinds):
            raise ConfigError(f"{self.title!r} is not an image classifier: its config.json says {kinds}")
        labels = {int(output): str(label) for output, label in (config.get("id2label") or {}).items()}
        if not labels:
            check_classes(config.get("num_labels", 2), self.title)
            return None
        imagenet_order(labels, self.title)
        return own_labels(labels, self.title)

    def _check_available(self) -> None:
        self._checked_config()

    def _checked_config(self) -> dict[str, Any] | None:
        """Return the configuration of weights that are here; None: the hub has them."""
        local = Path(self.model) if self.model.startswith("/") else cached_folder(self.model, self.revision)
        if local is not None:
            return read_config(local, self.title)
        check_hub(self.model, self.revision, self.title)
        return None

    def _from_pretrained(self, cls: Any, **options: Any) -> Any:
        """Call `from_pretrained` of a class of transformers at the pinned revision."""
        try:
            return cls.from_pretrained(self.model, revision=self.revision, trust_remote_code=False, **options)
        except MALFORMED as error:
            raise weights_unavailable(self.title, error) from error

    def _published(self) -> tuple[torch.nn.Module, Preprocessing, int]:
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        processor = self._from_pretrained(AutoImageProcessor)
        hide_progress_bars()
        module, report = self._from_pretrained(
            AutoModelForImageClassification, dtype=torch.float32, weights_only=True, output_loading_info=True
        )
        if unset := unset_weights(report):
            raise ConfigError(f"the weights do not fit {self.title}: {len(unset)} missing ({', '.join(unset[:3])})")
        return module, _preprocessing(processor), module.config.num_labels

    def _config(self) -> Any:
        """Return the architecture's config, which suffices to train from scratch."""
        from transformers import AutoConfig

        return self._from_pretrained(AutoConfig)

    def _sides(self) -> tuple[int, int | None, int]:
        """Multiples of the patch where there are patches, any for convolutions."""
        config = self._config()
        own = getattr(config, "image_size", None) or 224
        patch = getattr(config, "patch_size", None)
        if not isinstance(own, int) or not isinstance(patch, int | None):
            raise ConfigError(f"{self.title} cannot be trained: its input of {own} in patches of {patch} is not square")
        return own, patch if hasattr(config, "image_size") else 1, MIN_SIDE

    def _normalisation(self, pretrained: bool) -> tuple[Colour, Colour]:
        """Return the processor's; from scratch, ImageNet's if there is none."""
        from transformers import AutoImageProcessor

        try:
            processor = self._from_pretrained(AutoImageProcessor)
            return tuple(processor.image_mean), tuple(processor.image_std)
        except (XrayError, AttributeError, TypeError) as error:
            if pretrained:
                raise error if isinstance(error, XrayError) else weights_unavailable(self.title, error) from error
            return IMAGENET_MEAN, IMAGENET_STD

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; training from scratch needs only the model's config."""
        from xray.models.parts.logits import Logits

        network = super().trainable(classes, side, pretrained)
        return replace(network, module=Logits(network.module))

    def _build(self, classes: int, side: int) -> torch.nn.Module:
        from transformers import AutoModelForImageClassification

        config = self._config()
        config.num_labels = classes
        if hasattr(config, "image_size"):
            config.image_size = side
        try:
            return AutoModelForImageClassification.from_config(config)  # type: ignore[no-untyped-call,no-any-return]
        except ValueError as error:
            raise ConfigError(f"{self.title} is not a classifier: {str(error).partition(':')[0]}") from error
