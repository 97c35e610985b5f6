"""SAM and SAM 2 from folders of transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.core.errors import Rejected, XrayError, extra
from xray.core.types import Pixels
from xray.masks.sam.network import Framed, Query
from xray.models.weights.pretrained import read_model, read_processor, refused

if TYPE_CHECKING:
    import torch

_KINDS = {"sam": ("SamModel", "SamProcessor"), "sam2": ("Sam2Model", "Sam2Processor")}
_ALSO = {"sam2_video": "sam2"}
"""Published folders of SAM 2 hold the video model; its image part is used."""


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """`sam` or `sam2`, as the folder's config.json says, and what else it says.

    Raises:
        XrayError: it is the folder of no SAM.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise XrayError(f"{str(folder)!r} is no model of transformers: no readable config.json") from error
    found = config.get("model_type") if isinstance(config, dict) else None
    kind = _ALSO.get(str(found), str(found))
    if kind not in _KINDS:
        raise XrayError(f"{str(folder)!r} is no SAM: its model_type is {found!r} (choices: {', '.join(_KINDS)})")
    return kind, {**config, "model_type": kind}


def read_folder(folder: Path) -> tuple[Any, Any]:
    """The model in a folder, from its safetensors alone, and its processor.

    Raises:
        XrayError: not there, damaged, not a SAM, or not all of its weights.
    """
    kind, config = read_config(folder)
    with extra("models"):
        import transformers

    model_class, processor_class = (getattr(transformers, name) for name in _KINDS[kind])
    try:
        read = model_class.config_class.from_dict(config)
    except (ValueError, TypeError, KeyError) as error:
        raise refused(model_class, folder, error) from error
    return read_model(model_class, folder, config=read), read_processor(processor_class, folder)


class TransformersSam:
    """A SAM or SAM 2 of transformers on a device; see `SamNetwork`.

    Args:
        folder: as `save_pretrained` writes it.
        device: `cpu`, `cuda` or `cuda:<number>`.
    """

    def __init__(self, folder: Path, device: str) -> None:
        module, self._processor = read_folder(folder)
        self._model = module.requires_grad_(False).to(device)
        self._squares = module.config.model_type == "sam2"  # it squeezes all images to squares, the first SAM pads them
        millions = sum(weight.numel() for weight in module.parameters()) / 1e6
        architecture = {"class": type(module).__name__, "parameters_M": round(millions, 3)}
        self.facts: Mapping[str, Any] = {"backend": "transformers", "architecture": architecture}

    @property
    def encoder(self) -> torch.nn.Module:
        """See `SamNetwork.encoder`."""
        return self._model.vision_encoder  # type: ignore[no-any-return]

    def frame(self, image_HWC: Pixels, queries: Sequence[Query]) -> Framed:
        """See `SamNetwork.frame`."""
        height, width = image_HWC.shape[:2]
        if not self._squares and 2 * self._processor.target_size * min(height, width) < max(height, width):
            raise Rejected("too_small", f"{width}×{height} pixels are too narrow for SAM")
        inputs: list[Any] = [
            self._processor(image_HWC, return_tensors="pt", input_data_format="channels_last", **_nested(query))
            for query in queries
        ]
        first = inputs[0]
        inner = first.get("reshaped_input_sizes", first["original_sizes"])[0].tolist()
        names = ("input_boxes", "input_points", "input_labels")
        placed = [{name: found[name] for name in names if name in found} for found in inputs]
        objects = [query.objects for query in queries]
        return Framed(first["pixel_values"][0], (height, width), tuple(inner), list(zip(objects, placed, strict=True)))

    def encode(self, framed: Sequence[Framed]) -> Sequence[Any]:
        """See `SamNetwork.encode`."""
        import torch

        pixels = torch.stack([one.pixels for one in framed]).to(self._model.device)
        found = self._model.get_image_embeddings(pixels)
        if not self._squares:
            return found.float().split(1)  # type: ignore[no-any-return]
        levels = [level.float().split(1) for level in found]
        return [list(of_one) for of_one in zip(*levels, strict=True)]

    def decode(self, embedding: Any, query: Mapping[str, Any], multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SamNetwork.decode`; SAM 2 takes a box as two points, and offers three masks for one at most."""
        several = multimask and not (self._squares and "input_boxes" in query)
        placed = {name: tensor.to(self._model.device) for name, tensor in query.items()}
        found = self._model(image_embeddings=embedding, multimask_output=several, **placed)
        return found.pred_masks[0], found.iou_scores[0]

    def enlarge(self, logits_Chw: torch.Tensor, framed: Framed) -> torch.Tensor:
        """See `SamNetwork.enlarge`."""
        inner = {} if self._squares else {"reshaped_input_sizes": [framed.inner]}
        (logits_KCHW,) = self._processor.post_process_masks([logits_Chw[None]], [framed.size], **inner, binarize=False)
        return logits_KCHW[0]  # type: ignore[no-any-return]


def _nested(query: Query) -> dict[str, Any]:
    """A query as the processors take it: nested lists, the image first."""
    return {
        name: [values.tolist()]
        for name, values in (
            ("input_boxes", query.boxes),
            ("input_points", query.points),
            ("input_labels", query.labels),
        )
        if values is not None
    }
