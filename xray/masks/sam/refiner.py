"""The mask refiner `sam`, on Meta's checkpoints or transformers' models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xray.core.errors import ConfigError, Rejected, XrayError, extra
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, RefinedMask, Refiner, RefinerInput
from xray.masks.quality import agreement
from xray.masks.sam.network import NetworkInput, SamNetwork, cast_weights
from xray.masks.sam.prompts import Prompt, Prompter
from xray.masks.sam.selection import select, unite
from xray.models.weights import locate

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@settings
class Sam(Refiner):
    """SAM or SAM 2, prompted with boxes and points from the source or from a coarse mask.

    A photograph is encoded once, and the masks of its objects are united. A single prompt is ambiguous, so SAM
    proposes three masks for it: the one with the best predicted IoU is selected, and if there is a coarse mask, the IoU
    with it has the same weight. For several prompts, such as a box and a point, SAM's single-mask output is used,
    because the other three were trained on one prompt only (appendix A of the paper). SAM 2 encodes a box as two
    points, and its three masks were trained on one point.

    Source: Kirillov et al., "Segment Anything", 2023; Ravi et al., "SAM 2", 2024.

    Args:
        model: a name from `xray weights list`, a file with one of Meta's checkpoints (ViT-B, ViT-L or ViT-H), or a
            folder or hub id of a SAM or SAM 2 in transformers' format.
        dtype: precision of the image encoder, by autocast; the small mask decoder stays in float32. auto: float32 on
            a CPU, bfloat16 on a GPU, or float16 on a GPU without bfloat16.
        multimask: propose three masks for a single prompt; false: always one.
        points: number of points per object from a coarse mask, far from its edge. A mask that fills its bounding box
            is taken for a drawn box and gives no points.
        margin: share of its side by which a box around a coarse mask grows at each end, 0–1; given and drawn boxes do
            not grow.
        min_part: share of the image above which a connected part of a coarse mask is an object, 0–1.
        max_objects: maximum number of such parts.
    """

    name: ClassVar[str] = "sam"
    summary: ClassVar[str] = "SAM or SAM 2 from boxes, points or coarse masks, on GPUs"
    accelerated: ClassVar[bool] = True

    model: str = "sam-vit-h"
    dtype: Precision = "auto"
    multimask: bool = True
    points: Annotated[int, Field(ge=0, le=16)] = 1
    margin: Annotated[float, Field(ge=0, le=1)] = 0.05
    min_part: Annotated[float, Field(ge=0, le=1)] = 0.001
    max_objects: Annotated[int, Field(ge=1, le=64)] = 16

    def weights(self) -> Mapping[str, str]:
        """See `Refiner.weights`."""
        return {"sam": self.model}

    def load(self, device: str) -> SamOnDevice:
        """See `Refiner.load`."""
        dtype = _torch_dtype(self.dtype, device)
        path = locate(self.model)
        try:
            network = read_network(path, device)
            cast_weights(network.encoder, dtype)
            loaded = SamOnDevice(self, network, device, dtype)
            loaded.warm_up()
        except XrayError:
            raise
        except (RuntimeError, ValueError) as error:  # no such device, out of memory, sizes that do not fit
            first_line = str(error).partition("\n")[0]
            raise ConfigError(f"SAM {self.model!r} does not run on {device}: {first_line}") from error
        return loaded


def read_network(path: Path, device: str) -> SamNetwork:
    """Load a SAM: a file is one of Meta's checkpoints, a folder is in transformers' format."""
    if path.is_dir():
        from xray.masks.sam.huggingface import TransformersSam

        return TransformersSam(path, device)
    from xray.masks.sam.meta import MetaSam, read_checkpoint

    return MetaSam(read_checkpoint(path), device)


def _torch_dtype(dtype: Precision, device: str) -> torch.dtype:
    with extra("models"):
        import torch

    if dtype != "auto":
        return getattr(torch, dtype)  # type: ignore[no-any-return]
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@dataclass(frozen=True)
class Proposals:
    """The masks that SAM proposes for a photograph, on the CPU.

    Args:
        inputs: the photograph and its prompts.
        masks: for each object, logits of the masks, shape (C, h, w), and their predicted IoU, shape (C,).
    """

    inputs: NetworkInput
    masks: Sequence[tuple[torch.Tensor, torch.Tensor]]


class SamOnDevice:
    """A SAM on a device, loaded by `Sam.load`; a `xray.core.device.DeviceModel`."""

    def __init__(self, sam: Sam, network: SamNetwork, device: str, dtype: torch.dtype) -> None:
        self._network = network
        self._device = device.partition(":")[0]
        self._dtype = dtype
        self._multimask = sam.multimask
        self._prompter = Prompter(sam.points, sam.margin, sam.min_part, sam.max_objects)
        self.facts = {"model": sam.model, **network.facts, "dtype": str(dtype).removeprefix("torch.")}

    def warm_up(self) -> None:
        """Run all steps on a small image, so that the first photograph does not wait for kernels."""
        image = Decoded(np.zeros((64, 64, 3), np.uint8), None, ())
        self.run([self.prepare(RefinerInput(image, Hint(boxes=((16, 16, 48, 48),)), 0))])

    def prepare(self, item: RefinerInput) -> NetworkInput:
        """Derive the prompts, and resize the photograph and its prompts for the network.

        Raises:
            Rejected: missing_hint; too_small: the photograph is too narrow.
        """
        image = item.decoded.image
        return self._network.preprocess(image, self._prompter.derive(item.hint, *image.shape[:2]))

    def run(self, batch: Sequence[NetworkInput]) -> list[Proposals]:
        """Encode the photographs in one batch, and decode the objects of each in one batch."""
        import torch

        with torch.inference_mode():
            with torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32):
                embeddings = self._network.encode(batch)
            return [self._decode(one, embedding) for one, embedding in zip(batch, embeddings, strict=True)]

    def _decode(self, inputs: NetworkInput, embedding: Any) -> Proposals:
        masks: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for objects, query in inputs.queries:
            multimask = self._multimask and _is_single(inputs.prompts[objects[0]])  # a query has one shape
            logits_KChw, predicted_KC = self._network.decode(embedding, query, multimask)
            masks.update(zip(objects, zip(logits_KChw.cpu(), predicted_KC.cpu(), strict=True), strict=True))
        return Proposals(inputs, [masks[index] for index in range(len(masks))])

    def finish(self, item: RefinerInput, raw: Proposals) -> RefinedMask:
        """Select a mask for each object, at the photograph's size, and unite them.

        If there is a given mask, an empty result is returned, so that `xray.masks.select_mask` keeps the given one.

        Raises:
            Rejected: no_object.
        """
        united = unite(
            [
                select(self._network.upscale(logits, raw.inputs).numpy(), predicted.tolist(), prompt.coarse)
                for (logits, predicted), prompt in zip(raw.masks, raw.inputs.prompts, strict=True)
            ]
        )
        given = item.hint.mask
        if given is None and not united.mask.any():
            raise Rejected("no_object", "SAM's mask is empty")
        agreed = agreement(united.mask, given) if given is not None and given.any() else None
        return RefinedMask(united.mask, "sam", united.predicted_iou, united.stability, agreed)


def _is_single(prompt: Prompt) -> bool:
    """Return True for a box without points, or a single point."""
    return (prompt.box is not None) + len(prompt.points) == 1
