from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from xray.cluster import heartbeat as pulse
from xray.cluster.heartbeat import Pulses, Watch
from xray.cluster.placement import PoolState
from xray.core.errors import XrayError

SECONDS = 30.0
"""After which a wait that ought to be ended gives up."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pulse, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_EVERY", 0.01)


def test_nobody_has_told_anything() -> None:
    assert Pulses().state() == {}


def test_an_actor_s_time_runs_from_its_first_batch_to_the_last_beat_of_its_pool(clock: Clock) -> None:
    pulses = Pulses()
    pulses.beat("paint", "a", 0.8, 0, 0.0)  # begins at 100
    clock.now = 104
    pulses.beat("paint", "a", 0.8, 3, 4.0)
    pulses.beat("paint", "b", 0.8, 0, 0.0)
    clock.now = 110
    pulses.beat("paint", "b", 0.8, 2, 3.0)
    clock.now = 115
    state = pulses.state()["paint"]
    assert state == PoolState(items=5, busy=7.0, ready=10.0 + 6.0, actors=2, gpus=0.8, quiet=0.0)
    assert state.busy_share == 7 / 16


def test_a_pool_is_quiet_only_while_one_of_it_is_at_work(clock: Clock) -> None:
    pulses = Pulses()
    pulses.beat("paint", "a", 1.0, 0, 0.0)
    clock.now += 30
    assert pulses.state()["paint"].quiet == 30
    pulses.beat("paint", "a", 1.0, 1, 30.0)
    clock.now += 500
    assert pulses.state()["paint"].quiet == 0  # it waits for work
    pulses.beat("paint", "b", 1.0, 0, 0.0)
    clock.now += 7
    pulses.beat("paint", "a", 1.0, 0, 0.0)
    clock.now += 7
    assert pulses.state()["paint"].quiet == 7


def test_one_that_tells_of_a_batch_first_began_when_that_did(clock: Clock) -> None:
    pulses = Pulses()
    pulses.beat("evaluate", "a", 0.0, 8, 2.5)
    state = pulses.state()["evaluate"]
    assert (state.ready, state.busy_share) == (2.5, 1.0)


def test_pools_are_told_apart(clock: Clock) -> None:
    pulses = Pulses()
    pulses.beat("refine", "a", 0.2, 4, 1.0)
    pulses.beat("refine", "a", 0.2, 0, 0.0)
    clock.now = 160
    pulses.beat("paint", "b", 0.8, 1, 30.0)
    states = pulses.state()
    assert [(name, state.items, state.quiet) for name, state in states.items()] == [
        ("refine", 4, 60.0),
        ("paint", 1, 0.0),
    ]


def state(quiet: float, items: int = 7) -> PoolState:
    return PoolState(items=items, busy=1.0, ready=2.0, actors=2, gpus=1.0, quiet=quiet)


def wait_with(watch: Watch, until: threading.Event) -> bool:
    """What the main thread does: it waits, and only a signal ends that early."""
    with watch:
        return until.wait(SECONDS)


def test_a_pool_that_stands_still_wakes_the_main_thread() -> None:
    states = {"refine": state(0.0, items=1200), "paint": state(61.0)}
    with pytest.raises(XrayError, match=r"^the paint pool is at work and finished no batch for 61 s") as error:
        wait_with(Watch(lambda: states, 60.0, lambda pools: None), threading.Event())
    said = str(error.value)
    assert "(refine: 2 actors, 1,200 images, paint: 2 actors, 7 images)" in said
    assert "stall_seconds" in said
    assert "The same command goes on" in said


def test_one_pool_that_stands_still_is_enough_while_others_get_further() -> None:
    made = iter(range(10**9))
    with pytest.raises(XrayError, match=r"^the paint pool is at work"):
        wait_with(
            Watch(lambda: {"refine": state(0.0, items=next(made)), "paint": state(61.0)}, 60.0, lambda pools: None),
            threading.Event(),
        )


def test_what_is_begun_and_not_finished_is_named() -> None:
    pulses = Pulses()
    for unit in ("one", "two", "three"):
        pulses.begin("refine", unit)
        pulses.begin("render", unit)
    pulses.finish("render", "one")
    pulses.finish("refine", "one")
    pulses.finish("render", "two")
    with pytest.raises(XrayError, match=r"^nothing got further for \d+ s \(waiting for two, three\); what is comm"):
        wait_with(Watch(dict, 0.05, lambda pools: None, pulses.at_hand), threading.Event())


def test_of_many_units_some_are_named() -> None:
    units = [str(number) for number in range(1010)]
    with pytest.raises(XrayError, match=r"\(paint: 2 actors, 7 images, waiting for 0, 1, 2, .*, 7, and 1,002 more\)"):
        wait_with(Watch(lambda: {"paint": state(61.0)}, 60.0, lambda pools: None, lambda: units), threading.Event())


def test_actors_that_never_begin_stand_still_too() -> None:
    with pytest.raises(XrayError, match=r"^nothing got further for 0 s \(no worker began to work\)"):
        wait_with(Watch(dict, 0.05, lambda pools: None), threading.Event())


def test_pools_that_wait_for_ever_stand_still_too() -> None:
    watch = Watch(lambda: {"paint": state(0.0)}, 60.0, lambda pools: watch.__dict__.update(_last=watch._last - 100))
    with pytest.raises(XrayError, match=r"^nothing got further for \d+ s \(paint: 2 actors, 7 images\)"):
        wait_with(watch, threading.Event())


class Looks(list[Mapping[str, PoolState]]):
    """What a watch was told; `enough` is set once it was told so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.enough = times, threading.Event()

    def add(self, pools: Mapping[str, PoolState]) -> None:
        self.append(pools)
        if len(self) >= self.times:
            self.enough.set()


