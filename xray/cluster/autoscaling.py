"""Requests for GPUs from an autoscaling cluster."""

from __future__ import annotations

import time

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from xray.cluster.session import resources
from xray.core.errors import ResourceError
from xray.core.progress import Progress

_POLL_SECONDS = 0.5


def await_gpus(total: int | None, seconds: float) -> None:
    """Request GPUs and wait until the cluster has them.

    This driver owns the request, so Ray cancels it if the driver dies. The autoscaler stops idle nodes by itself.

    Args:
        total: number of GPUs in the whole cluster, including those that it has already; None: do not wait.
        seconds: time limit.

    Raises:
        XrayError: the cluster has fewer GPUs at the time limit.
    """
    if total is None or _gpus() >= total:
        return
    request = placement_group([{"GPU": 1}] * total)
    try:
        with Progress("cluster", total, "GPUs", 0) as progress:
            deadline = time.monotonic() + seconds
            while (present := _gpus()) < total:
                progress.reach(present)
                if time.monotonic() > deadline:
                    raise ResourceError(
                        f"the cluster has {present} GPUs after {seconds:,.0f} s, but `pools.gpus` is {total}. Check "
                        "the autoscaler's limit and the provider's quota, or lower `pools.gpus`"
                    )
                time.sleep(_POLL_SECONDS)
    finally:
        if ray.is_initialized():
            remove_placement_group(request)


def _gpus() -> int:
    return int(resources().get("GPU", 0))
