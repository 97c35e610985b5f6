"""Division of a cluster's GPUs and CPUs between actor pools, and the state of running pools."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xray.core.errors import ResourceError, XrayError
from xray.runs.resources import Pool

_BY_COST = ("refine", "remove", "paint")
"""Pools by how long an image takes: inpainters seconds, refiners a tenth of that."""
_SHARES = {1: (1.0,), 2: (0.2, 0.8), 3: (0.1, 0.2, 0.7)}
"""Shares of a GPU by the number of pools that use GPUs, the costliest pool last: it gets an actor on every GPU, and
each other pool one actor beside them. Two shares of 0.7 never fit on one GPU."""
_TOLERANCE = 1 + 1e-6


@dataclass(frozen=True)
class Grant:
    """The resources granted to a pool.

    Args:
        device: `cuda` or `cpu`.
        gpus: share of a GPU for each actor.
        cpus: CPUs for each actor.
        min_actors: minimum number of actors, ≥ 1.
        max_actors: maximum number of actors.
        accelerator: type of GPU, by its name in Ray; None: any.
        batch: images per forward pass.
    """

    device: str
    gpus: float
    cpus: float
    min_actors: int
    max_actors: int
    accelerator: str | None
    batch: int


Node = Mapping[str, float]
"""Resources of one node by their names in Ray: CPU, GPU, accelerator_type:A100, …"""


def grant(pools: Mapping[str, Pool], nodes: Sequence[Node]) -> dict[str, Grant]:
    """Divide a cluster between pools that run at the same time.

    Small shares are placed first, each on the fullest GPU with room for it. Ray may place actors in another order; the
    granted pools fit nevertheless. The costliest pool, if it has no fixed number of actors, gets the remaining GPUs.

    Args:
        pools: settings of each pool, by name.
        nodes: nodes of the cluster.

    Returns:
        A grant for each pool, by name.

    Raises:
        XrayError: the cluster lacks the requested kind of GPU, or the pools do not fit together.

    >>> both = grant({"refine": Pool(), "paint": Pool()}, [{"CPU": 64, "GPU": 8}])
    >>> [(pool.max_actors, pool.gpus) for pool in both.values()]
    [(1, 0.2), (8, 0.8)]
    """
    for name, pool in pools.items():
        _check(name, pool, nodes)
    shares = _shares(pools)
    gpus = [_Gpu(node) for node in nodes for _ in range(int(node.get("GPU", 0)))]
    actors: dict[str, tuple[int, int]] = {}
    costliest = _on_gpus(pools)[-1:]
    for name in sorted(pools, key=lambda name: ([name] == costliest and not pools[name].actors, shares[name])):
        pool, share = pools[name], shares[name]
        if share:
            fit = sum(gpu.fits(share, pool.accelerator) for gpu in gpus)
            actors[name] = pool.actors or ((fit, fit) if [name] == costliest else (1, 1))
            if not 0 < actors[name][0] <= fit:
                raise _do_not_fit(pools, shares, actors, nodes)
            for _ in range(actors[name][0]):
                _tightest_fit(gpus, share, pool.accelerator).take(share)
        else:
            actors[name] = pool.actors or (max(1, (int(_total(nodes, "CPU")) - 1) // len(pools)),) * 2
    cpus = _cpus(pools, actors, gpus, nodes)
    return {
        name: Grant(pool.device, shares[name], cpus[name], *actors[name], pool.accelerator, pool.batch)
        for name, pool in pools.items()
    }


class _Gpu:
    """A GPU and its free share."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.free = 1.0
        self.actors = 0

    def fits(self, share: float, accelerator: str | None) -> int:
        """Return how many actors with this share of a GPU of this type fit."""
        suitable = accelerator is None or f"accelerator_type:{accelerator}" in self.node
        return int(self.free * _TOLERANCE / share) if suitable else 0

    def take(self, share: float) -> None:
        self.free -= share
        self.actors += 1


def _tightest_fit(gpus: Sequence[_Gpu], share: float, accelerator: str | None) -> _Gpu:
    return min((gpu for gpu in gpus if gpu.fits(share, accelerator)), key=lambda gpu: gpu.free)


def _check(name: str, pool: Pool, nodes: Sequence[Node]) -> None:
    if (pool.device == "cuda" or pool.gpus) and _total(nodes, "GPU") <= 0:
        raise ResourceError(
            f"the {name} pool needs GPUs, but the cluster has {_describe_nodes(nodes)}. Set RAY_ADDRESS to a cluster "
            "with GPUs, request them from an autoscaling cluster by `pools: {gpus: 8}` in the recipe, or write "
            f"`pools: {{{name}: {{device: cpu}}}}` there"
        )
    if pool.device == "cuda" and pool.gpus == 0:
        raise ResourceError(f"`pools.{name}.gpus` is 0, but `device: cuda` needs a share of a GPU")
    if pool.accelerator is not None and not any(f"accelerator_type:{pool.accelerator}" in node for node in nodes):
        raise ResourceError(
            f"`pools.{name}.accelerator` is {pool.accelerator!r}; the cluster has {_describe_nodes(nodes)}"
        )
    if pool.actors and pool.actors[0] > pool.actors[1]:
        raise ResourceError(f"`pools.{name}.actors` is {list(pool.actors)}: the minimum must come first")


