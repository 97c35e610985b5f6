"""How fast models worked: measured in this run, in earlier ones with the same settings, or by a probe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xray.cluster.placement import Node
from xray.core.cache import cache_folder, digest
from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.uri import to_uri
from xray.runs.receipts import Receipt
from xray.runs.recipe import Recipe, recipe_values

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Rate:
    """How fast a pool works.

    Args:
        images: that went through the device.
        seconds: of one actor's time that they took there.
        bytes: that they were stored in.
        measured: `this run`, `an earlier run` or `a probe just now`.
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


def settings_of_work(recipe: Recipe, pool: str, scenarios: Iterable[str] = ()) -> dict[str, Any]:
    """What the rate of a pool depends on, as plain JSON values; stands in each of its receipts.

    Args:
        recipe: of the run.
        pool: refine or paint.
        scenarios: that are painted.
    """
    values = recipe_values(recipe)
    told = {"pool": pool, **{key: values["pools"][pool][key] for key in ("device", "gpus", "batch")}}
    if pool == "refine":
        return told | {"model": values["masks"]["refine"]}
    painters = [values["scenarios"][name]["painter"] for name in scenarios]
    return told | {"models": painters, "filter": values["filter"]}


def rate_of(receipts: Iterable[Receipt], table: str, settings: Settings) -> Rate | None:
    """The rate that receipts tell; None if nothing was made with these settings.

    Args:
        receipts: of one stage.
        table: what they committed: `masks` or `images`.
        settings: of `settings_of_work`.
    """
    images, seconds, size = 0, 0.0, 0
    for receipt in receipts:
        if receipt.facts.get("settings") == settings:
            images += receipt.facts["device_images"]
            seconds += receipt.facts["device_seconds"]
            size += receipt.files[table]["bytes"]
    return Rate(images, seconds, size, "this run") if images and seconds else None


def remember(settings: Settings, nodes: Sequence[Node], rate: Rate) -> None:
    """Keep a rate for the dry runs of other runs, in the cache folder; where that cannot be written, it is not kept.

    Args:
        settings: of `settings_of_work`.
        nodes: of the cluster: another kind of GPU has another rate.
        rate: what was measured.
    """
    with contextlib.suppress(XrayError):
        write_bytes(to_uri(_place(settings, nodes)), json.dumps(asdict(rate), indent=1).encode())


def remembered(settings: Settings, nodes: Sequence[Node]) -> Rate | None:
    """The rate of an earlier run with the same settings on the same kinds of GPU, if there was one."""
    try:
        rate = Rate(**json.loads(_place(settings, nodes).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return replace(rate, measured="an earlier run")


def _place(settings: Settings, nodes: Sequence[Node]) -> Path:
    kinds = sorted({name for node in nodes for name in node if name.startswith("accelerator_type:")})
    return cache_folder() / "rates" / f"{digest({**settings, 'kinds': kinds})}.json"
