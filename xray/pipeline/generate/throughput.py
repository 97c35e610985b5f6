"""Rates of models: measured in this run, in earlier ones with the same settings, or by a probe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xray.cluster.placement import Node
from xray.core.cache import cache_folder, settings_hash
from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.uri import to_uri
from xray.runs.receipts import Receipt
from xray.runs.recipe import Recipe, recipe_values
from xray.runs.roles import painter_settings

RateSettings = Mapping[str, Any]


@dataclass(frozen=True)
class Rate:
    """The speed of a pool.

    Args:
        images: number of images that the device processed.
        seconds: time of one actor's device for them.
        bytes: their size in storage.
        measured: `this run`, `an earlier run` or `a probe just now`.
    """

    images: int
    seconds: float
    bytes: int
    measured: str

    @property
    def seconds_per_image(self) -> float:
        """Device time of one actor."""
        return self.seconds / self.images

    @property
    def bytes_per_image(self) -> float:
        """Storage."""
        return self.bytes / self.images


def rate_settings(recipe: Recipe, pool: str, scenarios: Iterable[str] = ()) -> dict[str, Any]:
    """Settings that the rate of a pool, refine, remove or paint, depends on; as plain JSON, in each of its receipts."""
    values = recipe_values(recipe)
    settings = {"pool": pool, **{key: values["pools"][pool][key] for key in ("device", "gpus", "batch")}}
    if pool == "refine":
        return settings | {"model": values["masks"]["refine"]}
    if pool == "remove":
        return settings | {"model": values["remover"]}
    inpainters = [painter_settings(values["scenarios"][name]) for name in scenarios]
    return settings | {"models": inpainters, "filter": values["filter"]}


def rate_of(receipts: Iterable[Receipt], table: str, settings: RateSettings) -> Rate | None:
    """Compute a rate from receipts of a stage that commits `table`; None if none has these settings."""
    images, seconds, size = 0, 0.0, 0
    for receipt in receipts:
        if receipt.facts.get("settings") == settings:
            images += receipt.facts["device_images"]
            seconds += receipt.facts["device_seconds"]
            size += receipt.files[table]["bytes"]
    return Rate(images, seconds, size, "this run") if images and seconds else None


def remember(settings: RateSettings, nodes: Sequence[Node], rate: Rate) -> None:
    """Save a rate for dry runs of other runs in the cache folder, if that can be written."""
    with contextlib.suppress(XrayError):
        write_bytes(to_uri(_rate_file(settings, nodes)), json.dumps(asdict(rate), indent=1).encode())


def remembered(settings: RateSettings, nodes: Sequence[Node]) -> Rate | None:
    """Load the rate of an earlier run with the same settings on the same kinds of GPU, if there is one."""
    try:
        rate = Rate(**json.loads(_rate_file(settings, nodes).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return replace(rate, measured="an earlier run")


def _rate_file(settings: RateSettings, nodes: Sequence[Node]) -> Path:
    kinds = sorted({name for node in nodes for name in node if name.startswith("accelerator_type:")})
    return cache_folder() / "rates" / f"{settings_hash({**settings, 'kinds': kinds})}.json"
