"""Tiny SAMs with random weights and an input size of 128 pixels; masks and predicted IoU are noise."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

SIDE = 128


def _scale_weights(module: Any) -> Any:
    """Draw weights as large as trained ones, so that signals do not vanish and the predicted IoU is about one half."""
    import torch

    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.ndim > 1 or "no_memory" in name:
                weight.copy_(torch.randn(weight.shape) * (0.5 if "pos" in name else weight[0].numel() ** -0.5))
            if "output_hypernetworks" in name:
                weight.mul_(3)
        head = module.mask_decoder.iou_prediction_head
        last = head.layers[-1] if not hasattr(head, "proj_out") else head.proj_out
        last.bias.copy_(torch.linspace(0.4, 0.6, last.bias.numel()))
    return module


def tiny_meta_sam(*, seed: int = 0) -> Any:
    """Build a `Sam` of segment_anything, smaller than those of its registry."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(seed)
    grid = SIDE // 16
    encoder = ImageEncoderViT(
        img_size=SIDE,
        patch_size=16,
        embed_dim=32,
        depth=2,
        num_heads=2,
        mlp_ratio=2.0,
        out_chans=32,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=3,
        global_attn_indexes=(1,),
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, num_heads=8, mlp_dim=64)
    decoder = MaskDecoder(transformer_dim=32, transformer=transformer, iou_head_hidden_dim=32)
    return _scale_weights(Sam(encoder, PromptEncoder(32, (grid, grid), (SIDE, SIDE), 16), decoder)).eval()


def tiny_sam_folder(folder: Path, *, seed: int = 0) -> Path:
    """Write a SAM as it is on the hub."""
    import torch
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    torch.manual_seed(seed)
    frame = {"image_size": SIDE, "patch_size": 16}
    config = SamConfig(
        vision_config={
            **frame,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_dim": 64,
            "window_size": 3,
            "global_attn_indexes": [1],
            "output_channels": 32,
            "num_pos_feats": 16,
        },
        prompt_encoder_config={**frame, "hidden_size": 32, "image_embedding_size": 8},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32},
    )
    _scale_weights(SamModel(config)).save_pretrained(folder)
    square = {"height": SIDE, "width": SIDE}
    SamProcessor(SamImageProcessor(size={"longest_edge": SIDE}, pad_size=square)).save_pretrained(folder)
    return folder


def tiny_sam2_folder(folder: Path, *, seed: int = 0, video: bool = False) -> Path:
    """Write a SAM 2; on the hub, folders contain the video model, of which the image model is a part."""
    import torch
    import transformers as hf

    torch.manual_seed(seed)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
    }
    parts: dict[str, Any] = {
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 32,
        },
        "prompt_encoder_config": {"hidden_size": 32, "image_size": SIDE, "patch_size": 16},
        "mask_decoder_config": {"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32},
    }
    if video:
        memory = {
            "image_size": SIDE,
            "memory_attention_hidden_size": 32,
            "memory_attention_num_layers": 1,
            "memory_attention_feed_forward_hidden_size": 32,
            "memory_attention_rope_feat_sizes": [8, 8],
            "memory_encoder_hidden_size": 32,
            "memory_encoder_output_channels": 8,
            "mask_downsampler_embed_dim": 32,
            "memory_fuser_embed_dim": 32,
            "memory_fuser_intermediate_dim": 32,
        }
        model: Any = hf.Sam2VideoModel(hf.Sam2VideoConfig(**parts, **memory))
    else:
        model = hf.Sam2Model(hf.Sam2Config(**parts))
    _scale_weights(model).save_pretrained(folder)
    square = {"height": SIDE, "width": SIDE}
    images = hf.Sam2ImageProcessor(size=square, mask_size={"height": 32, "width": 32})
    processor: Any = hf.Sam2Processor(images)
    if video:
        processor = hf.Sam2VideoProcessor(images, hf.Sam2VideoVideoProcessor(size=square))
    processor.save_pretrained(folder)
    return folder
