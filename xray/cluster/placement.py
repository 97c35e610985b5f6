"""xray.cluster.placement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xray.core.errors import ResourceError, XrayError
from xray.runs.resources import Pool

_TOGETHER = {"refine": 0.2, "paint": 0.8}
"""Shares of a GPU where both pools want one: a painter on every GPU, and one refiner beside one of them. Painters take
seconds for an image where a refiner takes a tenth, and two shares of 0.8 cannot come to lie on one GPU."""


_ENOUGH = 1 + 1e-6


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
    min_actors: int
    max_actors: int
    accelerator: str | None
    batch: int


Node = Mapping[str, float]
"""Resources of one machine as Ray counts them: CPU, GPU, accelerator_type:A100, …"""


def grant(pools: Mapping[str, Pool], nodes: Sequence[Node]) -> dict[str, Grant]:
    """Divide a cluster between the pools that are to work at the same time.

    The small shares are placed first and close together, as Ray may do it; what is granted fits all the same. Painters
    whose number is free take what is left.

    Args:
        pools: by name.
        nodes: of the cluster.

    Raises:
        XrayError: there is no such GPU, or the pools do not fit together.

    >>> both = grant({"refine": Pool(), "paint": Pool()}, [{"CPU": 64, "GPU": 8}])
    >>> [(pool.max_actors, pool.gpus) for pool in both.values()]
    [(1, 0.2), (8, 0.8)]
    """
    for name, pool in pools.items():
        _check(name, pool, nodes)
    shares = _shares(pools)
    rooms = [_Room(node) for node in nodes for _ in range(int(node.get("GPU", 0)))]
    actors: dict[str, tuple[int, int]] = {}
    for name in sorted(pools, key=lambda name: (name == "paint" and not pools[name].actors, shares[name])):
        pool, share = pools[name], shares[name]
        if share:
            fit = sum(room.fits(share, pool.accelerator) for room in rooms)
            alone = name != "refine" or not any(other for key, other in shares.items() if key != name)
            actors[name] = pool.actors or ((fit, fit) if alone else (1, 1))
            if not 0 < actors[name][0] <= fit:
                raise _do_not_fit(pools, shares, actors, nodes)
            for _ in range(actors[name][0]):
                _closest(rooms, share, pool.accelerator).take(share)
        else:
            actors[name] = pool.actors or (max(1, (int(_total(nodes, "CPU")) - 1) // len(pools)),) * 2
    cpus = _cpus(pools, actors, rooms, nodes)
    return {
        name: Grant(pool.device, shares[name], cpus[name], *actors[name], pool.accelerator, pool.batch)
        for name, pool in pools.items()
    }


class _Room:
    """A GPU, and what is left of it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.left = 1.0
        self.actors = 0

    def fits(self, share: float, accelerator: str | None) -> int:
        """How many such shares there is room for."""
        right = accelerator is None or f"accelerator_type:{accelerator}" in self.node
        return int(self.left * _ENOUGH / share) if right else 0

    def take(self, share: float) -> None:
        self.left -= share
        self.actors += 1


def _closest(rooms: Sequence[_Room], share: float, accelerator: str | None) -> _Room:
    return min((room for room in rooms if room.fits(share, accelerator)), key=lambda room: room.left)


def _check(name: str, pool: Pool, nodes: Sequence[Node]) -> None:
    if (pool.device == "cuda" or pool.gpus) and _total(nodes, "GPU") <= 0:
        raise ResourceError(
            f"the {name} pool wants GPUs, and the cluster has {_told(nodes)}. Name a cluster with GPUs by "
            f"RAY_ADDRESS, ask a growing one for them by `pools: {{gpus: 8}}`, or write "
            f"`pools: {{{name}: {{device: cpu}}}}` in the recipe"
        )
    if pool.device == "cuda" and pool.gpus == 0:
        raise ResourceError(f"`pools.{name}.gpus` is 0, but `device: cuda` needs a share of a GPU")
    if pool.accelerator is not None and not any(f"accelerator_type:{pool.accelerator}" in node for node in nodes):
        raise ResourceError(f"`pools.{name}.accelerator` is {pool.accelerator!r}; the cluster has {_told(nodes)}")
    if pool.actors and pool.actors[0] > pool.actors[1]:
        raise ResourceError(f"`pools.{name}.actors` is {list(pool.actors)}: the least first")


