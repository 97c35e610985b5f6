"""A tiny CLIP and tiny safety checkers that flag everything or nothing: random weights in the real formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LENGTH = 20
"""Maximal number of tokens, including start and end; each letter is a token."""
_LETTERS = [chr(code) for code in range(33, 127)]
_SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_PIECES = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "<|startoftext|>", "<|endoftext|>"]


def tiny_text_config(length: int = LENGTH) -> dict[str, int]:
    """Return the sizes of a text encoder for the tokens of `tiny_clip_tokenizer`."""
    vocabulary = len(_PIECES)
    return {
        **_SIZE,
        "vocab_size": vocabulary,
        "max_position_embeddings": length,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def tiny_clip_tokenizer(length: int = LENGTH) -> Any:
    """Return a tokenizer of letters."""
    from transformers import CLIPTokenizer

    vocabulary = {piece: index for index, piece in enumerate(_PIECES)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def _config() -> Any:
    from transformers import CLIPConfig

    vision = {**_SIZE, "image_size": 32, "patch_size": 8}
    return CLIPConfig(text_config=tiny_text_config(), vision_config=vision, projection_dim=8)


def _image_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def tiny_clip(folder: Path, *, seed: int = 0) -> Path:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    torch.manual_seed(seed)
    CLIPModel(_config()).save_pretrained(folder)
    CLIPProcessor(_image_processor(), tiny_clip_tokenizer()).save_pretrained(folder)
    return folder


def tiny_checker(folder: Path, *, flags: bool, seed: int = 0) -> Path:
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    torch.manual_seed(seed)
    checker = StableDiffusionSafetyChecker._from_config(_config(), attn_implementation="eager")
    torch.nn.init.constant_(checker.concept_embeds_weights, -2.0 if flags else 2.0)
    torch.nn.init.constant_(checker.special_care_embeds_weights, 2.0)
    checker.save_pretrained(folder)
    _image_processor().save_pretrained(folder)
    return folder
