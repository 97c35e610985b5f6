"""Pools of actors that hold models: what a recipe may ask for, and what a cluster can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from xray.errors import XrayError
from xray.plugins import settings

_TOGETHER = {"refine": 0.2, "paint": 0.8}
"""Shares of a GPU where both pools want one: a painter on every GPU, and one refiner beside one of them. Painters take
seconds for an image where a refiner takes a tenth, and two shares of 0.8 cannot come to lie on one GPU."""

_ENOUGH = 1 + 1e-6


def _range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


@settings
class Pool:
    """Where a model works, and how many of it there are.

    Args:
        device: `cuda`, or `cpu` if it is to do without GPUs; slow with real models.
        gpus: share of a GPU for each actor, or several whole ones; None: one that lets both pools fit.
        actors: how many, or the least and the most; None: as many as fit.
        cpus: CPUs for each actor; None: one, or none where the cluster has too few.
        accelerator: only GPUs of this type, as Ray calls it, such as A100 or H100.
        batch: images that the network sees at once. Larger ones are faster on large GPUs and round differently: the
            bytes of what is made depend on it.
    """

    device: Literal["cuda", "cpu"] = "cuda"
    gpus: Annotated[float | None, Field(ge=0)] = None
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
        stall_seconds: a run ends if no pool finishes a batch for so long.
        price_per_gpu_hour: in whatever currency; `--dry-run` multiplies with it.
    """

    refine: Pool = Pool()
    paint: Pool = Pool()
    stall_seconds: Annotated[float, Field(gt=0)] = 1800.0
    price_per_gpu_hour: Annotated[float | None, Field(ge=0)] = None


@dataclass(frozen=True)
class Grant:
    """What a pool gets.

    Args:
        device: `cuda` or `cpu`.
        gpus: share of a GPU for each actor.
        cpus: CPUs for each actor.
        least: actors at least.
        most: actors at most.
        accelerator: type of GPU; None: any.
        batch: images that the network sees at once.
    """

    device: str
    gpus: float
    cpus: float
    least: int
    most: int
    accelerator: str | None
    batch: int


def grant(pools: Mapping[str, Pool], cluster: Mapping[str, float]) -> dict[str, Grant]:
    """Divide a cluster between the pools that are to work at the same time.

    Args:
        pools: by name.
        cluster: resources as Ray counts them: CPU, GPU, accelerator_type:A100, …

    Raises:
        XrayError: there is no such GPU, or they do not fit together.

    >>> both = grant({"refine": Pool(), "paint": Pool()}, {"CPU": 64, "GPU": 8})
    >>> [(pool.most, pool.gpus) for pool in both.values()]
    [(1, 0.2), (8, 0.8)]
    """
    for name, pool in pools.items():
        _check(name, pool, cluster)
    shares = _shares(pools)
    given = {
        name: Grant(
            device=pool.device,
            gpus=shares[name],
            cpus=1.0 if pool.cpus is None else pool.cpus,
            least=least,
            most=most,
            accelerator=pool.accelerator,
            batch=pool.batch,
        )
        for name, pool in pools.items()
        for least, most in [pool.actors or (_count(name, shares, cluster),) * 2]
    }
    _check_gpus(given, cluster)
    free = cluster.get("CPU", 0) - 1  # one for the tasks beside the pools
    if sum(got.most * got.cpus for got in given.values()) > free * _ENOUGH:
        # Where nobody asked for CPUs, a pool without them works; one that waits for them does not.
        given = {name: replace(got, cpus=pools[name].cpus or 0.0) for name, got in given.items()}
    if (wanted := sum(got.least * got.cpus for got in given.values())) > max(free, 0) * _ENOUGH:
        raise XrayError(f"the pools want {wanted:g} CPUs and one more for tasks; the cluster has {_told(cluster)}")
    return given


