"""JSON that notices when a byte of it has changed: what vouches for all the rest must itself be known to be right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from xray.core.errors import DamagedError

_SEAL = "sha256"


def sealed(values: Mapping[str, Any]) -> bytes:
    """Values as JSON, with the hash of all of it at its end.

    Args:
        values: what JSON can hold; no key `sha256`.

    >>> unsealed(sealed({"shard": "00-00-00000"}), "a receipt")
    {'shard': '00-00-00000'}
    """
    text = json.dumps(values, indent=1)
    return json.dumps({**values, _SEAL: hashlib.sha256(text.encode()).hexdigest()}, indent=1).encode()


def unsealed(data: bytes, name: str) -> dict[str, Any]:
    """The values again.

    Args:
        data: as `sealed` made it, byte for byte.
        name: of the file, for people.

    Raises:
        DamagedError: a byte of it has changed.
    """
    try:
        values: dict[str, Any] = json.loads(data)
        values.pop(_SEAL)
        whole = sealed(values) == data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise DamagedError(f"{name} is damaged, or was changed by hand; `xray verify RUN` says what else is")
    return values
