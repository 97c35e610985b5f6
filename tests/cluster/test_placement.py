from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xray.cluster.placement import Grant, PoolState, grant, occupied_gpus
from xray.core.errors import ConfigError, ResourceError
from xray.runs.recipe import parse_recipe
from xray.runs.resources import Pool, Pools

BOTH = ("refine", "paint")
BY_COST = ("refine", "remove", "paint")
names = st.sampled_from([some for size in (1, 2, 3) for some in itertools.combinations(BY_COST, size)])


def node(cpus: float = 64, gpus: float = 8, *types: str) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, **{f"accelerator_type:{name}": 1.0 for name in types}}


nodes = st.lists(st.builds(node, st.integers(0, 64), st.integers(0, 8)), min_size=1, max_size=6)


def gpus_of(nodes: Sequence[Mapping[str, float]]) -> int:
    return int(sum(node.get("GPU", 0) for node in nodes))


def cpus_of(nodes: Sequence[Mapping[str, float]]) -> float:
    return sum(node.get("CPU", 0) for node in nodes)


def shares(given: Mapping[str, Grant]) -> list[float]:
    """Return the share of a GPU of each actor."""
    return [pool.gpus for pool in given.values() for _ in range(pool.max_actors) if pool.gpus]


def all_fit(gpus: int, shares: list[float], chance: random.Random) -> bool:
    """Return whether all actors start if each in turn goes to any GPU with room for it."""
    room = [1.0] * gpus
    for share in shares:
        free = [index for index, left in enumerate(room) if left > share - 1e-6]
        if not free:
            return False
        room[chance.choice(free)] -= share
    return True


def cpus(given: Mapping[str, Grant]) -> float:
    return sum(pool.max_actors * pool.cpus for pool in given.values())


@given(names, nodes, st.randoms(use_true_random=False))
def test_default_pools_fit_any_cluster_in_any_order_of_starts(
    pools: tuple[str, ...], nodes: list[dict[str, float]], chance: random.Random
) -> None:
    assume(gpus_of(nodes))
    given = grant({name: Pool() for name in pools}, nodes)
    assert set(given) == set(pools)
    order = shares(given)
    chance.shuffle(order)
    assert all_fit(gpus_of(nodes), order, chance)
    assert all(
        got.min_actors == got.max_actors >= 1 and got.device == "cuda" and got.gpus > 0 for got in given.values()
    )
    assert cpus(given) <= max(cpus_of(nodes) - 1, 0)
    assert given[pools[-1]].max_actors == gpus_of(nodes)  # of the costliest models one on every GPU
    assert [given[name].max_actors for name in pools[:-1]] == [1] * (len(pools) - 1)
    assert occupied_gpus(given.values()) == gpus_of(nodes)


@given(
    st.sampled_from([None, 0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.75, 1]),
    st.sampled_from([None, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 1]),
    nodes,
    st.randoms(use_true_random=False),
)
def test_requested_shares_fit_or_are_refused(
    refine: float | None, paint: float | None, nodes: list[dict[str, float]], chance: random.Random
) -> None:
    assume(gpus_of(nodes))
    try:
        given = grant({"refine": Pool(gpus=refine), "paint": Pool(gpus=paint)}, nodes)
    except ResourceError:
        assert gpus_of(nodes) == 1, "one of each would have fitted"
        assert (refine or 0.2) + (paint or 0.8) > 1
        return
    assert given["refine"].max_actors == 1
    assert given["paint"].max_actors >= max(1, gpus_of(nodes) - 1)
    # The refiner starts first; inpainters go to any GPU with room.
    order = [given["refine"].gpus] + [given["paint"].gpus] * given["paint"].max_actors
    assert all_fit(gpus_of(nodes), order, chance)


@given(names, st.lists(st.builds(node, st.integers(1, 64), st.just(0)), min_size=1, max_size=4))
def test_pools_on_cpus_share_all_but_one(pools: tuple[str, ...], nodes: list[dict[str, float]]) -> None:
    given = grant({name: Pool(device="cpu") for name in pools}, nodes)
    have = cpus_of(nodes)
    assert all(got.gpus == 0 and got.device == "cpu" for got in given.values())
    assert cpus(given) <= have - 1
    assert len({got.max_actors for got in given.values()}) == 1
    if have > 2:
        assert sum(got.max_actors for got in given.values()) > (have - 1) - len(pools)
    assert occupied_gpus(given.values()) == 0


def test_the_defaults_on_eight_gpus() -> None:
    both = grant(dict.fromkeys(BOTH, Pool()), [node()])
    assert {name: (got.max_actors, got.gpus, got.cpus) for name, got in both.items()} == {
        "refine": (1, 0.2, 1),
        "paint": (8, 0.8, 1),
    }
    (alone,) = grant({"refine": Pool()}, [node()]).values()
    assert (alone.max_actors, alone.gpus) == (8, 1)


def test_requested_resources_are_granted() -> None:
    pool = Pool(gpus=0.5, actors=(1, 3), cpus=2, accelerator="A100", batch=4)
    (got,) = grant({"paint": pool}, [node(64, 8, "A100")]).values()
    assert got == Grant("cuda", gpus=0.5, cpus=2, min_actors=1, max_actors=3, accelerator="A100", batch=4)


