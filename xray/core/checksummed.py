"""JSON files with a checksum: receipts and records vouch for other files, so they must detect their own damage."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from xray.core.errors import DamagedError

_CHECKSUM = "sha256"


def with_checksum(values: Mapping[str, Any]) -> bytes:
    """Encode JSON values, without a key `sha256`, as JSON that ends with its own hash.

    >>> check_checksum(with_checksum({"shard": "00-00-00000"}), "a receipt")
    {'shard': '00-00-00000'}
    """
    text = json.dumps(values, indent=1).encode()
    start = text.removesuffix(b"\n}") + b",\n" if values else b"{\n"
    return start + _ending(hashlib.sha256(text).hexdigest())


def check_checksum(data: bytes, name: str, mend: str = "`xray verify RUN` lists all damage") -> dict[str, Any]:
    """Decode what `with_checksum` encoded; a DamagedError, which ends with `mend`, if a byte has changed."""
    start, found, ending = data.rpartition(f' "{_CHECKSUM}": "'.encode())
    text = start.removesuffix(b",\n") + b"\n}" if start != b"{\n" else b"{}"
    if not found or found + ending != _ending(hashlib.sha256(text).hexdigest()):
        raise DamagedError(f"{name} is damaged or was edited by hand; {mend}")
    try:
        values: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{name} is damaged or was edited by hand; {mend}") from error
    return values


def check_record(data: bytes, name: str, keys: Collection[str], mend: str) -> dict[str, Any]:
    """Decode a record as `check_checksum` does, or one of an earlier version: JSON with these keys and no checksum."""
    with contextlib.suppress(ValueError, RecursionError):
        values: Any = json.loads(data)
        if isinstance(values, dict) and values.keys() == {*keys}:
            return values
    return check_checksum(data, name, mend)


def _ending(sha256: str) -> bytes:
    return f' "{_CHECKSUM}": "{sha256}"\n}}'.encode()
