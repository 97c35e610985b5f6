from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from xray.cluster.security import ALLOW_OPEN, _write_once, answers_anybody, keep_token_private, refuse_open_cluster
from xray.core.errors import XrayError

FOREIGN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", ALLOW_OPEN)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and nothing said about tokens."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_token_is_made_for_its_owner_alone(home: Path) -> None:
    keep_token_private()
    token = home / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(token.read_text())) == 32


def test_a_token_that_others_may_read_is_narrowed_and_kept(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("mine")
    token.chmod(0o644)
    keep_token_private()
    assert (token.stat().st_mode & 0o777, token.read_text()) == (0o600, "mine")


@pytest.mark.parametrize(("name", "value"), [*((name, "x") for name in FOREIGN[:2]), ("RAY_AUTH_MODE", "disabled")])
def test_a_token_from_elsewhere_is_left_to_who_gives_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    keep_token_private()
    assert not (home / ".ray").exists()


def test_ray_takes_the_token_that_was_made(home: Path) -> None:
    """In a process of its own: Ray reads it once."""
    program = (
        "from xray.cluster.session import connected\n"
        "with connected():\n"
        "    import os, ray; print(os.environ['RAY_AUTH_MODE'], len(ray.nodes()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "token 1\n"
    assert (home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_no_place_for_a_token_is_told_in_a_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("HOME", str(home / "file"))
    with pytest.raises(XrayError, match=r"cannot keep Ray's token in .*/file/\.ray/auth_token: Not a directory"):
        keep_token_private()


def test_of_two_that_write_a_token_the_first_stays(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    _write_once(token, "first")
    _write_once(token, "second")
    assert token.read_text() == "first"
    assert list(token.parent.iterdir()) == [token]


@contextlib.contextmanager
def answering(*, anybody: bool) -> Iterator[str]:
    """The control service of a head: where it answers, or turns away who has no token."""

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if not anybody:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Authentication token is missing or incorrect")
        return b""

    method = grpc.unary_unary_rpc_method_handler(answer)
    service = grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", {"GetAllNodeInfo": method})
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.usefixtures("home")
class TestOpenClusters:
    def test_one_that_others_reach_is_refused(self) -> None:
        told = r"listens on 10\.0\.0\.7, head without a token: .* RAY_AUTH_MODE=token"
        with answering(anybody=True) as head, pytest.raises(XrayError, match=told):
            refuse_open_cluster(head, ["127.0.0.1", "head", "10.0.0.7"])

    def test_loopback_is_nobodys_business(self) -> None:
        loopback = ["127.0.0.1", "127.0.1.1", "::1", "localhost"]
        with answering(anybody=True) as head:
            refuse_open_cluster(head, loopback)
            with pytest.raises(XrayError, match=r"listens on 10\.0\.0\.7 without"):
                refuse_open_cluster(head, [*loopback, "10.0.0.7"])

    def test_one_that_asks_for_a_token_or_that_the_user_allowed_passes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(anybody=False) as head:
            assert not answers_anybody(head)
            refuse_open_cluster(head, ["10.0.0.7"])
        monkeypatch.setenv(ALLOW_OPEN, "1")
        with answering(anybody=True) as head:
            assert answers_anybody(head)
            refuse_open_cluster(head, ["10.0.0.7"])

    def test_one_that_cannot_be_asked_is_refused(self) -> None:
        with answering(anybody=False) as head:
            pass  # nobody listens there any longer
        with pytest.raises(XrayError, match=rf"cannot tell whether .* at {head} asks for tokens \(UNAVAILABLE: "):
            refuse_open_cluster(head, ["10.0.0.7"])

    def test_a_token_of_ours_makes_no_cluster_ask_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        with answering(anybody=True) as head, pytest.raises(XrayError, match="without a token"):
            refuse_open_cluster(head, ["10.0.0.7"])

    @pytest.mark.parametrize(("name", "value"), [("RAY_AUTH_MODE", "disabled"), (ALLOW_OPEN, "0"), (ALLOW_OPEN, "")])
    def test_nothing_else_does(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        with answering(anybody=True) as head, pytest.raises(XrayError, match="without a token"):
            refuse_open_cluster(head, ["10.0.0.7"])
