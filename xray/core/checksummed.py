"""JSON files with a checksum: receipts and records vouch for other files, so they must detect their own damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from xray.core.errors import DamagedError

_CHECKSUM = "sha256"


def with_checksum(values: Mapping[str, Any]) -> bytes:
    """Encode JSON values, without a key `sha256`, as JSON that ends with its own hash.

    >>> check_checksum(with_checksum({"shard": "00-00-00000"}), "a receipt")
    {'shard': '00-00-00000'}
    """
    text = json.dumps(values, indent=1)
    return json.dumps({**values, _CHECKSUM: hashlib.sha256(text.encode()).hexdigest()}, indent=1).encode()


def check_checksum(data: bytes, name: str) -> dict[str, Any]:
    """Decode what `with_checksum` encoded; a DamagedError if a byte has changed."""
    try:
        values: dict[str, Any] = json.loads(data)
        values.pop(_CHECKSUM)
        intact = with_checksum(values) == data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise DamagedError(f"{name} is damaged or was edited by hand; `xray verify RUN` lists all damage")
    return values
