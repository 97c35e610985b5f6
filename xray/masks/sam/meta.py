"""SAM from Meta's checkpoints, run by segment_anything."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.core.errors import Rejected, XrayError, extra
from xray.core.types import Pixels
from xray.masks.sam.network import Framed, Query
from xray.models.weights.checkpoint import Weights, load_strictly, read_weights

if TYPE_CHECKING:
    import torch

_DECODER_HEADS = 8
"""Attention heads of the mask decoder: the one number that the weights' shapes do not tell; the same in all of them."""


@dataclass(frozen=True)
class Architecture:
    """What SAM's modules are made with, in segment_anything's terms."""

    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float
    patch_size: int
    img_size: int
    window_size: int
    global_attn_indexes: tuple[int, ...]
    prompt_embed_dim: int
    mask_in_chans: int
    num_multimask_outputs: int
    decoder_depth: int
    decoder_mlp_dim: int
    iou_head_depth: int
    iou_head_hidden_dim: int

    @property
    def facts(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "global_attn_indexes": list(self.global_attn_indexes)}


def architecture_of(weights: Weights) -> Architecture:
    """The architecture of Meta's SAM with these weights, read from their names and shapes.

    Raises:
        KeyError: a weight that each SAM has is missing.
        ValueError: the shapes are not those of a SAM.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    embed_dim, _, patch_size, _ = shapes["image_encoder.patch_embed.proj.weight"]
    _, side, _, _ = shapes["image_encoder.pos_embed"]
    depth = _count(shapes, "image_encoder.blocks")
    extents = []
    for index in range(depth):
        length, head_dim = shapes[f"image_encoder.blocks.{index}.attn.rel_pos_h"]
        extents.append((length + 1) // 2)
    windows = {extent for extent in extents if extent != side}
    if len(windows) > 1:
        raise ValueError(f"attention windows of {len(windows)} sizes")
    iou_head = "mask_decoder.iou_prediction_head.layers"
    return Architecture(
        embed_dim=embed_dim,
        depth=depth,
        num_heads=embed_dim // head_dim,
        mlp_ratio=shapes["image_encoder.blocks.0.mlp.lin1.weight"][0] / embed_dim,
        patch_size=patch_size,
        img_size=side * patch_size,
        window_size=max(windows, default=0),
        global_attn_indexes=tuple(index for index, extent in enumerate(extents) if extent == side),
        prompt_embed_dim=shapes["image_encoder.neck.0.weight"][0],
        mask_in_chans=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        num_multimask_outputs=shapes["mask_decoder.mask_tokens.weight"][0] - 1,
        decoder_depth=_count(shapes, "mask_decoder.transformer.layers"),
        decoder_mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        iou_head_depth=_count(shapes, iou_head),
        iou_head_hidden_dim=shapes[f"{iou_head}.0.weight"][0],
    )


def _count(shapes: Mapping[str, Any], prefix: str) -> int:
    """How many numbered layers there are under a name."""
    start = len(prefix) + 1
    found = {name[start:].partition(".")[0] for name in shapes if name.startswith(f"{prefix}.")}
    if not found:
        raise KeyError(prefix)
    return len(found)


def build_module(architecture: Architecture) -> torch.nn.Module:
    """An untrained SAM of segment_anything.

    Raises:
        XrayError: segment_anything is not installed.
    """
    import torch

    with extra("sam"):
        from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    of = architecture
    grid = of.img_size // of.patch_size
    return Sam(  # type: ignore[no-any-return]
        image_encoder=ImageEncoderViT(
            img_size=of.img_size,
            patch_size=of.patch_size,
            embed_dim=of.embed_dim,
            depth=of.depth,
            num_heads=of.num_heads,
            mlp_ratio=of.mlp_ratio,
            out_chans=of.prompt_embed_dim,
            norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=of.window_size,
            global_attn_indexes=of.global_attn_indexes,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=of.prompt_embed_dim,
            image_embedding_size=(grid, grid),
            input_image_size=(of.img_size, of.img_size),
            mask_in_chans=of.mask_in_chans,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=of.num_multimask_outputs,
            transformer=TwoWayTransformer(of.decoder_depth, of.prompt_embed_dim, _DECODER_HEADS, of.decoder_mlp_dim),
            transformer_dim=of.prompt_embed_dim,
            iou_head_depth=of.iou_head_depth,
            iou_head_hidden_dim=of.iou_head_hidden_dim,
        ),
    ).eval()


def read_checkpoint(file: Path) -> tuple[torch.nn.Module, Architecture]:
    """The SAM in one of Meta's checkpoints, vit_b, vit_l, vit_h or of any other size, on the CPU.

    Raises:
        XrayError: not there, damaged, not only weights, or not those of a SAM.
    """
    weights = read_weights(str(file))
    try:
        architecture = architecture_of(weights)
        module = build_module(architecture)
    except XrayError:
        raise
    except KeyError as error:
        raise XrayError(f"{str(file)!r} is no checkpoint of segment_anything: it has no {error.args[0]!r}") from error
    except (ValueError, AssertionError, ZeroDivisionError) as error:  # as torch refuses impossible sizes
        raise XrayError(f"{str(file)!r} is no checkpoint of segment_anything: {error}") from error
    load_strictly(module, weights, f"segment_anything's SAM ({str(file)!r})")
    return module, architecture


class MetaSam:
    """A SAM of segment_anything on a device; see `SamNetwork`.

    Args:
        file: the checkpoint.
        device: `cpu`, `cuda` or `cuda:<number>`.
    """

    def __init__(self, file: Path, device: str) -> None:
        with extra("sam"):
            from segment_anything.utils.transforms import ResizeLongestSide

        module, architecture = read_checkpoint(file)
        self._sam: Any = module.requires_grad_(False).to(device)
        self._resize = ResizeLongestSide(architecture.img_size)
        self.facts: Mapping[str, Any] = {"backend": "segment_anything", "architecture": architecture.facts}

    @property
    def encoder(self) -> torch.nn.Module:
        """See `SamNetwork.encoder`."""
        return self._sam.image_encoder  # type: ignore[no-any-return]

    def frame(self, image_HWC: Pixels, queries: Sequence[Query]) -> Framed:
        """See `SamNetwork.frame`; the longer side becomes that of the network's frame."""
        import torch

        size = image_HWC.shape[:2]
        inner = self._resize.get_preprocess_shape(*size, self._resize.target_length)
        if min(inner) < 1:
            raise Rejected("too_small", f"{size[1]}×{size[0]} pixels are too narrow for SAM")
        pixels_HWC = self._resize.apply_image(image_HWC)
        pixels = torch.as_tensor(pixels_HWC).permute(2, 0, 1).contiguous()
        return Framed(pixels, size, inner, [(query.objects, self._place(query, size)) for query in queries])

    def _place(self, query: Query, size: tuple[int, int]) -> dict[str, Any]:
        import torch

        placed: dict[str, Any] = {"points": None, "boxes": None, "masks": None}
        if query.points is not None:
            coordinates = torch.as_tensor(self._resize.apply_coords(query.points, size), dtype=torch.float)
            placed["points"] = (coordinates, torch.as_tensor(query.labels, dtype=torch.int))
        if query.boxes is not None:
            placed["boxes"] = torch.as_tensor(self._resize.apply_boxes(query.boxes, size), dtype=torch.float)
        return placed

    def encode(self, framed: Sequence[Framed]) -> Sequence[Any]:
        """See `SamNetwork.encode`; bytes go to the device, where they are normalised and padded."""
        import torch

        pixels = [self._sam.preprocess(one.pixels.to(self._sam.device)) for one in framed]
        return self._sam.image_encoder(torch.stack(pixels)).float().split(1)  # type: ignore[no-any-return]

    def decode(self, embedding: Any, query: Mapping[str, Any], multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """See `SamNetwork.decode`."""
        device, points, boxes = self._sam.device, query["points"], query["boxes"]
        sparse, dense = self._sam.prompt_encoder(
            points=None if points is None else (points[0].to(device), points[1].to(device)),
            boxes=None if boxes is None else boxes.to(device),
            masks=None,
        )
        return self._sam.mask_decoder(  # type: ignore[no-any-return]
            image_embeddings=embedding,
            image_pe=self._sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )

    def enlarge(self, logits_Chw: torch.Tensor, framed: Framed) -> torch.Tensor:
        """See `SamNetwork.enlarge`."""
        return self._sam.postprocess_masks(logits_Chw[None], framed.inner, framed.size)[0]  # type: ignore[no-any-return]
