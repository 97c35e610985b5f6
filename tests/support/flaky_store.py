"""An object store that refuses, drops connections or kills its clients, as tests order it; else it is moto's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import WSGIRequestHandler, make_server

Answer = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

BUCKET = "moody"


def refuses(status: str, code: str) -> Answer:
    """Answer with an error of S3's."""

    def answer(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        _read(request)
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>in a mood</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if request["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def drops(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Read half of what comes, and close the connection."""
    _read(request, 0.5)
    with contextlib.suppress(OSError):
        request["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def kills(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Read half of what comes, and kill who sends it."""
    _read(request, 0.5)
    os.kill(client_of(request), signal.SIGKILL)
    raise ConnectionResetError


def client_of(request: dict[str, Any]) -> int:
    """The process that a request comes from."""
    port = int(request["REMOTE_PORT"])
    return next(
        process.pid
        for process in psutil.process_iter()
        for connection in _connections(process)
        if connection.laddr.port == port and connection.raddr
    )


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("tcp"))
    except psutil.Error:
        return []


def _read(request: dict[str, Any], share: float = 1.0) -> None:
    length = request.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH") or request.get("CONTENT_LENGTH") or 0
    request["wsgi.input"].read(int(int(length) * share))


@dataclass
class Order:
    """What is to happen to some requests.

    Args:
        answer: instead of moto's.
        method: of the requests; empty: all.
        path: that theirs hold.
        after: so many go through before.
        times: as often.
        obeyed: how often it has happened.
    """

    answer: Answer
    method: str = ""
    path: str = ""
    after: int = 0
    times: float = float("inf")
    obeyed: int = 0
    seen: int = 0

    def takes(self, request: dict[str, Any]) -> bool:
        """Whether it is about a request."""
        target = f"{request['PATH_INFO']}?{request['QUERY_STRING']}"
        if self.method not in ("", request["REQUEST_METHOD"]) or self.path not in target:
            return False
        self.seen += 1
        if self.seen <= self.after or self.obeyed >= self.times:
            return False
        self.obeyed += 1
        return True


@dataclass
class MoodyStore:
    """The store.

    Args:
        address: of the server.
        place: of its bucket, as `s3://…{}…` with a place for the path.
        orders: that it is under now.
        requests: all that came: method, path and query.
        moto: what answers where no order does.
    """

    address: str = ""
    place: str = ""
    orders: list[Order] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    _guard: Any = field(default_factory=threading.Lock)

    def __call__(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        with self._guard:
            self.requests.append((request["REQUEST_METHOD"], request["PATH_INFO"], request["QUERY_STRING"]))
            order = next((order for order in self.orders if order.takes(request)), None)
        answer: Answer = self.moto if order is None else order.answer
        return answer(request, start)

    @contextlib.contextmanager
    def under(self, *orders: Order) -> Iterator[None]:
        """Obey some orders, as long as the block takes."""
        self.orders.extend(orders)
        try:
            yield
        finally:
            self.orders.clear()


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def opened() -> Iterator[MoodyStore]:
    """A store with a bucket."""
    store = MoodyStore()
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    where = f"127.0.0.1:{server.port}"
    store.address = f"http://{where}"
    store.place = f"s3://{BUCKET}/{{}}?scheme=http&endpoint_override={where.replace(':', '%3A')}&region=us-east-1"
    fs.S3FileSystem(
        access_key="test", secret_key="test", scheme="http", endpoint_override=where, region="us-east-1",
        allow_bucket_creation=True,
    ).create_dir(BUCKET)  # fmt: skip
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
