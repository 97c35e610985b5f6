"""Text from users' files: decoded, and names made printable: one line, no control characters, a bounded length."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = ("cp1252", "gb18030", "shift_jis", "cp1251")
_HEAD, _SHOWN = 4096, 20
_MAX_DIGITS = 400
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_PAIR = r"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf"\\(?:u{_PAIR}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{{2}})|.)", re.DOTALL)
"""Escapes of JSON; `half` is a surrogate without the other."""


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


def counted(n: int, noun: str) -> str:
    """Format a count with its noun.

    >>> counted(1, "photograph"), counted(1234, "photograph")
    ('1 photograph', '1,234 photographs')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def share_of(n: int, total: int, noun: str) -> str:
    """Format a part of a number of things.

    >>> share_of(3, 139, "photograph"), share_of(139, 139, "photograph"), share_of(1, 1, "photograph")
    ('3 of 139 photographs', 'all 139 photographs', 'the only photograph')
    """
    if n < total or not total:
        return f"{n:,} of {counted(total, noun)}"
    return f"the only {noun}" if total == 1 else f"all {counted(total, noun)}"


def decode_text(data: bytes) -> str:
    r"""Decode text in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        ValueError: another encoding, with its first line that is not UTF-8 as the likely encodings read it; or no text.

    >>> decode_text("\ufeff{}".encode()), decode_text("[1]".encode("utf-16"))
    ('{}', '[1]')
    """
    encoding = _unicode_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise ValueError(f"damaged {encoding.upper()} text: {error.reason} at byte {error.start:,}") from error
        raise ValueError(_other_encodings(data, error.start)) from error


def load_json(data: bytes | str, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    r"""Parse the JSON of a user's file; `object_hook` may replace each object, as of `json.loads`.

    Numbers of thousands of digits are infinite, and halves of surrogate pairs, which no table can hold, U+FFFD.

    Raises:
        ValueError: it is not JSON or no text, or is nested too deeply.

    >>> load_json(b'[1, "\\ud800"]')
    [1, '\ufffd']
    """
    text = decode_text(data) if isinstance(data, bytes) else data
    del data  # a file of a million annotations has hundreds of megabytes
    if _SURROGATE.search(text):
        text = _ESCAPES.sub(lambda match: "\\ufffd" if match["half"] else match[0], text)
    try:
        try:
            return json.loads(text, object_hook=object_hook)
        except ValueError as error:
            if isinstance(error, json.JSONDecodeError) or "integer string conversion" not in str(error):
                raise
            return json.loads(text, object_hook=object_hook, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _unicode_encoding(data: bytes) -> str:
    """Return the encoding by the byte order mark, or by where the zero bytes of ASCII characters are."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    head = data[:_HEAD]
    if b"\0" not in head:
        return "utf-8-sig"
    size = len(head) // 4 * 4
    zeros = [head[:size][position::4].count(0) for position in range(4)]
    if size and zeros[2] == zeros[3] == size // 4:
        return "utf-32-le"
    if size and zeros[0] == zeros[1] == size // 4:
        return "utf-32-be"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if min(even, odd) * 8 > max(even, odd):  # a few characters, such as 一 (U+4E00), have a zero byte at the other end
        raise ValueError(f"not text: begins with {data[:8]!r}")
    return "utf-16-le" if odd > even else "utf-16-be"


def _other_encodings(data: bytes, index: int) -> str:
    """Explain text that is not UTF-8, with the line of the first wrong byte."""
    start = data.rfind(b"\n", 0, index) + 1
    line, column = data[start:].partition(b"\n")[0], index - start
    readings: dict[str, str] = {}
    for encoding in _LEGACY:
        with contextlib.suppress(UnicodeDecodeError):
            before, after = line[:column].decode(), line[column:].decode(encoding)
            readings.setdefault(printable(before[-_SHOWN:] + after[:_SHOWN]).strip(), encoding)
    shown = ", ".join(f"{encoding} reads {text!r}" for text, encoding in readings.items())
    number = data.count(b"\n", 0, index) + 1
    return (
        f"not UTF-8 text: line {number} has the byte 0x{data[index]:02x} ({shown or 'unknown encoding'}). "
        f"Convert the file, for example by `iconv -f {_LEGACY[0]} -t UTF-8 FILE > NEW`"
    )
