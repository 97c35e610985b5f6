from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xray.cluster.placement import Grant, PoolState, gpus_held, grant
from xray.core.errors import XrayError
from xray.runs.recipe import parse_recipe
from xray.runs.resources import Pool, Pools

BOTH = ("refine", "paint")
names = st.sampled_from([("refine",), ("paint",), BOTH])


def node(cpus: float = 64, gpus: float = 8, *types: str) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, **{f"accelerator_type:{name}": 1.0 for name in types}}


nodes = st.lists(st.builds(node, st.integers(0, 64), st.integers(0, 8)), min_size=1, max_size=6)


def gpus_of(nodes: Sequence[Mapping[str, float]]) -> int:
    return int(sum(node.get("GPU", 0) for node in nodes))


def cpus_of(nodes: Sequence[Mapping[str, float]]) -> float:
    return sum(node.get("CPU", 0) for node in nodes)


def shares(given: Mapping[str, Grant]) -> list[float]:
    """One share of a GPU for each actor."""
    return [got.gpus for got in given.values() for _ in range(got.most) if got.gpus]


def all_find_room(gpus: int, shares: list[float], chance: random.Random) -> bool:
    """Whether all actors start, if each in turn goes to any GPU with room for it."""
    room = [1.0] * gpus
    for share in shares:
        free = [index for index, left in enumerate(room) if left > share - 1e-6]
        if not free:
            return False
        room[chance.choice(free)] -= share
    return True


def cpus(given: Mapping[str, Grant]) -> float:
    return sum(got.most * got.cpus for got in given.values())


@given(names, nodes, st.randoms(use_true_random=False))
def test_default_pools_fit_any_cluster_whichever_actor_starts_first(
    wanted: tuple[str, ...], nodes: list[dict[str, float]], chance: random.Random
) -> None:
    assume(gpus_of(nodes))
    given = grant({name: Pool() for name in wanted}, nodes)
    assert set(given) == set(wanted)
    order = shares(given)
    chance.shuffle(order)
    assert all_find_room(gpus_of(nodes), order, chance)
    assert all(got.least == got.most >= 1 and got.device == "cuda" and got.gpus > 0 for got in given.values())
    assert cpus(given) <= max(cpus_of(nodes) - 1, 0)
    if "paint" in wanted:  # a painter on every GPU
        assert given["paint"].most == gpus_of(nodes)
    assert gpus_held(given.values()) == gpus_of(nodes)


@given(
    st.sampled_from([None, 0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.75, 1]),
    st.sampled_from([None, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 1]),
    nodes,
    st.randoms(use_true_random=False),
)
def test_shares_that_are_asked_for_fit_or_are_refused(
    refine: float | None, paint: float | None, nodes: list[dict[str, float]], chance: random.Random
) -> None:
    assume(gpus_of(nodes))
    try:
        given = grant({"refine": Pool(gpus=refine), "paint": Pool(gpus=paint)}, nodes)
    except XrayError as error:
        assert "the pools do not fit together (" in str(error)  # noqa: PT017
        assert gpus_of(nodes) == 1, "one of each would have found room"
        assert (refine or 0.2) + (paint or 0.8) > 1
        return
    assert given["refine"].most == 1
    assert given["paint"].most >= max(1, gpus_of(nodes) - 1)
    # The refiner starts first; painters go wherever there is room.
    order = [given["refine"].gpus] + [given["paint"].gpus] * given["paint"].most
    assert all_find_room(gpus_of(nodes), order, chance)


@given(names, st.lists(st.builds(node, st.integers(1, 64), st.just(0)), min_size=1, max_size=4))
def test_pools_on_cpus_share_them_and_leave_one(wanted: tuple[str, ...], nodes: list[dict[str, float]]) -> None:
    given = grant({name: Pool(device="cpu") for name in wanted}, nodes)
    have = cpus_of(nodes)
    assert all(got.gpus == 0 and got.device == "cpu" for got in given.values())
    assert cpus(given) <= have - 1
    assert len({got.most for got in given.values()}) == 1
    if have > 2:
        assert sum(got.most for got in given.values()) > (have - 1) - len(wanted)
    assert gpus_held(given.values()) == 0


def test_the_defaults_on_eight_gpus() -> None:
    both = grant(dict.fromkeys(BOTH, Pool()), [node()])
    assert {name: (got.most, got.gpus, got.cpus) for name, got in both.items()} == {
        "refine": (1, 0.2, 1),
        "paint": (8, 0.8, 1),
    }
    (alone,) = grant({"refine": Pool()}, [node()]).values()
    assert (alone.most, alone.gpus) == (8, 1)


def test_what_is_asked_for_is_what_is_given() -> None:
    pool = Pool(gpus=0.5, actors=(1, 3), cpus=2, accelerator="A100", batch=4)
    (got,) = grant({"paint": pool}, [node(64, 8, "A100")]).values()
    assert got == Grant("cuda", gpus=0.5, cpus=2, least=1, most=3, accelerator="A100", batch=4)


def test_a_kind_of_gpu_counts_only_where_it_is() -> None:
    mixed = [node(64, 4, "A100"), node(64, 2, "H100"), node(64, 0)]
    (got,) = grant({"paint": Pool(accelerator="H100")}, mixed).values()
    assert (got.most, got.accelerator) == (2, "H100")
    both = grant({"refine": Pool(accelerator="A100"), "paint": Pool(accelerator="H100")}, mixed)
    assert {name: pool.most for name, pool in both.items()} == {"refine": 1, "paint": 2}


