"""The tokenizers of a pipeline: they limit the length of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray.backgrounds.inpainting.folder_check import read_json
from xray.core.errors import ConfigError, extra
from xray.models.weights.pretrained import read_processor


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizers of a pipeline.

    Args:
        all: tokenizers of transformers; Stable Diffusion XL has two.
        limit: maximum number of tokens, including start and end.
    """

    all: tuple[Any, ...]
    limit: int

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, including start and end; the maximum over the tokenizers."""
        return max(len(tokenizer(text, verbose=False)["input_ids"]) for tokenizer in self.all)

    def cut(self, text: str) -> str:
        """Return the longest prefix within the limit, in whole words (or letters, within a single word)."""
        while self.count(text) > self.limit:
            text = text.rpartition(" ")[0].rstrip() or text[:-1]
        return text


def load_tokenizers(folders: Sequence[Path]) -> Tokenizers:
    """Load the tokenizers in some folders."""
    with extra("diffusion"):
        from transformers import CLIPTokenizer
    for folder in folders:
        _check_files(folder)
    tokenizers = tuple(read_processor(CLIPTokenizer, folder) for folder in folders)
    for tokenizer in tokenizers:  # set now, so that counting in threads does not modify them
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return Tokenizers(tokenizers, min(tokenizer.model_max_length for tokenizer in tokenizers))


def _check_files(folder: Path) -> None:
    # Without a vocabulary, transformers silently creates a tokenizer that knows no word.
    for needed in ["tokenizer.json"] if (folder / "tokenizer.json").is_file() else ["vocab.json", "merges.txt"]:
        if not (folder / needed).is_file():
            raise ConfigError(f"{str(folder)!r} is not the folder of a tokenizer: it has no {needed}")
    for file in folder.glob("*.json"):
        read_json(file, "a tokenizer")
