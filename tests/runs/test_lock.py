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
from support import flaky_store
from support.flaky_store import Fault

from xray.core.checksummed import with_checksum
from xray.core.errors import XrayError
from xray.core.files import exists, list_files, write_bytes
from xray.core.uri import join, to_uri
from xray.runs import lock as module
from xray.runs.lock import Holder, locked, read_locks

ELSEWHERE = Holder("node-7", 4242, "another-boot/pid:[1]/99", "2026-01-01T00:00:00+00:00", held=True)


@pytest.fixture(params=["disk", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return to_uri(tmp_path / "leases/images")
    uri_template: str = request.getfixturevalue("bucket")
    return uri_template.format(f"{tmp_path.name}/leases/images")


def test_a_second_process_is_refused_and_the_holder_is_named(folder: str) -> None:
    with locked(folder, "the images of a run"):
        (lock,) = read_locks(folder)
        assert (lock.holder.process, lock.live) == (os.getpid(), True)
        holder = rf"process {os.getpid()} on .* on the images of a run since .* \d+ s ago"
        with pytest.raises(XrayError, match=holder), locked(folder, "the images of a run"):
            pass
        assert [other.uri for other in read_locks(folder)] == [lock.uri]
    assert read_locks(folder) == []
    with locked(folder, "the images of a run"):
        pass


def test_a_lock_is_released_when_the_work_fails(folder: str) -> None:
    with pytest.raises(KeyError), locked(folder, "x"):
        raise KeyError
    assert not exists(folder) or not list(list_files(folder))


def test_no_two_threads_hold_a_lock_at_the_same_time(folder: str) -> None:
    """Six threads claim it at once."""
    inside, max_inside, entered = 0, 0, 0
    start = threading.Barrier(6)
    guard = threading.Lock()
    refused: list[str] = []

    def work() -> None:
        nonlocal inside, max_inside, entered
        start.wait()
        try:
            with locked(folder, "x"):
                with guard:
                    inside, entered = inside + 1, entered + 1
                    max_inside = max(max_inside, inside)
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
    assert max_inside == 1
    assert entered >= 3
    assert [message for message in refused if f"process {os.getpid()}" not in message] == []


def test_a_killed_process_of_this_host_holds_no_lock(folder: str) -> None:
    script = (
        "import sys, time; from xray.runs.lock import locked\n"
        "with locked(sys.argv[1], 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(XrayError, match=f"process {holder.pid} on"), locked(folder, "x"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    (lock,) = read_locks(folder)
    assert lock.quiet < module.EXPIRE_SECONDS
    assert not lock.live
    with locked(folder, "x"):
        assert len(read_locks(folder)) == 1


def test_a_lock_of_another_host_expires(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRE_SECONDS", 5.0)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.2)
    write_bytes(join(folder, "0.json"), with_checksum(vars(ELSEWHERE)))
    with pytest.raises(XrayError, match="process 4242 on node-7"), locked(folder, "x"):
        pass
    time.sleep(4)  # a renewal is overdue, but the lock has not expired: it is waited for
    with locked(folder, "x"):
        assert [lock.holder.process for lock in read_locks(folder)] == [os.getpid()]


def test_a_lock_is_renewed_during_the_work(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPIRE_SECONDS", 3.0)
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.2)
    with locked(folder, "x"):
        time.sleep(4)
        assert [lock.live for lock in read_locks(folder)] == [True]


def test_the_claim_with_the_smaller_name_wins_and_waits_for_the_other(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXPIRE_SECONDS", 1.5)
    write_bytes(join(folder, "0.json"), with_checksum(vars(replace(ELSEWHERE, held=False))))
    with pytest.raises(XrayError, match="node-7"), locked(folder, "x"):
        pass
    time.sleep(3)  # object stores report whole seconds
    write_bytes(join(folder, "z.json"), with_checksum(vars(replace(ELSEWHERE, held=False))))
    with locked(folder, "x"):  # it has expired by then
        assert [lock.holder.process for lock in read_locks(folder)] == [os.getpid()]


def test_a_lock_that_was_not_renewed_for_as_long_as_it_lives_is_lost(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(folder, "x") as lease:
        lease.check()
        monkeypatch.setattr(module, "EXPIRE_SECONDS", 1.5)
        time.sleep(3)  # object stores report whole seconds
        for _ in range(2):
            with pytest.raises(XrayError, match="lock on x"):
                lease.check()
    assert read_locks(folder) == []


def test_a_lock_that_was_taken_over_is_lost_and_not_written_again(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.1)
    with locked(folder, "x") as lease:
        module.delete_file(lease.uri)
        with pytest.raises(XrayError, match="lock on x"):
            lease.check()
        with locked(folder, "x"):
            time.sleep(0.5)
            assert len(read_locks(folder)) == 1


def test_a_damaged_lock_holds_nothing(folder: str) -> None:
    write_bytes(join(folder, "0.json"), b"{")
    with locked(folder, "x"):
        assert len(read_locks(folder)) == 1


@pytest.mark.parametrize("now", [None, 424242], ids=["released", "rewritten"])
def test_a_lock_that_changes_between_the_two_requests_of_a_read(now: int | None) -> None:
    """The object is replaced or deleted after its size is requested and before its bytes are sent."""
    with flaky_store.serve_store() as store:
        folder = store.uri_template.format("leases")
        write_bytes(join(folder, "0.json"), with_checksum(vars(replace(ELSEWHERE, held=False))))
        client = boto3.client("s3", endpoint_url=store.address, region_name="us-east-1")

        def change(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if now is None:
                client.delete_object(Bucket=flaky_store.BUCKET, Key="leases/0.json")
            else:
                data = with_checksum(vars(replace(ELSEWHERE, process=now)))
                client.put_object(Bucket=flaky_store.BUCKET, Key="leases/0.json", Body=data)
            return store.moto(request, start)  # type: ignore[no-any-return]

        changes = Fault(change, "GET", "/0.json", times=1)
        with store.with_faults(changes):
            locks = read_locks(folder)
        assert changes.applied == 1
        assert [lock.holder.process for lock in locks] == ([] if now is None else [now])
