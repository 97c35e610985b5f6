"""Masks by the Segment Anything Model, of Meta's checkpoints and of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from xray.core.errors import Rejected, XrayError, extra
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Hint, Refined, Refiner, Unrefined
from xray.masks.quality import agreement
from xray.masks.sam.network import Framed, SamNetwork, narrow, queries_of
from xray.masks.sam.prompts import Prompt, Prompting
from xray.masks.sam.selection import choose, unite
from xray.models.weights import locate

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@settings
class Sam(Refiner):
    """SAM or SAM 2, asked with the boxes and points that the source gives or that a coarse mask yields.

    A photograph is encoded once, however many objects it shows; their masks are united. One prompt alone is ambiguous,
    and SAM offers three masks for it; of these the one with the best predicted IoU is taken, and where there is a
    coarse mask, the IoU with that counts as much. For several prompts, such as a box and a point, SAM has one mask of
    its own, which is taken: in training the other three never saw more than one prompt (appendix A of the paper). To
    SAM 2 a box is two points, and its three masks saw one at most.

    Source: Kirillov et al., "Segment Anything", 2023; Ravi et al., "SAM 2", 2024.

    Args:
        model: a name of `xray weights list`, one of Meta's checkpoints of segment_anything (a file), or a folder or
            hub id of a SAM or SAM 2 of transformers.
        dtype: in which the image encoder computes, by autocast; the small mask decoder stays in float32. auto: float32
            on a CPU; bfloat16 on a GPU, or float16 on one that lacks it.
        multimask: whether SAM offers three masks for one prompt alone; false: always one.
        points: points that a coarse mask gives an object, at its deepest places. A mask that fills the box around it
            is taken for a drawn box and gives none.
        margin: by which share of its sides a box around a coarse mask grows at each end, 0–1; given and drawn boxes
            do not.
        min_part: share of the image above which a connected part of a coarse mask is an object, 0–1.
        max_objects: such parts at most.
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
        dtype = _precision(self.dtype, device)
        path = locate(self.model)
        try:
            network = read_network(path, device)
            narrow(network.encoder, dtype)
            loaded = SamOnDevice(self, network, device, dtype)
            loaded.warm_up()
        except XrayError:
            raise
        except (RuntimeError, ValueError) as error:  # no such device, too little memory, sizes that do not fit
            first_line = str(error).partition("\n")[0]
            raise XrayError(f"SAM {self.model!r} does not run on {device}: {first_line}") from error
        return loaded


def read_network(path: Path, device: str) -> SamNetwork:
    """The SAM at a path, by what is there: a file is Meta's, a folder that of transformers.

    Raises:
        XrayError: damaged, not only weights, or no SAM.
    """
    if path.is_dir():
        from xray.masks.sam.huggingface import TransformersSam

        return TransformersSam(path, device)
    from xray.masks.sam.meta import MetaSam

    return MetaSam(path, device)


def _precision(dtype: Precision, device: str) -> torch.dtype:
    with extra("models"):
        import torch

    if dtype != "auto":
        return getattr(torch, dtype)  # type: ignore[no-any-return]
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@dataclass(frozen=True)
class Prepared:
    """A photograph with its prompts, as the network takes it.

    Args:
        framed: pixels and queries.
        prompts: one an object.
    """

    framed: Framed
    prompts: Sequence[Prompt]


@dataclass(frozen=True)
class Offered:
    """What SAM offers for a photograph, on the CPU.

    Args:
        prepared: what it was asked.
        masks: logits of the masks of each object, shape (C, h, w), with their predicted IoU, shape (C,).
    """

    prepared: Prepared
    masks: Sequence[tuple[torch.Tensor, torch.Tensor]]


class SamOnDevice:
    """A SAM on a device; made by `Sam.load`, see `xray.core.device.DeviceModel`."""

    def __init__(self, sam: Sam, network: SamNetwork, device: str, dtype: torch.dtype) -> None:
        self._network = network
        self._device = device.partition(":")[0]
        self._dtype = dtype
        self._multimask = sam.multimask
        self._prompting = Prompting(sam.points, sam.margin, sam.min_part, sam.max_objects)
        self.facts: Mapping[str, Any] = {
            "model": sam.model,
            **network.facts,
            "dtype": str(dtype).removeprefix("torch."),
        }

    def warm_up(self) -> None:
        """A small image through all steps, so that the first one that counts does not wait for kernels."""
        image = Decoded(np.zeros((64, 64, 3), np.uint8), None, ())
        self.run([self.prepare(Unrefined(image, Hint(boxes=((16, 16, 48, 48),)), 0))])

    def prepare(self, item: Unrefined) -> Prepared:
        """The photograph and its prompts in the network's frame.

        Raises:
            Rejected: missing_hint; too_small: the photograph is but a line.
        """
        image = item.decoded.image
        prompts = self._prompting.derive(item.hint, *image.shape[:2])
        return Prepared(self._network.frame(image, queries_of(prompts)), prompts)

    def run(self, batch: Sequence[Prepared]) -> list[Offered]:
        """Encode the photographs together, and decode the objects of each together."""
        import torch

        with torch.inference_mode():
            with torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32):
                embeddings = self._network.encode([one.framed for one in batch])
            return [self._decode(one, embedding) for one, embedding in zip(batch, embeddings, strict=True)]

    def _decode(self, prepared: Prepared, embedding: Any) -> Offered:
        masks: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        for objects, query in prepared.framed.queries:
            alone = self._multimask and _is_alone(prepared.prompts[objects[0]])  # all of a query are of one shape
            logits_KChw, predicted_KC = self._network.decode(embedding, query, alone)
            masks.update(zip(objects, zip(logits_KChw.cpu(), predicted_KC.cpu(), strict=True), strict=True))
        return Offered(prepared, [masks[index] for index in range(len(masks))])

    def finish(self, item: Unrefined, raw: Offered) -> Refined:
        """Choose a mask for each object, at the photograph's size, and unite them.

        An empty mask is returned where there is a given one, for `xray.masks.accept` to keep that.

        Raises:
            Rejected: no_object.
        """
        found = unite(
            [
                choose(self._network.enlarge(logits, raw.prepared.framed).numpy(), predicted.tolist(), prompt.coarse)
                for (logits, predicted), prompt in zip(raw.masks, raw.prepared.prompts, strict=True)
            ]
        )
        given = item.hint.mask
        if given is None and not found.mask.any():
            raise Rejected("no_object", "SAM's mask has no pixel")
        agreed = agreement(found.mask, given) if given is not None and given.any() else None
        return Refined(found.mask, "sam", found.predicted_iou, found.stability, agreed)


def _is_alone(prompt: Prompt) -> bool:
    """Whether an object is asked for by a box without points, or by a single point."""
    return (prompt.box is not None) + len(prompt.points) == 1
