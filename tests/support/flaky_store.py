"""An object store that refuses requests, drops connections or kills its clients where a test says so; else moto's."""

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

BUCKET = "flaky"


def refuse_with(status: str, code: str) -> Answer:
    """Return an answer with an S3 error."""

    def answer(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        _read(request)
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by a test</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [] if request["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def drop_connection(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Read half of the request, and close the connection."""
    _read(request, 0.5)
    with contextlib.suppress(OSError):
        request["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def kill_client(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Read half of the request, and kill its sender."""
    _read(request, 0.5)
    os.kill(client_of(request), signal.SIGKILL)
    raise ConnectionResetError


def client_of(request: dict[str, Any]) -> int:
    """Return the process that sent a request."""
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
class Fault:
    """A fault that hits some requests.

    Args:
        answer: given in place of moto's.
        method: HTTP method of the requests; empty: any.
        path: text that their path or query contains.
        after: number of such requests that pass first.
        times: number of requests that it hits.
        applied: number of requests that it has hit.
        seen: number of such requests so far.
    """

    answer: Answer
    method: str = ""
    path: str = ""
    after: int = 0
    times: float = float("inf")
    applied: int = 0
    seen: int = 0

    def applies_to(self, request: dict[str, Any]) -> bool:
        """Return whether it hits a request, and count it."""
        target = f"{request['PATH_INFO']}?{request['QUERY_STRING']}"
        if self.method not in ("", request["REQUEST_METHOD"]) or self.path not in target:
            return False
        self.seen += 1
        if self.seen <= self.after or self.applied >= self.times:
            return False
        self.applied += 1
        return True


@dataclass
class FlakyStore:
    """A store with one bucket.

    Args:
        address: URL of the server.
        uri_template: URI of the bucket, `s3://…{}…`, to be formatted with a path.
        faults: those that are active.
        requests: all requests so far: method, path and query.
        moto: application that answers the rest.
    """

    address: str = ""
    uri_template: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    _guard: Any = field(default_factory=threading.Lock)

    def __call__(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        with self._guard:
            self.requests.append((request["REQUEST_METHOD"], request["PATH_INFO"], request["QUERY_STRING"]))
            fault = next((fault for fault in self.faults if fault.applies_to(request)), None)
        answer: Answer = self.moto if fault is None else fault.answer
        return answer(request, start)

    @contextlib.contextmanager
    def with_faults(self, *faults: Fault) -> Iterator[None]:
        """Activate faults for the length of a block."""
        self.faults.extend(faults)
        try:
            yield
        finally:
            self.faults.clear()


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serve_store() -> Iterator[FlakyStore]:
    """Serve a store with a bucket."""
    store = FlakyStore()
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    where = f"127.0.0.1:{server.port}"
    store.address = f"http://{where}"
    store.uri_template = (
        f"s3://{BUCKET}/{{}}?scheme=http&endpoint_override={where.replace(':', '%3A')}&region=us-east-1"
    )
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
