"""A wrapper that turns a classifier of transformers into a plain network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Logits(nn.Module):
    """A classifier of transformers that outputs its logits, (N, K).

    Args:
        classifier: from pixel values, shape (N, 3, height, width), to something with `logits`.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier: Any = classifier

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (N, K)."""
        return self.classifier(pixel_values=images_NCHW).logits  # type: ignore[no-any-return]
