from __future__ import annotations

import pytest

from xray.core.xml import parse_xml, read_elements

LATIN = b'<?xml version="1.0" encoding="iso-8859-1"?><a>\xe9</a>'
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize("content", ["<a>é</a>", "<a>é</a>".encode(), "<a>é</a>".encode("utf-16"), LATIN])
def test_documents_are_read_in_their_encoding(content: bytes | str) -> None:
    assert parse_xml(content).text == "é"


@pytest.mark.parametrize(
    "content", [b"", b"<a>", b"a", b"<a/>b", b"<a>&b;</a>", b"<a>\xe9</a>", BOMB, BOMB.encode(), BOMB.encode("utf-16")]
)
def test_damaged_documents_and_entities_are_refused(content: bytes | str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        parse_xml(content)


def test_elements_start_before_their_content_is_read() -> None:
    elements = read_elements("<a><b/></a" + " " * 100_000 + "x>")
    seen = [next(elements), next(elements)]
    assert [(event, element.tag) for event, element in seen] == [("start", "a"), ("start", "b")]
    with pytest.raises(SyntaxError):
        list(elements)


@pytest.mark.parametrize("encoding", ["martian", "rot13", "shift_jis", "utf-7", "base64", "zlib"])
def test_encodings_that_cannot_be_read_are_refused(encoding: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><a>'.encode() + b"\xe9</a>")


def test_deep_documents_are_refused() -> None:
    assert parse_xml("<a>" * 900 + "</a>" * 900).tag == "a"
    with pytest.raises(ValueError, match="nested"):
        parse_xml("<a>" * 200_000 + "</a>" * 200_000)
