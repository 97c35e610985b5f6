"""SAM and SAM 2 from folders in transformers' format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.core.errors import MALFORMED, ConfigError, Rejected, extra
from xray.core.types import Pixels
from xray.masks.sam.network import NetworkInput, Query, architecture_facts, group_prompts
from xray.masks.sam.prompts import Prompt
from xray.models.weights.pretrained import read_model, read_processor, unreadable

if TYPE_CHECKING:
    import torch

_KINDS = {"sam": ("SamModel", "SamProcessor"), "sam2": ("Sam2Model", "Sam2Processor")}
_ALIASES = {"sam2_video": "sam2"}
"""Published folders of SAM 2 contain the video model; xray uses its image part."""


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the model type, `sam` or `sam2`, and the content of the folder's config.json."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except MALFORMED as error:
        raise ConfigError(f"{str(folder)!r} is no model of transformers: no readable config.json") from error
    model_type = config.get("model_type") if isinstance(config, dict) else None
    kind = _ALIASES.get(str(model_type), str(model_type))
    if kind not in _KINDS:
        raise ConfigError(f"{str(folder)!r} is no SAM: its model_type is {model_type!r} (choices: {', '.join(_KINDS)})")
    return kind, {**config, "model_type": kind}


def read_folder(folder: Path) -> tuple[Any, Any]:
    """Load the model in a folder, from safetensors only, and its processor."""
    kind, config = read_config(folder)
    with extra("models"):
        import transformers

    model_class, processor_class = (getattr(transformers, name) for name in _KINDS[kind])
    try:
        parsed = model_class.config_class.from_dict(config)
    except MALFORMED as error:
        raise unreadable(model_class, folder, error) from error
    return read_model(model_class, folder, config=parsed), read_processor(processor_class, folder)


class TransformersSam:
    """A SAM or SAM 2 in a folder written by `save_pretrained`, on a device; see `SamNetwork`."""

    def __init__(self, folder: Path, device: str) -> None:
        module, self._processor = read_folder(folder)
        self._model = module.to(device)
        self.encoder: torch.nn.Module = module.vision_encoder
        self._is_sam2 = module.config.model_type == "sam2"  # SAM 2 stretches images to squares, SAM pads them
        self.facts: Mapping[str, Any] = {"backend": "transformers", "architecture": architecture_facts(module)}

    def preprocess(self, image_HWC: Pixels, prompts: Sequence[Prompt]) -> NetworkInput:
        """See `SamNetwork.preprocess`."""
        height, width = image_HWC.shape[:2]
        if not self._is_sam2 and 2 * self._processor.target_size * min(height, width) < max(height, width):
            raise Rejected("too_small", f"{width}×{height} pixels are too narrow for SAM")
        queries = []
        for objects, query in group_prompts(prompts):
            nested = {name: [values.tolist()] for name, values in query.items()}  # the image is the outer dimension
            inputs = self._processor(image_HWC, return_tensors="pt", input_data_format="channels_last", **nested)
            queries.append((objects, {name: inputs[name] for name in query}))
        resized = inputs.get("reshaped_input_sizes", inputs["original_sizes"])[0].tolist()
        return NetworkInput(inputs["pixel_values"][0], (height, width), tuple(resized), prompts, queries)

    def encode(self, inputs: Sequence[NetworkInput]) -> Sequence[Any]:
        """See `SamNetwork.encode`."""
        import torch

        pixels = torch.stack([one.pixels for one in inputs]).to(self._model.device)
        embeddings = self._model.get_image_embeddings(pixels)
        if not self._is_sam2:
            return embeddings.float().split(1)  # type: ignore[no-any-return]
        levels = [level.float().split(1) for level in embeddings]
        return [list(image_levels) for image_levels in zip(*levels, strict=True)]

    def decode(self, embedding: Any, query: Query, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SamNetwork.decode`; SAM 2 encodes a box as two points and proposes three masks for one point only."""
        multimask = multimask and not (self._is_sam2 and "input_boxes" in query)
        arguments = {name: tensor.to(self._model.device) for name, tensor in query.items()}
        output = self._model(image_embeddings=embedding, multimask_output=multimask, **arguments)
        return output.pred_masks[0], output.iou_scores[0]

    def upscale(self, logits_Chw: torch.Tensor, inputs: NetworkInput) -> torch.Tensor:
        """See `SamNetwork.upscale`."""
        resized = {} if self._is_sam2 else {"reshaped_input_sizes": [inputs.resized]}
        (logits_KCHW,) = self._processor.post_process_masks(
            [logits_Chw[None]], [inputs.size], **resized, binarize=False
        )
        return logits_KCHW[0]  # type: ignore[no-any-return]
