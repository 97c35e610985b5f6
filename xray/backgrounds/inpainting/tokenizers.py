"""How long a prompt is for a model: its tokenizers see so many tokens and no more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray.backgrounds.inpainting.folder_check import PipelineFolder, read_json
from xray.core.errors import XrayError, extra


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizers of a pipeline.

    Args:
        all: of transformers; Stable Diffusion XL has two.
        limit: tokens that each of them takes, with the two at start and end.
    """

    all: tuple[Any, ...]
    limit: int

    def count(self, text: str) -> int:
        """Tokens of a text, with those at start and end; the most that any tokenizer makes of it."""
        return max(len(tokenizer(text, verbose=False)["input_ids"]) for tokenizer in self.all)

    def cut(self, text: str) -> str:
        """As many of the first words (or, of a single one, letters) as the model sees."""
        while self.count(text) > self.limit:
            text = text.rpartition(" ")[0].rstrip() or text[:-1]
        return text


def load_tokenizers(folder: PipelineFolder) -> Tokenizers:
    """The tokenizers of a pipeline, and nothing else of it.

    Raises:
        XrayError: they are not there, or damaged.
    """
    with extra("diffusion"):
        from transformers import CLIPTokenizer
    found = []
    for path in (folder.path / name for name in sorted(folder.parts) if name.startswith("tokenizer")):
        _look_at(path)
        try:
            found.append(CLIPTokenizer.from_pretrained(str(path), local_files_only=True))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            first_line = str(error).partition("\n")[0]
            raise XrayError(f"cannot load the tokenizer {str(path)!r}: {first_line}") from error
    for tokenizer in found:  # set now, so that counting in several threads changes nothing in them
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return Tokenizers(tuple(found), min(tokenizer.model_max_length for tokenizer in found))


def _look_at(path: Path) -> None:
    # Without its vocabulary transformers makes a tokenizer that knows no word, and does not say so.
    for needed in ["tokenizer.json"] if (path / "tokenizer.json").is_file() else ["vocab.json", "merges.txt"]:
        if not (path / needed).is_file():
            raise XrayError(f"{str(path)!r} is no folder of a tokenizer: it has no {needed}")
    for file in sorted(path.glob("*.json")):
        read_json(file, "a tokenizer")
