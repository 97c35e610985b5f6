"""Image classifiers of transformers, from the Hugging Face hub or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from xray.errors import XrayError
from xray.models.base import Classifier, Pixels
from xray.models.checkpoint import not_to_be_had
from xray.models.network import Network, Preprocessing, place
from xray.plugins import settings

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

    def load(self, device: str) -> Network:
        """See `Classifier.load`."""
        import torch
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageClassification
        from transformers.utils import logging

        # Workers share one terminal, on which the run shows its own progress.
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        what = f"hf:{self.model}"
        pinned = {"revision": self.revision, "trust_remote_code": False}
        try:
            processor = AutoImageProcessor.from_pretrained(self.model, **pinned)  # type: ignore[no-untyped-call]
            module, report = AutoModelForImageClassification.from_pretrained(
                self.model, **pinned, dtype=torch.float32, weights_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise not_to_be_had(what, error) from error
        unset = sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})
        if unset:  # transformers would go on with random ones
            raise XrayError(f"the weights do not fit {what}: {len(unset)} missing ({', '.join(unset[:3])})")
        return place(module, _preprocessing(processor), device, what, module.config.num_labels)
