from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from support import flaky_store as moody_store
from support.flaky_store import Order

from xray.core.checksummed import sealed
from xray.core.errors import XrayError
from xray.core.files import exists, list_files, write_bytes
from xray.core.uri import join, to_uri
from xray.runs import lock as module
from xray.runs.lock import Holder, lease, signs

ELSEWHERE = Holder("node-7", 4242, "another-boot/pid:[1]/99", "2026-01-01T00:00:00+00:00", held=True)


@pytest.fixture(params=["disk", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return to_uri(tmp_path / "leases/images")
    place: str = request.getfixturevalue("bucket")
    return place.format(f"{tmp_path.name}/leases/images")


def test_the_second_is_refused_and_told_by_whom(folder: str) -> None:
    with lease(folder, "the images of a run"):
        (sign,) = signs(folder)
        assert (sign.holder.process, sign.live) == (os.getpid(), True)
        said = (
            rf"process {os.getpid()} on .* is at work on the images of a run since .*, and gave its last sign \d+ s ago"
        )
        with pytest.raises(XrayError, match=said), lease(folder, "the images of a run"):
            pass
        assert [one.uri for one in signs(folder)] == [sign.uri]
    assert signs(folder) == []
    with lease(folder, "the images of a run"):
        pass


def test_it_is_given_back_when_the_work_fails(folder: str) -> None:
    with pytest.raises(KeyError), lease(folder, "x"):
        raise KeyError
    assert not exists(folder) or not list(list_files(folder))


def test_never_two_at_a_time(folder: str) -> None:
    """Many ask at the same moment; those who are let in are alone."""
    inside, most, entered = 0, 0, 0
    together = threading.Barrier(6)
    guard = threading.Lock()
    refused: list[str] = []

    def work() -> None:
        nonlocal inside, most, entered
        together.wait()
        try:
            with lease(folder, "x"):
                with guard:
                    inside, entered = inside + 1, entered + 1
                    most = max(most, inside)
                time.sleep(0.3)
                with guard:
                    inside -= 1
        except XrayError as error:
            refused.append(str(error))

    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1
    assert entered >= 3
    assert [told for told in refused if "is at work on x" not in told] == []


def test_a_process_of_this_host_that_was_killed_holds_nothing(folder: str) -> None:
    script = (
        "import sys, time; from xray.runs.lock import lease\n"
        "with lease(sys.argv[1], 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(XrayError, match=f"process {holder.pid} on"), lease(folder, "x"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    (sign,) = signs(folder)
    assert sign.quiet < module.EXPIRES
    assert not sign.live
    with lease(folder, "x"):
        assert len(signs(folder)) == 1


def test_a_lease_from_elsewhere_expires(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRES", 2.5)
    monkeypatch.setattr(module, "RENEWED", 0.2)
    write_bytes(join(folder, "0.json"), sealed(vars(ELSEWHERE)))
    with pytest.raises(XrayError, match="process 4242 on node-7"), lease(folder, "x"):
        pass
    time.sleep(1.5)  # quiet for longer than it should be, and not yet given up: it is waited for
    with lease(folder, "x"):
        assert [sign.holder.process for sign in signs(folder)] == [os.getpid()]


def test_a_lease_is_renewed_as_long_as_the_work_takes(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRES", 3.0)
    monkeypatch.setattr(module, "RENEWED", 0.2)
    with lease(folder, "x"):
        time.sleep(4)
        assert [sign.live for sign in signs(folder)] == [True]


def test_of_two_claims_the_smaller_name_wins_and_waits_for_the_other(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRES", 1.5)
    write_bytes(join(folder, "0.json"), sealed(vars(replace(ELSEWHERE, held=False))))
    with pytest.raises(XrayError, match="node-7"), lease(folder, "x"):
        pass
    time.sleep(3)  # object stores tell whole seconds
    write_bytes(join(folder, "z.json"), sealed(vars(replace(ELSEWHERE, held=False))))
    with lease(folder, "x"):  # it has expired by then
        assert [sign.holder.process for sign in signs(folder)] == [os.getpid()]


def test_a_lease_that_nobody_can_read_holds_nothing(folder: str) -> None:
    write_bytes(join(folder, "0.json"), b"{")
    with lease(folder, "x"):
        assert len(signs(folder)) == 1


@pytest.mark.parametrize("now", [None, 424242], ids=["given back", "written anew"])
def test_a_lease_that_changes_between_two_requests_of_one_look(now: int | None) -> None:
    """An object's size was asked for, and before its bytes are sent they are others, or gone."""
    with moody_store.opened() as store:
        folder = store.place.format("leases")
        write_bytes(join(folder, "0.json"), sealed(vars(replace(ELSEWHERE, held=False))))
        client = boto3.client("s3", endpoint_url=store.address, region_name="us-east-1")

        def change(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if now is None:
                client.delete_object(Bucket=moody_store.BUCKET, Key="leases/0.json")
            else:
                data = sealed(vars(replace(ELSEWHERE, process=now)))
                client.put_object(Bucket=moody_store.BUCKET, Key="leases/0.json", Body=data)
            return store.moto(request, start)  # type: ignore[no-any-return]

        changes = Order(change, "GET", "/0.json", times=1)
        with store.under(changes):
            found = signs(folder)
        assert changes.obeyed == 1
        assert [sign.holder.process for sign in found] == ([] if now is None else [now])