def test_only_gpus_of_the_requested_kind_count() -> None:
    mixed = [node(64, 4, "A100"), node(64, 2, "H100"), node(64, 0)]
    (got,) = grant({"paint": Pool(accelerator="H100")}, mixed).values()
    assert (got.max_actors, got.accelerator) == (2, "H100")
    both = grant({"refine": Pool(accelerator="A100"), "paint": Pool(accelerator="H100")}, mixed)
    assert {name: pool.max_actors for name, pool in both.items()} == {"refine": 1, "paint": 2}


def test_a_pool_on_cpus_takes_no_gpu() -> None:
    given = grant({"refine": Pool(device="cpu"), "paint": Pool()}, [node(8, 2)])
    assert (given["refine"].gpus, given["paint"].gpus, given["paint"].max_actors) == (0, 1, 2)


@pytest.mark.parametrize(
    ("grants", "gpus"),
    [
        ([(0.8, 8), (0.2, 1)], 8),  # beside an inpainter there is room for the refiner only
        ([(1, 2)], 2),
        ([(0.25, 8)], 2),
        ([(0.3, 2)], 1),
        ([(0, 5)], 0),
    ],
)
def test_occupied_gpus(grants: list[tuple[float, int]], gpus: float) -> None:
    assert occupied_gpus([Grant("cuda", share, 1, actors, actors, None, 1) for share, actors in grants]) == gpus


def test_a_single_number_of_actors_is_minimum_and_maximum() -> None:
    assert Pool(actors=3) == Pool(actors=(3, 3))  # type: ignore[arg-type]
    recipe = parse_recipe("source: {kind: imagefolder, root: photos}\npools: {paint: {actors: 2}, stall_seconds: 60}")
    assert recipe.pools == Pools(paint=Pool(actors=(2, 2)), stall_seconds=60)


def test_actors_get_no_cpu_if_there_are_too_few_unless_they_request_one() -> None:
    given = grant(dict.fromkeys(BOTH, Pool()), [node(2, 8)])
    assert cpus(given) == 0
    with pytest.raises(ResourceError, match=r"8 CPUs.*2 CPUs and 8 GPUs"):
        grant({"refine": Pool(), "paint": Pool(cpus=1)}, [node(2, 8)])


def test_a_node_with_fewer_cpus_than_gpus_gives_actors_none() -> None:
    assert cpus(grant({"paint": Pool()}, [node(2, 8), node(64, 0)])) == 0
    assert cpus(grant({"paint": Pool()}, [node(8, 8), node(64, 0)])) == 8


@pytest.mark.parametrize(
    ("pools", "nodes", "facts"),
    [
        ({"paint": Pool()}, [{"CPU": 4.0}], ["paint", "4 CPUs and 0 GPUs", "device: cpu"]),
        ({"refine": Pool(device="cpu", gpus=0.5)}, [{"CPU": 4.0}], ["refine", "0 GPUs"]),
        ({"paint": Pool(gpus=0)}, [node()], ["pools.paint.gpus"]),
        (
            {"paint": Pool(accelerator="H100")},
            [node(32, 4, "T4"), node(32, 4, "A100"), node(32, 4, "A100")],
            ["pools.paint.accelerator", "'H100'", "96 CPUs and 12 GPUs (A100, T4)"],
        ),
        ({"paint": Pool(actors=(3, 2))}, [node()], ["pools.paint.actors", "[3, 2]"]),
        (
            {"refine": Pool(gpus=0.5), "paint": Pool(gpus=1, actors=(8, 8))},
            [node()],
            ["refine: 1 × 0.5 GPU", "paint: 8 × 1 GPU", "64 CPUs and 8 GPUs"],
        ),
        # Two refiners may start on one GPU or on two; four inpainters fit only in the first case.
        (
            {"refine": Pool(gpus=0.2, actors=(2, 2)), "paint": Pool(gpus=0.8, actors=(4, 4))},
            [node(32, 2), node(32, 2)],
            ["refine: 2 × 0.2 GPU", "paint: 4 × 0.8 GPU"],
        ),
        (
            {"paint": Pool(actors=(3, 3), accelerator="T4")},
            [node(32, 2, "T4"), node(32, 8, "A100")],
            ["paint: 3 × 1 GPU"],
        ),
    ],
)
def test_impossible_pools_are_refused(pools: dict[str, Pool], nodes: list[dict[str, float]], facts: list[str]) -> None:
    with pytest.raises(ResourceError) as error:
        grant(pools, nodes)
    assert [fact for fact in facts if fact not in str(error.value)] == []
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("device", "tpu"), ("gpus", "-1"), ("gpus", "2"), ("batch", "0"), ("actors", "[0, 2]"), ("actor", "2")],
)
def test_invalid_settings_are_refused_by_line(setting: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"line 2: pools\.paint\.{setting}\b"):
        parse_recipe(f"source: {{kind: imagefolder, root: photos}}\npools: {{paint: {{{setting}: {value}}}}}")


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.01, 1))
def test_busy_shares_and_gpu_hours(busy: float, ready: float, gpus: float) -> None:
    state = PoolState(items=1, busy=busy, ready=ready, actors=1, gpus=gpus, quiet=0.0)
    assert 0 <= state.busy_share <= 1
    assert state.gpu_hours == pytest.approx(ready * (gpus if gpus <= 0.5 else 1) / 3600)
    assume(busy < ready)
    assert state.busy_share == pytest.approx(busy / ready)


def test_a_pool_that_was_never_ready_has_no_busy_share() -> None:
    state: Any = PoolState(items=0, busy=0.0, ready=0.0, actors=1, gpus=1.0, quiet=0.0)
    assert (state.busy_share, state.gpu_hours) == (0, 0)
