"""SAM from Meta's checkpoints, run by segment_anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.core.errors import ConfigError, Rejected, extra
from xray.core.types import Pixels
from xray.masks.sam.network import NetworkInput, Query, architecture_facts, group_prompts
from xray.masks.sam.prompts import Prompt
from xray.models.weights.checkpoint import Weights, load_strictly, read_weights

if TYPE_CHECKING:
    import torch

_MODEL_TYPES = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
"""Names in segment_anything's registry by the width of the image encoder."""


def model_type(weights: Weights) -> str:
    """Return the name of a checkpoint's model in segment_anything's registry, or raise ValueError."""
    bias = weights.get("image_encoder.patch_embed.proj.bias")
    if bias is None:
        raise ValueError("it has no 'image_encoder.patch_embed.proj.bias'")
    if bias.numel() not in _MODEL_TYPES:
        widths = ", ".join(f"{width} ({name})" for width, name in _MODEL_TYPES.items())
        raise ValueError(f"the width of its image encoder is {bias.numel()} (choices: {widths})")
    return _MODEL_TYPES[bias.numel()]


def read_checkpoint(file: Path) -> Any:
    """Read one of Meta's checkpoints (ViT-B, ViT-L or ViT-H) into segment_anything's `Sam`, on the CPU.

    Raises:
        XrayError: the file is missing, damaged, holds more than weights, or is no such checkpoint.
    """
    with extra("sam"):
        from segment_anything import sam_model_registry

    weights = read_weights(str(file))
    try:
        module = sam_model_registry[model_type(weights)]()
    except ValueError as error:
        raise ConfigError(f"{str(file)!r} is no checkpoint of segment_anything: {error}") from error
    load_strictly(module, weights, f"segment_anything's SAM ({str(file)!r})")
    return module


class MetaSam:
    """A `Sam` of segment_anything, in evaluation mode, on a device; see `SamNetwork`."""

    def __init__(self, module: Any, device: str) -> None:
        with extra("sam"):
            from segment_anything.utils.transforms import ResizeLongestSide

        self._sam = module.requires_grad_(False).to(device)
        self.encoder: torch.nn.Module = module.image_encoder
        self._resize = ResizeLongestSide(module.image_encoder.img_size)
        self.facts: Mapping[str, Any] = {"backend": "segment_anything", "architecture": architecture_facts(module)}

    def preprocess(self, image_HWC: Pixels, prompts: Sequence[Prompt]) -> NetworkInput:
        """See `SamNetwork.preprocess`; the longer side is resized to the network's input size."""
        import torch

        size = image_HWC.shape[:2]
        resized = self._resize.get_preprocess_shape(*size, self._resize.target_length)
        if min(resized) < 1:
            raise Rejected("too_small", f"{size[1]}×{size[0]} pixels are too narrow for SAM")
        pixels_HWC = self._resize.apply_image(image_HWC)
        pixels = torch.as_tensor(pixels_HWC).permute(2, 0, 1).contiguous()
        queries = [(objects, self._scale(query, size)) for objects, query in group_prompts(prompts)]
        return NetworkInput(pixels, size, resized, prompts, queries)

    def _scale(self, query: Query, size: tuple[int, int]) -> Query:
        import torch

        scaled = dict(query)
        if "input_boxes" in query:
            scaled["input_boxes"] = self._resize.apply_boxes(query["input_boxes"], size)
        if "input_points" in query:
            scaled["input_points"] = self._resize.apply_coords(query["input_points"], size)
        return {name: torch.as_tensor(values, dtype=torch.float) for name, values in scaled.items()}

    def encode(self, inputs: Sequence[NetworkInput]) -> Sequence[Any]:
        """See `SamNetwork.encode`; 8-bit pixels are moved to the device, then normalised and padded."""
        import torch

        pixels = [self._sam.preprocess(one.pixels.to(self._sam.device)) for one in inputs]
        return self._sam.image_encoder(torch.stack(pixels)).float().split(1)  # type: ignore[no-any-return]

    def decode(self, embedding: Any, query: Query, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SamNetwork.decode`."""
        query = {name: tensor.to(self._sam.device) for name, tensor in query.items()}
        points = (query["input_points"], query["input_labels"]) if "input_points" in query else None
        sparse, dense = self._sam.prompt_encoder(points=points, boxes=query.get("input_boxes"), masks=None)
        return self._sam.mask_decoder(  # type: ignore[no-any-return]
            image_embeddings=embedding,
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )

    def upscale(self, logits_Chw: torch.Tensor, inputs: NetworkInput) -> torch.Tensor:
        """See `SamNetwork.upscale`."""
        return self._sam.postprocess_masks(logits_Chw[None], inputs.resized, inputs.size)[0]  # type: ignore[no-any-return]
