"""Tiny text detectors with random weights in the real formats; their boxes are noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_clip import tiny_clip_tokenizer, tiny_text_config

SIDE = 160


def tiny_grounding_dino(folder: Path, *, seed: int = 0, mm: bool = False) -> Path:
    """Write a Grounding DINO; `mm`: an MM Grounding DINO."""
    import torch
    import transformers as hf

    torch.manual_seed(seed)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: index for index, word in enumerate(words)}
    backbone = hf.SwinConfig(
        image_size=SIDE, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=5, out_indices=[2, 3, 4]
    )
    text = hf.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    sizes = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 20, "d_model": 32}
    config_class = hf.MMGroundingDinoConfig if mm else hf.GroundingDinoConfig
    model_class = hf.MMGroundingDinoForObjectDetection if mm else hf.GroundingDinoForObjectDetection
    model: Any = model_class(config_class(backbone_config=backbone, text_config=text, **sizes, **heads))
    model.save_pretrained(folder)
    tokenizer = hf.BertTokenizer(vocab=vocabulary, model_max_length=64)
    images = hf.GroundingDinoImageProcessor(size={"shortest_edge": SIDE, "longest_edge": 2 * SIDE})
    hf.GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def tiny_owlv2(folder: Path, *, seed: int = 0) -> Path:
    """Write an OWLv2."""
    import torch
    import transformers as hf

    torch.manual_seed(seed)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**size, "image_size": 64, "patch_size": 16}
    hf.Owlv2ForObjectDetection(
        hf.Owlv2Config(text_config=tiny_text_config(), vision_config=vision, projection_dim=16)
    ).save_pretrained(folder)
    images = hf.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    hf.Owlv2Processor(images, tiny_clip_tokenizer()).save_pretrained(folder)
    return folder


def tiny_omdet_turbo(folder: Path, *, seed: int = 0) -> Path:
    """Write an OMDet-Turbo."""
    import torch
    import transformers as hf

    torch.manual_seed(seed)
    backbone = hf.SwinConfig(
        image_size=SIDE, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=5, out_indices=[2, 3, 4]
    )
    config = hf.OmDetTurboConfig(
        text_config=hf.CLIPTextConfig(**tiny_text_config(77), projection_dim=16),
        backbone_config=backbone,
        apply_layernorm_after_vision_backbone=False,
        image_size=SIDE,
        text_projection_in_dim=16,
        text_projection_out_dim=16,
        task_encoder_hidden_dim=32,
        class_embed_dim=16,
        class_distance_type="cosine",
        num_queries=20,
        encoder_hidden_dim=32,
        vision_features_channels=[32, 32, 32],
        encoder_in_channels=[16, 32, 64],
        encoder_attention_heads=2,
        encoder_dim_feedforward=16,
        decoder_hidden_dim=32,
        decoder_num_heads=2,
        decoder_num_layers=2,
        decoder_dim_feedforward=16,
    )
    hf.OmDetTurboForObjectDetection(config).save_pretrained(folder)
    images = hf.DetrImageProcessor(size={"height": SIDE, "width": SIDE}, do_pad=False)
    hf.OmDetTurboProcessor(images, tiny_clip_tokenizer(77)).save_pretrained(folder)
    return folder


def tiny_sam3(folder: Path, *, seed: int = 0) -> Path:
    """Write a SAM 3."""
    import torch
    import transformers as hf

    torch.manual_seed(seed)
    size = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2}
    backbone = {
        **size,
        "model_type": "sam3_vit_model",
        "num_hidden_layers": 2,
        "image_size": 112,
        "patch_size": 14,
        "pretrain_image_size": 56,
        "window_size": 4,
        "global_attn_indexes": [1],
    }
    vision = {
        "backbone_config": backbone,
        "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    layers = {**size, "num_layers": 1}
    config = hf.Sam3Config(
        vision_config=vision,
        text_config={**tiny_text_config(32), "projection_dim": 32},
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 8},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    hf.Sam3Model(config).save_pretrained(folder)
    images = hf.Sam3ImageProcessor(size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32})
    hf.Sam3Processor(images, tiny_clip_tokenizer(32)).save_pretrained(folder)
    return folder


TINY_DETECTORS = {
    "grounding-dino": tiny_grounding_dino,
    "owlv2": tiny_owlv2,
    "omdet-turbo": tiny_omdet_turbo,
    "sam3": tiny_sam3,
}
