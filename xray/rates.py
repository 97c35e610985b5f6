"""How fast models worked, measured in earlier runs, and what a run will take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xray.files import to_uri, write_bytes
from xray.sources.cache import cache_folder, digest
from xray.store import Receipt


@dataclass(frozen=True)
class Rate:
    """How fast a pool works.

    Args:
        images: that were measured.
        seconds: of one actor's time that they took.
        bytes: that they were stored in.
        measured: where: `earlier runs` or `a probe`.
    """

    images: int
    seconds: float
    bytes: int
    measured: str

    @property
    def seconds_an_image(self) -> float:
        """Of one actor's time."""
        return self.seconds / self.images

    @property
    def bytes_an_image(self) -> float:
        """Of storage."""
        return self.bytes / self.images


def rate_of(receipts: Iterable[Receipt], table: str) -> Rate | None:
    """The rate that receipts tell; None if nothing was made on a device.

    Args:
        receipts: of one stage, made with the same settings.
        table: what they committed: `masks` or `images`.
    """
    images, seconds, size = 0, 0.0, 0
    for receipt in receipts:
        if receipt.facts.get("device_seconds"):
            images += receipt.files[table]["rows"]
            seconds += receipt.facts["device_seconds"]
            size += receipt.files[table]["bytes"]
    return Rate(images, seconds, size, "earlier runs") if images and seconds else None


def remember(settings: Mapping[str, Any], rate: Rate) -> None:
    """Keep a rate for the dry runs to come, in the cache folder.

    Args:
        settings: of the model, and the kind of device, as plain JSON values.
        rate: what was measured with them.
    """
    told = {"settings": settings, "rate": asdict(rate)}
    write_bytes(to_uri(_place(settings)), json.dumps(told, indent=1).encode())


def remembered(settings: Mapping[str, Any]) -> Rate | None:
    """The rate of an earlier run with the same settings, if there was one."""
    path = _place(settings)
    return Rate(**json.loads(path.read_text())["rate"]) if path.exists() else None


def _place(settings: Mapping[str, Any]) -> Path:
    return cache_folder() / "rates" / f"{digest(settings)}.json"
