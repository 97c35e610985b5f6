from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from xray.cluster.security import (
    ALLOW_OPEN,
    _write_once,
    answers_anybody,
    keep_token_private,
    private_folder,
    refuse_open_cluster,
)
from xray.core.errors import ResourceError

VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", ALLOW_OPEN)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder, with no environment variable about tokens."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_new_token_is_readable_by_its_owner_alone(home: Path) -> None:
    keep_token_private()
    token = home / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(token.read_text())) == 32


def test_only_this_user_can_enter_the_folder_of_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    folder = private_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert private_folder().stat().st_mode & 0o777 == 0o700


def test_a_link_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    folder = private_folder()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match="RAY_TMPDIR"):
        private_folder()


def test_a_token_that_others_can_read_is_kept_and_made_private(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("mine")
    token.chmod(0o644)
    keep_token_private()
    assert (token.stat().st_mode & 0o777, token.read_text()) == (0o600, "mine")


@pytest.mark.parametrize(("name", "value"), [*((name, "x") for name in VARIABLES[:2]), ("RAY_AUTH_MODE", "disabled")])
def test_no_token_is_made_if_the_user_configures_tokens(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    keep_token_private()
    assert not (home / ".ray").exists()


@pytest.mark.slow
def test_ray_uses_the_new_token(home: Path) -> None:
    """In a process of its own: Ray reads it once."""
    program = (
        "from xray.cluster.session import connected\n"
        "with connected():\n"
        "    import os, ray; print(os.environ['RAY_AUTH_MODE'], len(ray.nodes()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "token 1\n"
    assert (home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_a_token_that_cannot_be_written_is_an_error_with_its_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("HOME", str(home / "file"))
    with pytest.raises(ResourceError, match=r"/file/\.ray/auth_token: Not a directory"):
        keep_token_private()


def test_of_two_writers_of_a_token_the_first_wins(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    _write_once(token, "first")
    _write_once(token, "second")
    assert token.read_text() == "first"
    assert list(token.parent.iterdir()) == [token]


@contextlib.contextmanager
def answering(*, anybody: bool) -> Iterator[str]:
    """Serve the control service of a head, which answers anybody or only those with a token."""

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
    def test_a_reachable_cluster_without_a_token_is_refused(self) -> None:
        with (
            answering(anybody=True) as head,
            pytest.raises(ResourceError, match=r"10\.0\.0\.7, head .*RAY_AUTH_MODE=token"),
        ):
            refuse_open_cluster(head, ["127.0.0.1", "head", "10.0.0.7"])

    def test_loopback_addresses_are_accepted(self) -> None:
        loopback = ["127.0.0.1", "127.0.1.1", "::1", "localhost"]
        with answering(anybody=True) as head:
            refuse_open_cluster(head, loopback)
            with pytest.raises(ResourceError, match=r" 10\.0\.0\.7 "):
                refuse_open_cluster(head, [*loopback, "10.0.0.7"])

    def test_a_cluster_with_a_token_or_an_allowed_one_is_accepted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering(anybody=False) as head:
            assert not answers_anybody(head)
            refuse_open_cluster(head, ["10.0.0.7"])
        monkeypatch.setenv(ALLOW_OPEN, "1")
        with answering(anybody=True) as head:
            assert answers_anybody(head)
            refuse_open_cluster(head, ["10.0.0.7"])

    def test_a_cluster_that_does_not_answer_is_refused(self) -> None:
        with answering(anybody=False) as head:
            pass  # the server has stopped
        with pytest.raises(ResourceError, match=rf"{head}.*UNAVAILABLE"):
            refuse_open_cluster(head, ["10.0.0.7"])

    @pytest.mark.parametrize(
        ("name", "value"),
        [("RAY_AUTH_MODE", "token"), ("RAY_AUTH_MODE", "disabled"), (ALLOW_OPEN, "0"), (ALLOW_OPEN, "")],
    )
    def test_other_settings_do_not_allow_an_open_cluster(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with answering(anybody=True) as head, pytest.raises(ResourceError, match="RAY_AUTH_MODE=token"):
            refuse_open_cluster(head, ["10.0.0.7"])
