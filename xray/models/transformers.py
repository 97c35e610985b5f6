"""Image classifiers of transformers, from the Hugging Face hub or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Classifier, Colour, Pixels, Trainable
from xray.models.classifier import Network, Preprocessing, place
from xray.models.head import accepted_side, check_classes, with_weights
from xray.models.weights.checkpoint import not_to_be_had

if TYPE_CHECKING:
    import torch

_TEXT_FIELDS = ("size", "crop_size", "crop_pct", "resample", "image_mean", "image_std")


def _preprocessing(processor: Any) -> Preprocessing:
    def apply(image_HWC: Pixels) -> torch.Tensor:
        batch = processor(images=[image_HWC], return_tensors="pt", input_data_format="channels_last")
        return batch["pixel_values"][0]  # type: ignore[no-any-return]

    kind, config = type(processor).__name__, processor.to_dict()
    said = ", ".join(f"{field} {config[field]}" for field in _TEXT_FIELDS if config.get(field) is not None)
    return Preprocessing(apply, f"{kind}: {said}", (kind, json.dumps(config, sort_keys=True, default=str)))


@settings
class Transformers(Classifier):
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
        """`owner/name`, `owner/name@revision` or a folder."""
        if rest.startswith(("/", ".", "~")):
            return cls(model=str(Path(rest).expanduser()))
        model, _, revision = rest.partition("@")
        return cls(model=model, revision=revision or None)

    @property
    def _pinned(self) -> dict[str, Any]:
        return {"revision": self.revision, "trust_remote_code": False}

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        from transformers import AutoImageProcessor

        what, pinned = f"hf:{self.model}", self._pinned
        try:
            processor = AutoImageProcessor.from_pretrained(self.model, **pinned)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise not_to_be_had(what, error) from error
        module = self._published()
        return place(module, _preprocessing(processor), device, what, module.config.num_labels)

    def _published(self) -> Any:
        """The module with all of its weights."""
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForImageClassification
        from transformers.utils import logging

        # Workers share one terminal, on which the run shows its own progress.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        what = f"hf:{self.model}"
        try:
            module, report = AutoModelForImageClassification.from_pretrained(
                self.model, **self._pinned, dtype=torch.float32, weights_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise not_to_be_had(what, error) from error
        unset = sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})
        if unset:  # transformers would go on with random ones
            raise XrayError(f"the weights do not fit {what}: {len(unset)} missing ({', '.join(unset[:3])})")
        return module

    def _config(self) -> Any:
        """The architecture's config, which is all that training from scratch needs of a model."""
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(self.model, **self._pinned)
        except (OSError, ValueError) as error:
            raise not_to_be_had(f"hf:{self.model}", error) from error

    def side(self, wanted: int | None = None) -> int:
        """See `Classifier.side`; multiples of the patch where there are patches, any for convolutions."""
        config = self._config()
        own = getattr(config, "image_size", None) or 224
        patch = getattr(config, "patch_size", None)
        if not isinstance(own, int) or not isinstance(patch, int | None):
            raise XrayError(
                f"hf:{self.model} cannot be trained: its input of {own} in patches of {patch} is not square"
            )
        fixed = hasattr(config, "image_size")
        return accepted_side(f"hf:{self.model}", own, wanted, patch if fixed else 1)

    def _normalisation(self, needed: bool) -> tuple[Colour, Colour]:
        """Mean and standard deviation of its processor; ImageNet's if there is none and no weights ask for one."""
        from transformers import AutoImageProcessor

        try:
            processor = AutoImageProcessor.from_pretrained(self.model, **self._pinned)  # type: ignore[no-untyped-call]
            return tuple(processor.image_mean), tuple(processor.image_std)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            if needed:
                raise not_to_be_had(f"hf:{self.model}", error) from error
            return IMAGENET_MEAN, IMAGENET_STD

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; from scratch it needs only the model's config."""
        from transformers import AutoModelForImageClassification

        from xray.models.parts.logits import Logits

        what = f"hf:{self.model}"
        check_classes(classes, what)
        chosen = self.side(side)

        def build(count: int) -> torch.nn.Module:
            config = self._config()
            config.num_labels = count
            if hasattr(config, "image_size"):
                config.image_size = chosen
            try:
                return AutoModelForImageClassification.from_config(config)  # type: ignore[no-untyped-call,no-any-return]
            except ValueError as error:
                raise XrayError(f"{what} is no classifier: {str(error).partition(':')[0]}") from error

        if pretrained:
            module, origin = with_weights(build, classes, self._published().state_dict(), what)
        else:
            module, origin = build(classes), "from scratch"
        mean, std = self._normalisation(needed=pretrained)
        return Trainable(Logits(module), self.task, chosen, mean, std, f"{what}, {origin}")
