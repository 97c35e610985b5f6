from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import DamagedError, XrayError

VALUES = {"shard": "00-00-00000", "counts": {"é": {"ok": 3}}, "seconds": 0.1, "facts": {"note": "a\nb", "no": None}}


def test_what_is_sealed_is_plain_json_and_read_back() -> None:
    data = with_checksum(VALUES)
    assert check_checksum(data, "x") == VALUES
    assert VALUES.items() <= json.loads(data).items()


@given(st.data())
def test_no_byte_changes_unnoticed(data: st.DataObject) -> None:
    whole = with_checksum(VALUES)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    with pytest.raises(XrayError, match=r"run\.json is damaged"):
        check_checksum(whole[:place] + bytes([other]) + whole[place + 1 :], "run.json")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"3", b"{}", b"\xff", b'{"a": 1}', b"[" * 100_000, with_checksum(VALUES)[:-1]]
)
def test_what_was_never_sealed_is_refused(data: bytes) -> None:
    with pytest.raises(XrayError, match="damaged"):
        check_checksum(data, "a receipt")


def test_values_that_are_nested_without_end_are_damage() -> None:
    text = b'{\n "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"\n}"
    sealed = text[:-2] + b',\n "sha256": "' + hashlib.sha256(text).hexdigest().encode() + b'"\n}'
    with pytest.raises(DamagedError):
        check_checksum(sealed, "run.json")