def _shares(pools: Mapping[str, Pool]) -> dict[str, float]:
    """The share of a GPU for each actor of each pool."""
    together = len([pool for pool in pools.values() if pool.device == "cuda" or pool.gpus]) > 1
    unasked = {"cpu": dict.fromkeys(pools, 0.0), "cuda": _TOGETHER if together else dict.fromkeys(pools, 1.0)}
    return {name: unasked[pool.device][name] if pool.gpus is None else pool.gpus for name, pool in pools.items()}


def _cpus(
    pools: Mapping[str, Pool], actors: Mapping[str, tuple[int, int]], rooms: Sequence[_Room], nodes: Sequence[Node]
) -> dict[str, float]:
    """CPUs for each actor: one, or none where a node has too few; one is left for the tasks beside the pools."""
    free = max(_total(nodes, "CPU") - 1, 0) * _ENOUGH
    crowded = any(sum(room.actors for room in rooms if room.node is node) > node.get("CPU", 0) for node in nodes)
    most = sum(actors[name][1] * (1.0 if pool.cpus is None else pool.cpus) for name, pool in pools.items())
    # Where nobody asked for CPUs, a pool without them works; one that waits for them does not.
    unasked = 0.0 if crowded or most > free else 1.0
    cpus = {name: unasked if pool.cpus is None else pool.cpus for name, pool in pools.items()}
    if (wanted := sum(actors[name][0] * cpus[name] for name in pools)) > free:
        raise ResourceError(f"the pools want {wanted:g} CPUs and one more for tasks; the cluster has {_told(nodes)}")
    return cpus


def _do_not_fit(
    pools: Mapping[str, Pool],
    shares: Mapping[str, float],
    actors: Mapping[str, tuple[int, int]],
    nodes: Sequence[Node],
) -> XrayError:
    asked = (actors.get(name) or pool.actors or (1, 1) for name, pool in pools.items())
    told = ", ".join(f"{name}: {least} × {shares[name]:g} GPU" for name, (least, _) in zip(pools, asked, strict=True))
    return ResourceError(f"the pools do not fit together ({told}); the cluster has {_told(nodes)}")


def _total(nodes: Sequence[Node], kind: str) -> float:
    return sum(node.get(kind, 0) for node in nodes)


def _told(nodes: Sequence[Node]) -> str:
    types = sorted({name.partition(":")[2] for node in nodes for name in node if name.startswith("accelerator_type:")})
    more = f" ({', '.join(types)})" if types else ""
    return f"{_total(nodes, 'CPU'):g} CPUs and {_total(nodes, 'GPU'):g} GPUs{more}"


def occupied_gpus(granted: Iterable[Grant]) -> float:
    """GPUs that pools occupy: one of which more than half is taken has room for no other painter.

    >>> occupied_gpus(grant({"refine": Pool(), "paint": Pool()}, [{"CPU": 64, "GPU": 8}]).values())
    8.0
    """
    pools = list(granted)
    whole = sum(pool.min_actors for pool in pools if pool.gpus > 0.5)
    return max(float(whole), math.ceil(sum(pool.min_actors * pool.gpus for pool in pools) / _ENOUGH))


@dataclass(frozen=True)
class PoolState:
    """What a pool has done so far.

    Args:
        items: images that went through.
        busy: seconds in which its devices had work, of all actors together.
        ready: seconds from each actor's first batch to the pool's last beat.
        actors: how many there were.
        gpus: share of a GPU that each of them had.
        quiet: seconds since any of them began or finished a batch, while one is at work; else 0.
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
        """From each actor's first batch on; a GPU of which an actor has more than half counts as a whole one."""
        return self.ready * (1.0 if self.gpus > 0.5 else self.gpus) / 3600


def describe_pools(pools: Mapping[str, PoolState]) -> list[str]:
    """What a progress line tells of pools.

    >>> describe_pools({"paint": PoolState(items=1200, busy=90.0, ready=100.0, actors=2, gpus=1, quiet=0)})
    ['paint: 1,200 images, 90 % busy']
    """
    return [f"{name}: {pool.items:,} images, {100 * pool.busy_share:.0f} % busy" for name, pool in pools.items()]
