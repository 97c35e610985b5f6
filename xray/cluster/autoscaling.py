"""Asking a cluster that grows for GPUs, while a run needs them."""

from __future__ import annotations

import time

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from xray.cluster.session import resources
from xray.core.errors import XrayError
from xray.core.progress import Progress

_LOOK_EVERY = 0.5


def await_gpus(wanted: int | None, seconds: float) -> None:
    """Ask for GPUs, and come back when the cluster has them; nodes that nobody uses any longer leave by themselves.

    What is asked for is held by this driver: if it dies, nobody waits for GPUs any longer.

    Args:
        wanted: in the cluster, together with those that are there; None: those that are there will do.
        seconds: after which they are given up.

    Raises:
        XrayError: the cluster has not so many in time.
    """
    if wanted is None or _gpus() >= wanted:
        return
    demand = placement_group([{"GPU": 1}] * wanted)
    try:
        with Progress("cluster", wanted, "GPUs", 0) as progress:
            deadline = time.monotonic() + seconds
            while (there := _gpus()) < wanted:
                progress.reach(there)
                if time.monotonic() > deadline:
                    raise XrayError(
                        f"the cluster has {there} GPUs after {seconds:,.0f} s, and `pools.gpus` asks for {wanted}. "
                        "Does it grow so far, and has its provider so many? A smaller number does with fewer"
                    )
                time.sleep(_LOOK_EVERY)
    finally:
        if ray.is_initialized():
            remove_placement_group(demand)


def _gpus() -> int:
    return int(resources().get("GPU", 0))
