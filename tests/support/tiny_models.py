"""Tiny diffusion models with random weights, saved in the real formats; an image takes well under a second.

Each creates the folder (or the file's folder), fills it and returns it. Both pipelines work at a side of 64 pixels and
accept prompts of `length` tokens, including start and end (the real ones: 77). Saving one takes about two seconds: use
session-scoped fixtures. `StableDiffusion(model=str(tiny_sdxl(folder)), steps=2)` is an inpainter for tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_START, _END = "<|startoftext|>", "<|endoftext|>"
_MERGES = ["t h", "th e</w>", "a n", "an d</w>", "b e", "i n</w>", "o n</w>", "s e"]
_LEVELS = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}


def _alphabet() -> list[str]:
    """The printable characters that represent the 256 bytes in byte-level BPE."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def tiny_tokenizer(folder: Path, *, length: int = 400, pad: str = _END) -> Path:
    """The four files that CLIP's tokenizers consist of in published folders."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = _alphabet()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair.split()) for pair in _MERGES)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, _START, _END])}
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": pad}
    if pad not in vocabulary:
        raise ValueError(f"{pad!r} is not in the vocabulary")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": True, **special}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *_MERGES, ""]), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special), "utf-8")
    return folder


def _vocabulary_size() -> int:
    return 2 * len(_alphabet()) + len(_MERGES) + 2


def _text_config(length: int = 77) -> Any:
    from transformers import CLIPTextConfig

    size = _vocabulary_size()
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=length,
        projection_dim=16,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=64,
    )


def _unet(channels: int, **more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **{
            "sample_size": 8,
            "in_channels": channels,
            "out_channels": 4,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "attention_head_dim": (2, 4),
            **_LEVELS,
            **more,
        }
    )


def _scheduler() -> dict[str, Any]:
    return {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def _sdxl_unet(channels: int) -> Any:
    return _unet(
        channels,
        cross_attention_dim=32,
        transformer_layers_per_block=(1, 1),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
    )


def tiny_sdxl(folder: Path, *, inpainting: bool = True, seed: int = 0, length: int = 400) -> Path:
    """A tiny Stable Diffusion XL, of the inpainting kind (9 channels) or base (4)."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(seed)
    parts = {
        "vae": _vae(),
        "text_encoder": CLIPTextModel(_text_config(length)),
        "text_encoder_2": CLIPTextModelWithProjection(_text_config(length)),
        "tokenizer": CLIPTokenizer.from_pretrained(tiny_tokenizer(folder / "tokenizer", length=length)),
        "tokenizer_2": CLIPTokenizer.from_pretrained(tiny_tokenizer(folder / "tokenizer_2", length=length, pad="!")),
        "unet": _sdxl_unet(9 if inpainting else 4),
        "scheduler": EulerDiscreteScheduler(**_scheduler(), steps_offset=1, timestep_spacing="leading"),
    }
    kind = StableDiffusionXLInpaintPipeline if inpainting else StableDiffusionXLPipeline
    return _saved(kind(**parts, add_watermarker=False), folder, length)


def tiny_sd15(folder: Path, *, inpainting: bool = True, checker: bool = True, seed: int = 0, length: int = 400) -> Path:
    """A tiny Stable Diffusion 1.5, of the inpainting kind (9 channels) or base (4)."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline
    from transformers import CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    parts = {
        "vae": _vae(),
        "text_encoder": CLIPTextModel(_text_config(length)),
        "tokenizer": CLIPTokenizer.from_pretrained(tiny_tokenizer(folder / "tokenizer", length=length)),
        "unet": _unet(9 if inpainting else 4, cross_attention_dim=16),
        "scheduler": PNDMScheduler(**_scheduler(), steps_offset=1, skip_prk_steps=True),
        **(_checker() if checker else {"safety_checker": None, "feature_extractor": None}),
    }
    kind = StableDiffusionInpaintPipeline if inpainting else StableDiffusionPipeline
    return _saved(kind(**parts, requires_safety_checker=checker), folder, length)


def _checker() -> dict[str, Any]:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPVisionConfig

    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=16,
    )
    config = CLIPConfig(text_config=_text_config().to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return {"safety_checker": StableDiffusionSafetyChecker(config), "feature_extractor": processor}


def _saved(pipeline: Any, folder: Path, length: int) -> Path:
    """Save a pipeline, with tokenizers as the four files of published folders."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    for tokenizer in folder.glob("tokenizer*"):
        (tokenizer / "tokenizer.json").unlink(missing_ok=True)
    tiny_tokenizer(folder / "tokenizer", length=length)
    if (folder / "tokenizer_2").is_dir():
        tiny_tokenizer(folder / "tokenizer_2", length=length, pad="!")
    return folder


def tiny_controlnet(folder: Path, *, seed: int = 0) -> Path:
    """A ControlNet of `tiny_sd15` with random weights: fresh ones have projections of zero, and no effect."""
    import torch
    from diffusers import ControlNetModel

    torch.manual_seed(seed)
    net = ControlNetModel(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=(2, 4),
        conditioning_embedding_out_channels=(4, 4, 4, 4),
        **_LEVELS,
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.2)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_vae(folder: Path, *, seed: int = 1) -> Path:
    """A VAE that fits both pipelines."""
    import torch

    torch.manual_seed(seed)
    _vae().save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_decoder(folder: Path, *, seed: int = 0) -> Path:
    """A tiny autoencoder for the latents of both pipelines."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(seed)
    channels = (8, 8, 8, 8)
    AutoencoderTiny(
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_lora(file: Path, *, seed: int = 0, scale: float = 0.5) -> Path:
    """A LoRA of rank 2 for the UNet of `tiny_sdxl`, named as in diffusers' own files."""
    import torch
    from safetensors.torch import save_file

    random = torch.Generator().manual_seed(seed)
    weights = {}
    for name, layer in _sdxl_unet(9).named_modules():
        if name.endswith(("to_q", "to_k", "to_v")):
            weights[f"unet.{name}.lora_A.weight"] = torch.randn(2, layer.in_features, generator=random)
            weights[f"unet.{name}.lora_B.weight"] = torch.randn(layer.out_features, 2, generator=random) * scale
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file, metadata={"format": "pt"})
    return file
