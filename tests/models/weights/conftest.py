"""A local model hub and file server that answer like the real ones and fail on request."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

COMMIT, NEWER = "a" * 40, "b" * 40
REPO = "lab/tiny-model"
FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": bytes(range(256)) * 400,
    "model.fp16.safetensors": b"half",
    "pytorch_model.bin": b"\x80\x04pickle",
    "README.md": b"# tiny",
}


@dataclass
class Server:
    """The served files, the injected faults and the requests received."""

    address: str = ""
    revisions: dict[str, dict[str, bytes]] = field(default_factory=lambda: {COMMIT: dict(FILES)})
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    """Number of bytes after which each of the next bodies is cut off."""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and error code by path prefix."""
    altered: bytes = b""
    """Sent instead of every safetensors file; the listing stays."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self, method: str = "GET") -> list[str]:
        return [path for verb, path, _ in self.requests if verb == method]

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for verb, requested, headers in self.requests if verb == "GET" and requested == path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        state, path = self.state, unquote(urlsplit(self.path).path)
        state.requests.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        for prefix, (status, code) in state.refusals.items():
            if path.startswith(prefix):
                return self.send(status, b'{"error": "refused"}', {"X-Error-Code": code})
        if path.startswith(f"/api/models/{REPO}"):
            return self.listing(path.removeprefix(f"/api/models/{REPO}"))
        if path.startswith(f"/{REPO}/resolve/"):
            commit, _, name = path.removeprefix(f"/{REPO}/resolve/").partition("/")
            return self.content(state.revisions.get(commit, {}).get(name), commit, name)
        return self.content(state.files.get(path), None, path)

    do_HEAD = do_GET

    def listing(self, rest: str) -> None:
        kind, _, revision = rest.strip("/").partition("/")
        commit = list(self.state.revisions)[-1] if revision in ("", "main") else revision
        if commit not in self.state.revisions:
            return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        files = self.state.revisions[commit]
        if kind == "tree":
            body: object = [
                {"type": "file", "path": name, **metadata(data, name, "oid", "oid")} for name, data in files.items()
            ]
        else:
            siblings = [{"rfilename": name, **metadata(data, name, "blobId", "sha256")} for name, data in files.items()]
            body = {"id": REPO, "sha": commit, "siblings": siblings, "cardData": {"license": "mit"}, "tags": []}
        return self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def content(self, data: bytes | None, commit: str | None, name: str) -> None:
        if data is None:
            return self.send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        etag = hashlib.sha256(data).hexdigest() if large(name) or commit is None else blob(data)
        headers = {"ETag": f'"{etag}"'}
        if commit:
            headers["X-Repo-Commit"] = commit
            if self.state.altered and large(name):
                data = self.state.altered
        start = self.start()
        if start >= 0:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.send(206 if start >= 0 else 200, data[max(start, 0) :], headers)

    def start(self) -> int:
        """The first byte of the requested range; -1 without one."""
        requested = self.headers.get("Range")
        return int(requested.removeprefix("bytes=").partition("-")[0]) if requested else -1

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        first_byte_only = self.headers.get("Range") == "bytes=0-0"
        if self.command == "HEAD":
            return
        if status < 300 and not self.path.startswith("/api") and not first_byte_only and self.state.cuts:
            body = body[: self.state.cuts.pop(0)]
            self.close_connection = True
        try:
            self.wfile.write(body)
        except OSError:  # a client that only reads the size
            self.close_connection = True


def large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def blob(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def metadata(data: bytes, name: str, blob_key: str, sha256_key: str) -> dict[str, object]:
    lfs = {"lfs": {"size": len(data), sha256_key: hashlib.sha256(data).hexdigest(), "pointerSize": 134}}
    return {"size": len(data), blob_key: blob(data), **(lfs if large(name) else {})}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs until the test ends."""
    state = Server()
    handler = type("_Handler", (Handler,), {"state": state})
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.address = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder of this test."""
    path = tmp_path / "weights"
    monkeypatch.setenv("XRAY_WEIGHTS", str(path))
    return path


@pytest.fixture
def hub(server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server as the model hub of this process, isolated from the home folder."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield server
    close_session()