def test_images_that_are_made_are_progress() -> None:
    looks, made = Looks(20), iter(range(1, 10**9))
    watch = Watch(lambda: {"paint": state(0.5, items=next(made))}, 5.0, looks.add)
    watch._last -= 100
    assert wait_with(watch, looks.enough)


def test_what_comes_out_is_progress_too() -> None:
    looks = Looks(20)

    def of_pools_that_make_nothing() -> Mapping[str, PoolState]:
        watch.progress()
        return {"paint": state(0.0)}

    watch = Watch(of_pools_that_make_nothing, 5.0, looks.add)
    watch._last -= 100
    assert wait_with(watch, looks.enough)


def test_a_state_that_is_not_to_be_had_ends_nothing() -> None:
    asked, told = Looks(5), Looks(1)
    with Watch(lambda: asked.add({}), 60.0, told.add):  # type: ignore[func-returns-value]
        assert asked.enough.wait(SECONDS)
    assert told == []


def test_in_another_thread_than_the_main_one_nothing_is_woken() -> None:
    looks = Looks(5)
    watch = Watch(lambda: {"paint": state(61.0)}, 60.0, looks.add)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wait_with, watch, looks.enough).result(SECONDS)


def test_without_a_limit_it_waits_for_ever() -> None:
    looks = Looks(5)
    watch = Watch(lambda: {"paint": state(10**6)}, None, looks.add)
    watch._last -= 10**6
    assert wait_with(watch, looks.enough)


def test_the_last_state_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_EVERY", SECONDS)
    seen: list[Mapping[str, PoolState]] = []
    states = {"paint": state(0.0, items=0)}
    with Watch(lambda: dict(states), 60.0, seen.append):
        states["paint"] = state(0.0, items=9)
    assert [pools["paint"].items for pools in seen] == [9]


@pytest.mark.parametrize("error", [XrayError("spent"), KeyboardInterrupt(), ValueError("a bug")])
def test_other_ends_stay_what_they_are(error: BaseException) -> None:
    watch = Watch(lambda: {"paint": state(0.0)}, 60.0, lambda pools: None)
    with pytest.raises(type(error)) as raised, watch:
        raise error
    assert raised.value is error
    watch._thread.join(SECONDS)
    assert not watch._thread.is_alive()


def test_units_that_are_begun_again_are_counted_by_pool() -> None:
    pulses = Pulses()
    begun = [("paint", "one"), ("paint", "one"), ("refine", "one"), ("paint", "other"), ("paint", "one")]
    assert [pulses.begin(pool, unit) for pool, unit in begun] == [1, 2, 1, 1, 3]
    pulses.finish("paint", "one")
    assert [pulses.begin(pool, unit) for pool, unit in begun] == [1, 2, 2, 2, 3]
