"""Names from users' files, made printable: one line, no control characters, a bounded length."""

from __future__ import annotations

import unicodedata

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def printable(name: str, width: int | None = None) -> str:
    r"""Format a name on one line, without invisible characters or ones that change the reading direction.

    The middle of a name of more than `width` characters is cut.

    >>> printable("red\nfox"), printable("efficientnet_b0.ra_in1k_finetuned", 16)
    ('red fox', 'efficien…netuned')
    """
    spaced = (" " if character in "\n\r\t\u2028\u2029" else character for character in name)
    text = "".join("\ufffd" if unicodedata.category(character) in _INVISIBLE else character for character in spaced)
    if width is None or len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[len(text) - (width - 1) // 2 :]}"