def _check(name: str, pool: Pool, cluster: Mapping[str, float]) -> None:
    if (pool.device == "cuda" or pool.gpus) and cluster.get("GPU", 0) <= 0:
        raise XrayError(
            f"the {name} pool wants GPUs, and the cluster has {_told(cluster)}. Name a cluster with GPUs by "
            f"RAY_ADDRESS, or write `pools: {{{name}: {{device: cpu}}}}` in the recipe"
        )
    if pool.device == "cuda" and pool.gpus == 0:
        raise XrayError(f"`pools.{name}.gpus` is 0, but `device: cuda` needs a share of a GPU")
    if pool.gpus is not None and pool.gpus > 1 and pool.gpus != int(pool.gpus):
        raise XrayError(f"`pools.{name}.gpus` is {pool.gpus:g}: a share below 1, or whole GPUs")
    if pool.accelerator is not None and f"accelerator_type:{pool.accelerator}" not in cluster:
        raise XrayError(f"`pools.{name}.accelerator` is {pool.accelerator!r}; the cluster has {_told(cluster)}")
    if pool.actors and pool.actors[0] > pool.actors[1]:
        raise XrayError(f"`pools.{name}.actors` is {list(pool.actors)}: the least first")


def _shares(pools: Mapping[str, Pool]) -> dict[str, float]:
    """The share of a GPU for each actor of each pool."""
    together = len([pool for pool in pools.values() if pool.device == "cuda" or pool.gpus]) > 1
    unasked = {"cpu": dict.fromkeys(pools, 0.0), "cuda": _TOGETHER if together else dict.fromkeys(pools, 1.0)}
    return {name: unasked[pool.device][name] if pool.gpus is None else pool.gpus for name, pool in pools.items()}


def _count(name: str, shares: Mapping[str, float], cluster: Mapping[str, float]) -> int:
    """How many actors a pool has if nobody says: on CPUs a fair part of them, on GPUs as many as fit."""
    gpus, share = cluster.get("GPU", 0), shares[name]
    if not share:
        return max(1, (int(cluster.get("CPU", 1)) - 1) // len(shares))
    others = sum(other for key, other in shares.items() if key != name)
    if others and name == "refine":
        return 1
    if share > 1:
        return max(1, int((gpus - others) / share * _ENOUGH))
    beside = int((1 - others) / share * _ENOUGH)  # on the GPU where the refiner is
    if beside >= 1:
        return max(1, int(gpus) * beside)
    return max(1, int(gpus - others) * int(_ENOUGH / share))


def _check_gpus(given: Mapping[str, Grant], cluster: Mapping[str, float]) -> None:
    """The least actors of all pools must find room, even if the small ones come first and lie close together."""
    room = [1.0] * int(cluster.get("GPU", 0))
    for share in sorted(got.gpus for got in given.values() for _ in range(got.least) if got.gpus):
        need, each = (int(share), 1.0) if share >= 1 else (1, share)
        free = sorted((left, index) for index, left in enumerate(room) if left * _ENOUGH >= each)[:need]
        if len(free) < need:
            asked = ", ".join(f"{name}: {got.least} × {got.gpus:g} GPU" for name, got in given.items())
            raise XrayError(f"the pools do not fit together ({asked}); the cluster has {_told(cluster)}")
        for _, index in free:
            room[index] -= each


def _told(cluster: Mapping[str, float]) -> str:
    types = sorted(name.partition(":")[2] for name in cluster if name.startswith("accelerator_type:"))
    more = f" ({', '.join(types)})" if types else ""
    return f"{cluster.get('CPU', 0):g} CPUs and {cluster.get('GPU', 0):g} GPUs{more}"


@dataclass(frozen=True)
class PoolState:
    """What a pool has done so far.

    Args:
        items: images that went through.
        busy: seconds in which its devices had work, of all actors together.
        ready: seconds in which its actors were ready to work.
        actors: how many there were.
        gpus: share of a GPU that each of them had.
        quiet: seconds since the last of them finished a batch.
    """

    items: int
    busy: float
    ready: float
    actors: int
    gpus: float
    quiet: float

    @property
    def busy_share(self) -> float:
        """Share of their time, 0–1, in which the devices had work."""
        return min(1.0, self.busy / self.ready) if self.ready else 0.0

    @property
    def gpu_hours(self) -> float:
        """Of whole GPUs, while its actors were ready."""
        return self.ready * self.gpus / 3600


def told_of(pools: Mapping[str, PoolState]) -> list[str]:
    """What a progress line tells of pools.

    >>> told_of({"paint": PoolState(items=1200, busy=90.0, ready=100.0, actors=2, gpus=1, quiet=0)})
    ['paint: 1,200 images, 90 % busy']
    """
    return [f"{name}: {pool.items:,} images, {100 * pool.busy_share:.0f} % busy" for name, pool in pools.items()]
