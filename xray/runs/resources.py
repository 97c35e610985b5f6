"""Pools of actors that hold models: what a recipe may ask for, and what a cluster can give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xray.core.plugins import settings


def _range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


@settings
class Pool:
    """Where a model works, and how many of it there are.

    Args:
        device: `cuda`, or `cpu` if it is to do without GPUs; slow with real models.
        gpus: share of a GPU for each actor, at most 1: a model works on one; None: one that lets both pools fit.
        actors: how many, or the least and the most; None: as many as fit.
        cpus: CPUs for each actor; None: one, or none where the cluster has too few.
        accelerator: only GPUs of this type, as Ray calls it, such as A100 or H100.
        batch: images that the network sees at once. Larger ones are faster on large GPUs and round differently: the
            bytes of what is made depend on it.
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
        paint: actors that paint worlds.
        gpus: that a cluster which grows is asked for before the pools begin, at most `stall_seconds` long; None: those
            that are there. Evaluation asks for them, too.
        stall_seconds: a run ends if no pool finishes a batch, or nothing gets further, for so long; without pools, too.
        price_per_gpu_hour: in whatever currency; `--dry-run` multiplies with it.
    """

    refine: Pool = Pool()
    paint: Pool = Pool()
    gpus: Annotated[int, Field(ge=1)] | None = None
    stall_seconds: Annotated[float, Field(gt=0)] = 1800.0
    price_per_gpu_hour: Annotated[float | None, Field(ge=0)] = None
