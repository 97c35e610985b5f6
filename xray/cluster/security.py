"""Access control of Ray clusters: without a token, every client that reaches a cluster can run code on it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from xray.core.errors import ResourceError

ALLOW_OPEN = "XRAY_ALLOW_OPEN_CLUSTER"
"""Environment variable that allows clusters without a token if it is 1."""
_TIMEOUT_SECONDS = 10.0


def keep_token_private() -> None:
    """Create Ray's token file, readable by its owner only; Ray itself would make it readable by every user.

    An existing file that this user owns and others can read is made private. Nothing happens if the user provides a
    token (`RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH`) or disables tokens (`RAY_AUTH_MODE=disabled`).

    Raises:
        XrayError: the file cannot be written.
    """
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if given or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        if not path.exists():
            _write_once(path, secrets.token_hex(32))
        status = path.stat()
        if status.st_mode & 0o077 and status.st_uid == os.getuid():
            path.chmod(0o600)
    except OSError as error:
        raise ResourceError(
            f"cannot write Ray's token to {path}: {error.strerror}; set RAY_AUTH_TOKEN_PATH to a file elsewhere"
        ) from error


def private_folder() -> Path:
    """Return a folder for Ray's temporary files that only this user can enter; Ray opens its own folders to everybody.

    It is `xray-UID` in `RAY_TMPDIR`, or in the temporary folder of the system.

    Raises:
        XrayError: it cannot be created, or somebody else has created it.
    """
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / f"xray-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise ResourceError(
                f"{folder} belongs to user {status.st_uid} or is a link, so that others could enter a local session of "
                "Ray; set RAY_TMPDIR to a folder of your own with a short path"
            )
        folder.chmod(0o700)
    except OSError as error:
        raise ResourceError(
            f"cannot create {folder} for the temporary files of Ray: {error.strerror}; set RAY_TMPDIR to a folder of "
            "your own with a short path"
        ) from error
    return folder


def _write_once(path: Path, text: str) -> None:
    """Write a file atomically and only if it does not exist: of two writers, the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened, partial = tempfile.mkstemp(dir=path.parent)  # only for its owner
    try:
        with os.fdopen(opened, "w") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
    finally:
        Path(partial).unlink()


def refuse_open_cluster(head: str, addresses: Iterable[str]) -> None:
    """Refuse a cluster that other machines can reach and that requires no token.

    The cluster itself is tested, because a token in this process proves nothing: an open cluster ignores it.

    Args:
        head: host and port of the head's control service.
        addresses: IP addresses or host names of all nodes.

    Raises:
        XrayError: an address is not a loopback address, the head answers without a token or not at all, and
            `XRAY_ALLOW_OPEN_CLUSTER` is not 1.
    """
    if os.environ.get(ALLOW_OPEN) == "1":
        return
    reachable = sorted({address for address in addresses if not _is_loopback(address)})
    if reachable and answers_anybody(head):
        raise ResourceError(
            f"this Ray cluster listens on {', '.join(reachable[:3])} without a token, so every client that reaches it "
            "can run code on it. Start its nodes and this command with RAY_AUTH_MODE=token and the same token file "
            f"(`ray get-auth-token --generate`), or set {ALLOW_OPEN}=1 if the network itself is closed"
        )


def answers_anybody(head: str) -> bool:
    """Return whether a head answers requests without a token.

    Args:
        head: host and port of its control service.

    Raises:
        XrayError: the head neither answers nor denies access.
    """
    import grpc

    with grpc.insecure_channel(head, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetAllNodeInfo")(b"", timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return False
            raise ResourceError(
                f"cannot determine whether the Ray cluster at {head} requires a token ({error.code().name}: "
                f"{' '.join(error.details().split())}); set {ALLOW_OPEN}=1 if TLS or the network closes it to others"
            ) from error
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
