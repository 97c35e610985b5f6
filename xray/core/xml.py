"""XML of users' files; entities are refused, because they may expand without limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, XMLPullParser

from xray.core.text import decode_text

_CHUNK = 1 << 16
_MAX_DEPTH = 1000
_DECLARED = re.compile(rb"\s*<\?xml[^>]*encoding")


def read_elements(content: bytes | str) -> Iterator[tuple[str, Element]]:
    """Yield each element twice: as `start`, without its content, and as `end`; the caller may then clear it.

    Args:
        content: bytes are text in Unicode, or in the encoding that the document declares.

    Raises:
        ValueError, SyntaxError: it is no XML, defines entities, is nested too deeply, or has an unknown encoding.
    """
    content = _decoded(content) if isinstance(content, bytes) else content
    if "<!ENTITY" in (content if isinstance(content, str) else content.decode("latin-1")):
        raise ValueError("it defines entities")
    parser: Any = XMLPullParser(("start", "end"))
    depth = 0
    for start in range(0, len(content) + _CHUNK, _CHUNK):
        try:
            parser.feed(content[start : start + _CHUNK]) if start < len(content) else parser.close()
        except LookupError as error:
            raise ValueError(f"its text cannot be decoded: {error}") from error
        for event, element in parser.read_events():
            depth += 1 if event == "start" else -1
            if depth > _MAX_DEPTH:
                raise ValueError(f"XML nested more than {_MAX_DEPTH:,} levels deep")
            yield event, element


def parse_xml(content: bytes | str) -> Element:
    """Return the root of a document; see `read_elements`.

    >>> parse_xml("<a><b>1</b></a>").findtext("b")
    '1'
    """
    root = None
    for _, element in read_elements(content):
        root = element if root is None else root
    assert root is not None, "a document without element is a SyntaxError"
    return root


def _decoded(data: bytes) -> str | bytes:
    try:
        return decode_text(data)
    except ValueError:
        if _DECLARED.match(data):
            return data
        raise
