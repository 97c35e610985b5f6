from __future__ import annotations

import sys
import time

import pytest

from xray.core import progress
from xray.core.progress import Progress, step


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time in seconds, which tests set."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY", 0.0)


@pytest.mark.usefixtures("every_line")
def test_time_left_is_shown_from_five_percent_on(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("generate", 1000, "images") as shown:
        for clock[0], done in ((0.0, 0), (2.0, 49), (5.0, 50), (50.0, 500), (100.0, 1000)):
            shown.reach(done)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" · ")[1:] for line in lines] == [
        ["0 of 1,000 images"],
        ["0 of 1,000 images"],
        ["49 of 1,000 images", "24/s"],
        ["50 of 1,000 images", "10/s", "1 min 35 s left"],
        ["500 of 1,000 images", "10/s", "50 s left"],
        ["1,000 of 1,000 images", "10/s", "0 s left"],
    ]


@pytest.mark.usefixtures("every_line")
def test_earlier_work_counts_neither_for_the_speed_nor_for_the_share(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("generate", 1000, "images", before=900) as shown:
        clock[0] = 10.0
        shown.advance(4)
        shown.advance(1)
    _, first, second = capsys.readouterr().err.splitlines()
    assert (first.split(" · ")[2:], second.split(" · ")[2:]) == (["0.4/s"], ["0.5/s", "3 min 10 s left"])


def test_a_log_has_a_line_at_the_start_and_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("scan", None, "photographs") as shown:
        for clock[0] in range(31):
            shown.advance()
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_short_step_is_silent_in_a_log_and_a_long_one_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with step("writing"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_LOG_EVERY", 0.0)
    with step("writing"):
        time.sleep(0.2)
    assert "writing" in capsys.readouterr().err


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("plan", 2, "photographs") as shown:
        shown.advance(2)
    with step("writing"):
        pass
    assert "2 of 2 photographs" in capsys.readouterr().err