def _shares(pools: Mapping[str, Pool]) -> dict[str, float]:
    """Return the share of a GPU for each actor, by pool."""
    names = _on_gpus(pools)
    defaults = dict(zip(names, _SHARES[len(names)], strict=True)) if names else {}
    return {name: defaults.get(name, 0.0) if pool.gpus is None else pool.gpus for name, pool in pools.items()}


def _on_gpus(pools: Mapping[str, Pool]) -> list[str]:
    """Return the names of the pools that use GPUs, the costliest last."""
    return [name for name in _BY_COST if name in pools and (pools[name].device == "cuda" or pools[name].gpus)]


def _cpus(
    pools: Mapping[str, Pool], actors: Mapping[str, tuple[int, int]], gpus: Sequence[_Gpu], nodes: Sequence[Node]
) -> dict[str, float]:
    """Return the CPUs for each actor, by pool: one, or none if a node has too few. One CPU is left for tasks."""
    free = max(_total(nodes, "CPU") - 1, 0) * _TOLERANCE
    crowded = any(sum(gpu.actors for gpu in gpus if gpu.node is node) > node.get("CPU", 0) for node in nodes)
    max_cpus = sum(actors[name][1] * (1.0 if pool.cpus is None else pool.cpus) for name, pool in pools.items())
    # An actor without a CPU of its own still works, but one that waits for a CPU never starts.
    default = 0.0 if crowded or max_cpus > free else 1.0
    cpus = {name: default if pool.cpus is None else pool.cpus for name, pool in pools.items()}
    if (needed := sum(actors[name][0] * cpus[name] for name in pools)) > free:
        raise ResourceError(
            f"the pools need {needed:g} CPUs, and tasks one more; the cluster has {_describe_nodes(nodes)}"
        )
    return cpus


def _do_not_fit(
    pools: Mapping[str, Pool],
    shares: Mapping[str, float],
    actors: Mapping[str, tuple[int, int]],
    nodes: Sequence[Node],
) -> XrayError:
    requested = (actors.get(name) or pool.actors or (1, 1) for name, pool in pools.items())
    demand = ", ".join(f"{name}: {n} × {shares[name]:g} GPU" for name, (n, _) in zip(pools, requested, strict=True))
    return ResourceError(f"the pools do not fit together ({demand}); the cluster has {_describe_nodes(nodes)}")


def _total(nodes: Sequence[Node], kind: str) -> float:
    return sum(node.get(kind, 0) for node in nodes)


def _describe_nodes(nodes: Sequence[Node]) -> str:
    types = sorted({name.partition(":")[2] for node in nodes for name in node if name.startswith("accelerator_type:")})
    more = f" ({', '.join(types)})" if types else ""
    return f"{_total(nodes, 'CPU'):g} CPUs and {_total(nodes, 'GPU'):g} GPUs{more}"


def occupied_gpus(granted: Iterable[Grant]) -> float:
    """Return the number of whole GPUs that pools occupy; an actor with more than half of a GPU occupies all of it.

    >>> occupied_gpus(grant({"refine": Pool(), "paint": Pool()}, [{"CPU": 64, "GPU": 8}]).values())
    8.0
    """
    pools = list(granted)
    whole = sum(pool.min_actors for pool in pools if pool.gpus > 0.5)
    return max(float(whole), math.ceil(sum(pool.min_actors * pool.gpus for pool in pools) / _TOLERANCE))


@dataclass(frozen=True)
class PoolState:
    """The progress of a pool.

    Args:
        items: number of images that it processed.
        busy: seconds in which its devices were busy, summed over actors.
        ready: seconds from each actor's first batch to the pool's last heartbeat, summed over actors.
        actors: number of actors.
        gpus: share of a GPU for each actor, 0–1.
        quiet: seconds since an actor last started or finished a batch, while one is busy; else 0.
    """

    items: int
    busy: float
    ready: float
    actors: int
    gpus: float
    quiet: float

    @property
    def busy_share(self) -> float:
        """Share of the time, 0–1, in which the devices were busy."""
        return min(1.0, self.busy / self.ready) if self.ready else 0.0

    @property
    def gpu_hours(self) -> float:
        """GPU-hours since each actor's first batch; more than half of a GPU counts as a whole one."""
        return self.ready * (1.0 if self.gpus > 0.5 else self.gpus) / 3600


def describe_pools(pools: Mapping[str, PoolState]) -> list[str]:
    """Return the parts of a progress line about pools.

    >>> describe_pools({"paint": PoolState(items=1200, busy=90.0, ready=100.0, actors=2, gpus=1, quiet=0)})
    ['paint: 1,200 images, 90 % busy']
    """
    return [f"{name}: {pool.items:,} images, {100 * pool.busy_share:.0f} % busy" for name, pool in pools.items()]