def test_a_pool_on_cpus_leaves_gpus_alone() -> None:
    given = grant({"refine": Pool(device="cpu"), "paint": Pool()}, [node(8, 2)])
    assert (given["refine"].gpus, given["paint"].gpus, given["paint"].most) == (0, 1, 2)


@pytest.mark.parametrize(
    ("grants", "gpus"),
    [
        ([(0.8, 8), (0.2, 1)], 8),  # beside a painter there is room for nothing but the refiner
        ([(1, 2)], 2),
        ([(0.25, 8)], 2),
        ([(0.3, 2)], 1),
        ([(0, 5)], 0),
    ],
)
def test_gpus_that_are_held(grants: list[tuple[float, int]], gpus: float) -> None:
    assert gpus_held([Grant("cuda", share, 1, least, least, None, 1) for share, least in grants]) == gpus


def test_actors_may_be_one_number() -> None:
    assert Pool(actors=3) == Pool(actors=(3, 3))  # type: ignore[arg-type]
    recipe = parse_recipe("source: {kind: imagefolder, root: photos}\npools: {paint: {actors: 2}, stall_seconds: 60}")
    assert recipe.pools == Pools(paint=Pool(actors=(2, 2)), stall_seconds=60)


def test_fewer_cpus_than_actors_work_without_any_unless_they_are_asked_for() -> None:
    given = grant(dict.fromkeys(BOTH, Pool()), [node(2, 8)])
    assert cpus(given) == 0
    with pytest.raises(
        XrayError, match="the pools want 8 CPUs and one more for tasks; the cluster has 2 CPUs and 8 GPUs"
    ):
        grant({"refine": Pool(), "paint": Pool(cpus=1)}, [node(2, 8)])


def test_a_machine_with_fewer_cpus_than_gpus_does_without_even_if_others_have_many() -> None:
    assert cpus(grant({"paint": Pool()}, [node(2, 8), node(64, 0)])) == 0
    assert cpus(grant({"paint": Pool()}, [node(8, 8), node(64, 0)])) == 8


@pytest.mark.parametrize(
    ("pools", "have", "message"),
    [
        (
            {"paint": Pool()},
            [{"CPU": 4.0}],
            "the paint pool wants GPUs, and the cluster has 4 CPUs and 0 GPUs. Name a cluster with GPUs by "
            "RAY_ADDRESS, ask a growing one for them by `pools: {gpus: 8}`, or write `pools: {paint: {device: cpu}}` in "
            "the recipe",
        ),
        ({"refine": Pool(device="cpu", gpus=0.5)}, [{"CPU": 4.0}], "the refine pool wants GPUs"),
        ({"paint": Pool(gpus=0)}, [node()], "`pools.paint.gpus` is 0, but `device: cuda` needs a share of a GPU"),
        (
            {"paint": Pool(accelerator="H100")},
            [node(32, 4, "T4"), node(32, 4, "A100"), node(32, 4, "A100")],
            "`pools.paint.accelerator` is 'H100'; the cluster has 96 CPUs and 12 GPUs (A100, T4)",
        ),
        ({"paint": Pool(actors=(3, 2))}, [node()], "`pools.paint.actors` is [3, 2]: the least first"),
        (
            {"refine": Pool(gpus=0.5), "paint": Pool(gpus=1, actors=(8, 8))},
            [node()],
            "the pools do not fit together (refine: 1 × 0.5 GPU, paint: 8 × 1 GPU); the cluster has 64 CPUs and 8 GPUs",
        ),
        # Two refiners may come to lie on one GPU or on two: painters find room for sure only if on two.
        (
            {"refine": Pool(gpus=0.2, actors=(2, 2)), "paint": Pool(gpus=0.8, actors=(4, 4))},
            [node(32, 2), node(32, 2)],
            "the pools do not fit together (refine: 2 × 0.2 GPU, paint: 4 × 0.8 GPU)",
        ),
        (
            {"paint": Pool(actors=(3, 3), accelerator="T4")},
            [node(32, 2, "T4"), node(32, 8, "A100")],
            "the pools do not fit together (paint: 3 × 1 GPU)",
        ),
    ],
)
def test_what_cannot_be_is_said_with_what_there_is(
    pools: dict[str, Pool], have: list[dict[str, float]], message: str
) -> None:
    with pytest.raises(XrayError) as error:
        grant(pools, have)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{device: tpu}", "'cuda' or 'cpu'"),
        ("{gpus: -1}", "greater than or equal to 0"),
        ("{gpus: 2}", "less than or equal to 1"),
        ("{batch: 0}", "greater than or equal to 1"),
        ("{actors: [0, 2]}", "greater than or equal to 1"),
        ("{actor: 2}", "did you mean 'actors'"),
    ],
)
def test_settings_out_of_range_are_refused_by_line(settings: str, message: str) -> None:
    with pytest.raises(XrayError, match=r"line 2: pools\.paint\..*") as error:
        parse_recipe(f"source: {{kind: imagefolder, root: photos}}\npools: {{paint: {settings}}}")
    assert message in str(error.value)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.01, 1))
def test_shares_of_time_are_shares(busy: float, ready: float, gpus: float) -> None:
    state = PoolState(items=1, busy=busy, ready=ready, actors=1, gpus=gpus, quiet=0.0)
    assert 0 <= state.busy_share <= 1
    assert state.gpu_hours == pytest.approx(ready * (gpus if gpus <= 0.5 else 1) / 3600)
    assume(busy < ready)
    assert state.busy_share == pytest.approx(busy / ready)


def test_a_pool_that_was_never_ready_was_never_busy() -> None:
    state: Any = PoolState(items=0, busy=0.0, ready=0.0, actors=1, gpus=1.0, quiet=0.0)
    assert (state.busy_share, state.gpu_hours) == (0, 0)
