"""Who may use a Ray cluster: whoever reaches one without a token can run code on it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path

from xray.core.errors import XrayError

ALLOW_OPEN = "XRAY_ALLOW_OPEN_CLUSTER"
"""Environment variable that lets xray use a cluster without a token, if it is 1."""
_PATIENCE = 10.0


def keep_token_private() -> None:
    """Make Ray's token file before Ray does, and only for its owner; Ray would let everybody on the machine read it.

    Where a token comes from elsewhere (`RAY_AUTH_TOKEN`, `RAY_AUTH_TOKEN_PATH`), or none is wanted
    (`RAY_AUTH_MODE=disabled`), nothing is done. A file of ours that others may read is narrowed.

    Raises:
        XrayError: there is no place for it.
    """
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if given or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    path = Path.home() / ".ray" / "auth_token"
    try:
        if not path.exists():
            _write_once(path, secrets.token_hex(32))
        there = path.stat()
        if there.st_mode & 0o077 and there.st_uid == os.getuid():
            path.chmod(0o600)
    except OSError as error:
        raise XrayError(
            f"cannot keep Ray's token in {path}: {error.strerror}; RAY_AUTH_TOKEN_PATH names a file with one elsewhere"
        ) from error


def _write_once(path: Path, text: str) -> None:
    """Another process sees the whole file or none; where two write, the first one's stays."""
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
    """Refuse a cluster that others can reach and that asks nobody for a token.

    What this process was told of tokens says nothing of the cluster: Ray takes one where a file of it lies, and open
    clusters do not look at it.

    Args:
        head: host and port of the head's control service.
        addresses: IP addresses or host names of all nodes.

    Raises:
        XrayError: one is no loopback address, the head answers without a token or cannot be asked, and nobody
            allowed that.
    """
    if os.environ.get(ALLOW_OPEN) == "1":
        return
    reachable = sorted({address for address in addresses if not _is_loopback(address)})
    if reachable and answers_anybody(head):
        raise XrayError(
            f"this Ray cluster listens on {', '.join(reachable[:3])} without a token: whoever reaches it can run code "
            "on it. Start its nodes, and this command, with RAY_AUTH_MODE=token and one token file "
            f"(`ray get-auth-token --generate`), or say {ALLOW_OPEN}=1 if the network itself is closed"
        )


def answers_anybody(head: str) -> bool:
    """Whether a head tells its nodes to who has no token.

    Args:
        head: host and port of its control service.

    Raises:
        XrayError: it says neither yes nor no.
    """
    import grpc

    with grpc.insecure_channel(head, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/ray.rpc.NodeInfoGcsService/GetAllNodeInfo")(b"", timeout=_PATIENCE)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                return False
            raise XrayError(
                f"cannot tell whether the Ray cluster at {head} asks for tokens ({error.code().name}: "
                f"{' '.join(error.details().split())}); {ALLOW_OPEN}=1 says that it is closed to others, by TLS or its "
                "network"
            ) from error
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
