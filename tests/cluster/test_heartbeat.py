from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from xray.cluster import heartbeat as module
from xray.cluster.heartbeat import Heartbeat, Monitor
from xray.cluster.placement import PoolState
from xray.core.errors import ConfigError, ResourceError

SECONDS = 30.0
"""Limit of waits that the monitor should interrupt."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.01)


def test_without_reports_there_are_no_pools() -> None:
    assert Heartbeat().states() == {}


def test_an_actors_time_goes_from_its_first_batch_to_the_last_report_of_its_pool(clock: Clock) -> None:
    heartbeat = Heartbeat()
    heartbeat.batch("paint", "a", 0.8, 0, 0.0)  # starts at 100
    clock.now = 104
    heartbeat.batch("paint", "a", 0.8, 3, 4.0)
    heartbeat.batch("paint", "b", 0.8, 0, 0.0)
    clock.now = 110
    heartbeat.batch("paint", "b", 0.8, 2, 3.0)
    clock.now = 115
    state = heartbeat.states()["paint"]
    assert state == PoolState(items=5, busy=7.0, ready=10.0 + 6.0, actors=2, gpus=0.8, quiet=0.0)
    assert state.busy_share == 7 / 16


def test_a_pool_is_quiet_only_while_an_actor_is_working(clock: Clock) -> None:
    heartbeat = Heartbeat()
    heartbeat.batch("paint", "a", 1.0, 0, 0.0)
    clock.now += 30
    assert heartbeat.states()["paint"].quiet == 30
    heartbeat.batch("paint", "a", 1.0, 1, 30.0)
    clock.now += 500
    assert heartbeat.states()["paint"].quiet == 0  # it waits for work
    heartbeat.batch("paint", "b", 1.0, 0, 0.0)
    clock.now += 7
    heartbeat.batch("paint", "a", 1.0, 0, 0.0)
    clock.now += 7
    assert heartbeat.states()["paint"].quiet == 7


def test_an_actor_whose_first_report_is_a_finished_batch_started_with_it(clock: Clock) -> None:
    heartbeat = Heartbeat()
    heartbeat.batch("evaluate", "a", 0.0, 8, 2.5)
    state = heartbeat.states()["evaluate"]
    assert (state.ready, state.busy_share) == (2.5, 1.0)


def test_pools_are_counted_separately(clock: Clock) -> None:
    heartbeat = Heartbeat()
    heartbeat.batch("refine", "a", 0.2, 4, 1.0)
    heartbeat.batch("refine", "a", 0.2, 0, 0.0)
    clock.now = 160
    heartbeat.batch("paint", "b", 0.8, 1, 30.0)
    states = heartbeat.states()
    assert [(name, state.items, state.quiet) for name, state in states.items()] == [
        ("refine", 4, 60.0),
        ("paint", 1, 0.0),
    ]


def state(quiet: float, items: int = 7) -> PoolState:
    return PoolState(items=items, busy=1.0, ready=2.0, actors=2, gpus=1.0, quiet=quiet)


def wait_with(monitor: Monitor, until: threading.Event) -> bool:
    """Wait as the main thread does; only a signal ends that early."""
    with monitor:
        return until.wait(SECONDS)


def test_a_stalled_pool_interrupts_the_main_thread() -> None:
    states = {"refine": state(0.0, items=1200), "paint": state(61.0)}
    with pytest.raises(ResourceError, match=r"paint pool.* 61 s.*stall_seconds") as error:
        wait_with(Monitor(lambda: states, 60.0, lambda pools: None), threading.Event())
    assert "(refine: 2 actors, 1,200 images, paint: 2 actors, 7 images)" in str(error.value)


def test_one_stalled_pool_is_enough_while_others_make_progress() -> None:
    made = iter(range(10**9))
    with pytest.raises(ResourceError, match="paint pool"):
        wait_with(
            Monitor(lambda: {"refine": state(0.0, items=next(made)), "paint": state(61.0)}, 60.0, lambda pools: None),
            threading.Event(),
        )


def test_a_stall_names_the_items_in_progress() -> None:
    heartbeat = Heartbeat()
    for item in ("one", "two", "three"):
        heartbeat.start("refine", item)
        heartbeat.start("render", item)
    heartbeat.finish("render", "one")
    heartbeat.finish("refine", "one")
    heartbeat.finish("render", "two")
    with pytest.raises(ResourceError, match=r"\(waiting for two, three\)"):
        wait_with(Monitor(dict, 0.05, lambda pools: None, heartbeat.in_progress), threading.Event())


def test_a_stall_names_only_the_first_items() -> None:
    items = [str(number) for number in range(1010)]
    with pytest.raises(
        ResourceError, match=r"\(paint: 2 actors, 7 images, waiting for 0, 1, 2, .*, 7, and 1,002 more\)"
    ):
        wait_with(Monitor(lambda: {"paint": state(61.0)}, 60.0, lambda pools: None, lambda: items), threading.Event())


def test_a_run_without_any_report_stalls() -> None:
    with pytest.raises(ResourceError, match="no progress for 0 s"):
        wait_with(Monitor(dict, 0.05, lambda pools: None), threading.Event())


def test_a_run_whose_pools_wait_forever_stalls() -> None:
    monitor = Monitor(
        lambda: {"paint": state(0.0)}, 60.0, lambda pools: monitor.__dict__.update(_last=monitor._last - 100)
    )
    with pytest.raises(ResourceError, match=r"no progress for \d+ s \(paint: 2 actors, 7 images\)"):
        wait_with(monitor, threading.Event())


class Reports(list[Mapping[str, PoolState]]):
    """The reports of a monitor; `enough` is set after the given number of them."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.enough = times, threading.Event()

    def add(self, pools: Mapping[str, PoolState]) -> None:
        self.append(pools)
        if len(self) >= self.times:
            self.enough.set()


