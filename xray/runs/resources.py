"""Recipe settings of the actor pools that run models of mask refinement, removal and inpainting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xray.core.plugins import settings


def _range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


@settings
class Pool:
    """Actors that each hold one model.

    Args:
        device: `cuda`, or `cpu` to run without GPUs, which is slow with real models.
        gpus: share of a GPU for each actor, at most 1: a model runs on one GPU; None: a share that fits all pools.
        actors: their number, or minimum and maximum; None: as many as fit.
        cpus: CPUs for each actor; None: one, or none if the cluster has too few.
        accelerator: use only GPUs of this type, by its name in Ray, such as A100 or H100.
        batch: images per forward pass. Larger batches are faster on large GPUs but round differently, so the bytes of
            the results depend on it.
    """

    device: Literal["cuda", "cpu"] = "cuda"
    gpus: Annotated[float | None, Field(ge=0, le=1)] = None
    actors: Annotated[
        tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None, BeforeValidator(_range)
    ] = None
    cpus: Annotated[float | None, Field(ge=0)] = None
    accelerator: str | None = None
    batch: Annotated[int, Field(ge=1, le=256)] = 1


@settings
class Pools:
    """The pools of a run.

    Args:
        refine: actors that refine masks.
        remove: actors that remove objects.
        paint: actors that inpaint backgrounds.
        gpus: GPUs to request from an autoscaling cluster before the pools start, and before evaluation, waiting at most
            `stall_seconds`; None: use those that exist.
        stall_seconds: stop a run that makes no progress for so many seconds, with or without pools.
        price_per_gpu_hour: price of one GPU-hour in any currency, for the cost that `--dry-run` estimates.
    """

    refine: Pool = Pool()
    remove: Pool = Pool()
    paint: Pool = Pool()
    gpus: Annotated[int, Field(ge=1)] | None = None
    stall_seconds: Annotated[float, Field(gt=0)] = 1800.0
    price_per_gpu_hour: Annotated[float | None, Field(ge=0)] = None
