"""Tiny models with random weights, in files as real ones."""

from __future__ import annotations

from pathlib import Path


def saved_model(folder: Path, architecture: str, seed: int = 0) -> str:
    """Save a tiny model with random weights; return its model string."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{architecture}-{seed}.safetensors"
    save_file(timm.create_model(architecture, num_classes=1000).state_dict(), path)
    return f"timm:{architecture}@{path}"
