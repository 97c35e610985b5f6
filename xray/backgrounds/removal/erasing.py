"""Attentive Eraser on a device: an inpainting pipeline whose self-attention is kept away from the object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xray.backgrounds.inpainting.canvas import Canvas, fit_canvas
from xray.backgrounds.inpainting.pipeline import InpaintingModel, PipelineInput, PipelineOutput
from xray.backgrounds.removal.base import RemovalInput
from xray.backgrounds.removal.hole import check_background, fill_hole, object_hole
from xray.core.types import Mask, Pixels

if TYPE_CHECKING:
    import torch

    from xray.backgrounds.removal.attentive_eraser import AttentiveEraser


@dataclass(frozen=True)
class ErasingModel:
    """Attentive Eraser on a device, as a `xray.core.device.DeviceModel`.

    Args:
        settings: those of the recipe.
        inpainting: the loaded pipeline.
        suppression: what its self-attention reads.
    """

    settings: AttentiveEraser
    inpainting: InpaintingModel
    suppression: Suppression

    @classmethod
    def start(cls, settings: AttentiveEraser, inpainting: InpaintingModel) -> ErasingModel:
        """Replace the self-attention of a loaded pipeline's decoder."""
        unet = inpainting.pipeline.unet
        suppression = Suppression(settings.similarity_steps, settings.similarity_scale)
        unet.register_forward_pre_hook(lambda *_: suppression.advance())
        for name, layer in unet.up_blocks.named_modules():
            if name.endswith("attn1"):
                layer.set_processor(SuppressedAttention(layer.processor, suppression))
        return cls(settings, inpainting, suppression)

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `DeviceModel.facts`."""
        pipeline = {name: fact for name, fact in self.inpainting.facts.items() if name not in ("painter", "fill")}
        steps, scale = self.settings.similarity_steps, self.settings.similarity_scale
        return {"remover": self.settings.name, "similarity_steps": steps, "similarity_scale": scale, **pipeline}

    def prepare(self, item: RemovalInput) -> PipelineInput:
        """Put the photograph and the area to fill on the canvas.

        Raises:
            Rejected: mask_empty, background_too_small.
        """
        hole = object_hole(item.photo, self.settings.dilate)
        canvas = fit_canvas(hole.shape[::-1], self.inpainting.side, self.inpainting.multiple)
        on_canvas = hole_on_canvas(canvas, hole, self.inpainting.cell)
        check_background(on_canvas)
        image = Image.fromarray(canvas.scale_and_pad(item.photo.image))
        return PipelineInput(canvas, image, Image.fromarray(on_canvas.astype(np.uint8) * 255), "", item.seed)

    def run(self, batch: Sequence[PipelineInput]) -> list[PipelineOutput]:
        """Call the pipeline once for each size of canvas; return the results in the batch's order."""
        results: dict[int, PipelineOutput] = {}
        for size in dict.fromkeys(item.canvas.size for item in batch):
            indices = [index for index, item in enumerate(batch) if item.canvas.size == size]
            group = [batch[index] for index in indices]
            self.suppression.begin(np.stack([np.asarray(item.mask) > 0 for item in group]))
            results.update(zip(indices, self.inpainting.run(group), strict=True))
        return [results[index] for index in range(len(batch))]

    def finish(self, item: RemovalInput, raw: PipelineOutput) -> Pixels:
        """Put the repainted area into the photograph."""
        hole = object_hole(item.photo, self.settings.dilate)
        filling = raw.source.canvas.crop_and_scale(np.asarray(raw.image))
        return fill_hole(item.photo, hole, filling, min(self.settings.feather, self.settings.dilate))


def hole_on_canvas(canvas: Canvas, hole: Mask, cell: int) -> Mask:
    """Return the area to fill on a canvas, in whole cells: no cell that shows any of the area is kept.

    The padding repeats the outermost pixels, so it is filled where these are.
    """
    padded = canvas.scale_and_pad(np.repeat(hole[:, :, None].astype(np.uint8) * 255, 3, axis=2))[:, :, 0] > 0
    height, width = padded.shape
    cells = padded.reshape(height // cell, cell, width // cell, cell).any(axis=(1, 3))
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)


class Suppression:
    """The state that all changed attention layers share: the areas of the batch, and the step.

    Args:
        steps: first steps in which similarities are scaled.
        scale: the scale.
    """

    def __init__(self, steps: int, scale: float) -> None:
        self._steps, self._scale = steps, scale
        self._step = 0
        self._holes = np.zeros((0, 1, 1), bool)
        self._tokens: dict[int, torch.Tensor] = {}

    def begin(self, holes: Mask) -> None:
        """Start a batch with the areas to fill, shape (B, H, W), on the canvas."""
        self._step, self._holes, self._tokens = 0, holes, {}

    def advance(self) -> None:
        """Note that the next step begins; called before each prediction."""
        self._step += 1

    @property
    def scale(self) -> float:
        """The factor of similarities within the areas at this step."""
        return self._scale if self._step <= self._steps else 1.0

    def tokens(self, count: int, like: torch.Tensor) -> torch.Tensor:
        """Return True for the tokens that show any of the area, shape (B, 1, count), for a layer of so many tokens.

        Where all tokens do, none counts: there is nothing else to attend to.
        """
        import torch

        if count not in self._tokens:
            height, width = self._holes.shape[1:]
            side = math.isqrt(height * width // count)
            cells = self._holes.reshape(-1, height // side, side, width // side, side)
            areas = cells.any(axis=(2, 4)).reshape(-1, 1, count)
            areas &= ~areas.all(axis=-1, keepdims=True)
            self._tokens[count] = torch.from_numpy(areas).to(like.device)
        return self._tokens[count]


class SuppressedAttention:
    """A self-attention of two halves of a batch: plain in the first, and blind to the area in the second one.

    Args:
        plain: the processor that is replaced.
        suppression: the areas and the step.
    """

    def __init__(self, plain: Any, suppression: Suppression) -> None:
        self._plain, self._suppression = plain, suppression

    def __call__(self, attn: Any, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the layer's output, shape (2·B, N, C); called by diffusers."""
        import torch

        plain, blind = hidden_states.chunk(2)
        return torch.cat([self._plain(attn, plain, *args, **kwargs), self._attend(attn, blind)])

    def _attend(self, attn: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        import torch

        batch, count, _ = hidden_states.shape
        query, key, value = (
            layer(hidden_states).view(batch, count, attn.heads, -1).transpose(1, 2)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        hole = self._suppression.tokens(count, hidden_states)
        seen = ~hole[:, :, None, :]  # (B, 1, 1, N): keys

        def attention(scale: float) -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=seen, scale=scale / math.sqrt(query.shape[-1])
            )

        result = attention(1.0)
        if self._suppression.scale != 1.0:
            result = torch.where(hole[..., None], attention(self._suppression.scale), result)
        merged = result.transpose(1, 2).reshape(batch, count, -1).to(hidden_states.dtype)
        output: torch.Tensor = attn.to_out[1](attn.to_out[0](merged)) / attn.rescale_output_factor
        return output