def test_finished_images_are_progress() -> None:
    reports, made = Reports(20), iter(range(1, 10**9))
    monitor = Monitor(lambda: {"paint": state(0.5, items=next(made))}, 5.0, reports.add)
    monitor._last -= 100
    assert wait_with(monitor, reports.enough)


def test_results_are_progress() -> None:
    reports = Reports(20)

    def idle_pools() -> Mapping[str, PoolState]:
        monitor.progress()
        return {"paint": state(0.0)}

    monitor = Monitor(idle_pools, 5.0, reports.add)
    monitor._last -= 100
    assert wait_with(monitor, reports.enough)


def test_unavailable_states_are_ignored() -> None:
    fetched, reports = Reports(5), Reports(1)
    with Monitor(lambda: fetched.add({}), 60.0, reports.add):
        assert fetched.enough.wait(SECONDS)
    assert reports == []


def test_other_threads_than_the_main_one_are_not_interrupted() -> None:
    reports = Reports(5)
    monitor = Monitor(lambda: {"paint": state(61.0)}, 60.0, reports.add)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wait_with, monitor, reports.enough).result(SECONDS)


def test_without_a_limit_nothing_stalls() -> None:
    reports = Reports(5)
    monitor = Monitor(lambda: {"paint": state(10**6)}, None, reports.add)
    monitor._last -= 10**6
    assert wait_with(monitor, reports.enough)


def test_the_last_state_is_reported_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", SECONDS)
    seen: list[Mapping[str, PoolState]] = []
    states = {"paint": state(0.0, items=0)}
    with Monitor(lambda: dict(states), 60.0, seen.append):
        states["paint"] = state(0.0, items=9)
    assert [pools["paint"].items for pools in seen] == [9]


@pytest.mark.parametrize("error", [ConfigError("spent"), KeyboardInterrupt(), ValueError("a bug")])
def test_other_exceptions_pass_unchanged(error: BaseException) -> None:
    monitor = Monitor(lambda: {"paint": state(0.0)}, 60.0, lambda pools: None)
    with pytest.raises(type(error)) as raised, monitor:
        raise error
    assert raised.value is error
    monitor._thread.join(SECONDS)
    assert not monitor._thread.is_alive()


def test_restarted_items_are_counted_by_stage() -> None:
    heartbeat = Heartbeat()
    starts = [("paint", "one"), ("paint", "one"), ("refine", "one"), ("paint", "other"), ("paint", "one")]
    assert [heartbeat.start(stage, item) for stage, item in starts] == [1, 2, 1, 1, 3]
    heartbeat.finish("paint", "one")
    assert [heartbeat.start(stage, item) for stage, item in starts] == [1, 2, 2, 2, 3]
