"""Names as people gave them, made fit to be shown: one line, no control characters, not too long."""

from __future__ import annotations

import unicodedata

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def shown(name: str, width: int | None = None) -> str:
    r"""A name on one line, without characters that are invisible or turn the reading direction.

    Args:
        name: any text.
        width: characters at most; a longer name loses its middle.

    >>> shown("red\nfox"), shown("efficientnet_b0.ra_in1k_finetuned", 16)
    ('red fox', 'efficien…netuned')
    """
    spaced = (" " if character in "\n\r\t\u2028\u2029" else character for character in name)
    text = "".join("\ufffd" if unicodedata.category(character) in _INVISIBLE else character for character in spaced)
    if width is None or len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[len(text) - (width - 1) // 2 :]}"
