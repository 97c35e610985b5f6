"""Networks of the real sizes with random weights, in the formats of the real ones: as slow, and useless otherwise.

The sizes are those of the published configurations: SAM ViT-H (Kirillov et al., ICCV 2023), Stable Diffusion XL 1.0
(Podell et al., ICLR 2024) of the inpainting kind and as its base.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

_START, _END = "<|startoftext|>", "<|endoftext|>"
_LETTERS = 512


def sam(file: Path, device: str) -> Path:
    """Write SAM ViT-H in the format of Meta's checkpoints."""
    from segment_anything import sam_model_registry

    with torch.device(device):
        module = sam_model_registry["vit_h"]()
    torch.save({name: weight.cpu() for name, weight in module.state_dict().items()}, file)
    return file


def tiny_sam(folder: Path) -> Path:
    """Write a tiny SAM in the format of transformers."""
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    frame = {"image_size": 128, "patch_size": 16}
    vision = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 64, "window_size": 3,
        "global_attn_indexes": [1], "output_channels": 32, "num_pos_feats": 16,
    }  # fmt: skip
    config = SamConfig(
        vision_config={**frame, **vision},
        prompt_encoder_config={**frame, "hidden_size": 32, "image_embedding_size": 8},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32},
    )
    SamModel(config).save_pretrained(folder)
    images = SamImageProcessor(size={"longest_edge": 128}, pad_size={"height": 128, "width": 128})
    SamProcessor(images).save_pretrained(folder)
    return folder


SDXL: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "sample_size": 128,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 1024},
    "text_encoder": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    "text_encoder_2": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    },
}  # fmt: skip
SDXL_TINY: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "sample_size": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (8, 16),
        "transformer_layers_per_block": (1, 1),
        "attention_head_dim": (2, 4),
        "norm_num_groups": 4,
        "cross_attention_dim": 32,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 64,
    },
    "vae": {"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 64},
    "text_encoder": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    "text_encoder_2": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
}


def sdxl(folder: Path, sizes: Mapping[str, Mapping[str, Any]], device: str, *, inpainting: bool) -> Path:
    """A folder of a pipeline in half precision; 9 channels of the inpainting kind, 4 of the base."""
    import diffusers
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    _tokenizer(folder / "tokenizer")
    _tokenizer(folder / "tokenizer_2")
    with torch.device(device):
        unet = diffusers.UNet2DConditionModel(
            in_channels=9 if inpainting else 4,
            use_linear_projection=True,
            addition_embed_type="text_time",
            **sizes["unet"],
        )
        vae = diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            scaling_factor=0.13025,
            **sizes["vae"],
        )
        encoder = CLIPTextModel(_text_config(sizes["text_encoder"]))
        encoder_2 = CLIPTextModelWithProjection(_text_config(sizes["text_encoder_2"]))
    parts = {"unet": unet, "vae": vae, "text_encoder": encoder, "text_encoder_2": encoder_2}
    for name, network in parts.items():
        network.half().save_pretrained(folder / name, safe_serialization=True, max_shard_size="20GB")
    diffusers.EulerDiscreteScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        steps_offset=1,
        timestep_spacing="leading",
    ).save_pretrained(folder / "scheduler")
    kind = "StableDiffusionXLInpaintPipeline" if inpainting else "StableDiffusionXLPipeline"
    index = {
        "_class_name": kind,
        "_diffusers_version": diffusers.__version__,
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "force_zeros_for_empty_prompt": True,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _text_config(size: Mapping[str, Any]) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=49408,
        max_position_embeddings=77,
        projection_dim=size["hidden_size"],
        bos_token_id=_LETTERS,
        eos_token_id=_LETTERS + 1,
        pad_token_id=_LETTERS + 1,
        **size,
    )


def _tokenizer(folder: Path) -> None:
    """CLIP's tokenizer without merges: a letter is a token, and most prompts fill all 77."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder.mkdir(parents=True)
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), _START, _END]
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
