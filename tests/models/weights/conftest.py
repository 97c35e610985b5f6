"""A model hub and a file server on this machine, which answer as the real ones do, and fail when they are told to."""

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
    """What is served, what goes wrong with it, and what was asked for."""

    address: str = ""
    revisions: dict[str, dict[str, bytes]] = field(default_factory=lambda: {COMMIT: dict(FILES)})
    files: dict[str, bytes] = field(default_factory=dict)
    etags: bool = True
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers with a body end too early."""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and error code by the beginning of a path."""
    altered: bytes = b""
    """Sent in place of every safetensors file, whatever the listing says."""
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self, method: str = "GET") -> list[str]:
        return [path for verb, path, _ in self.asked if verb == method]

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for verb, there, headers in self.asked if verb == "GET" and there == path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        state, path = self.state, unquote(urlsplit(self.path).path)
        state.asked.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        for beginning, (status, code) in state.refusals.items():
            if path.startswith(beginning):
                return self.send(status, b'{"error": "refused"}', {"X-Error-Code": code})
        if path in state.redirects:
            return self.send(302, b"", {"Location": state.redirects[path]})
        if path.startswith(f"/api/models/{REPO}"):
            return self.listing(path.removeprefix(f"/api/models/{REPO}"))
        if path.startswith(f"/{REPO}/resolve/"):
            commit, _, name = path.removeprefix(f"/{REPO}/resolve/").partition("/")
            return self.content(state.revisions.get(commit, {}).get(name), commit, name)
        return self.content(state.files.get(path), None, path)

    def listing(self, rest: str) -> None:
        kind, _, revision = rest.strip("/").partition("/")
        commit = list(self.state.revisions)[-1] if revision in ("", "main") else revision
        if commit not in self.state.revisions:
            return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        files = self.state.revisions[commit]
        if kind == "tree":
            body: object = [{"type": "file", "path": name, **listed(data, name)} for name, data in files.items()]
        else:
            siblings = [{"rfilename": name, **sibling(data, name)} for name, data in files.items()]
            body = {"id": REPO, "sha": commit, "siblings": siblings, "cardData": {"license": "mit"}, "tags": []}
        return self.send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def content(self, data: bytes | None, commit: str | None, name: str) -> None:
        if data is None:
            return self.send(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        etag = hashlib.sha256(data).hexdigest() if large(name) or commit is None else blob(data)
        headers = {"ETag": f'"{etag}"'} if self.state.etags else {}
        if commit:
            headers["X-Repo-Commit"] = commit
            if self.state.altered and large(name):
                data = self.state.altered
        start = self.start(headers.get("ETag"))
        if start >= len(data) > 0:
            return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        if start >= 0:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self.send(206 if start >= 0 else 200, data[max(start, 0) :], headers)

    def start(self, etag: str | None) -> int:
        """Where the wanted part begins; -1: all is wanted, or what was there is outdated."""
        wanted = self.headers.get("Range")
        if not (wanted and self.state.ranges) or self.headers.get("If-Range", etag) != etag:
            return -1
        return int(wanted.removeprefix("bytes=").partition("-")[0])

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
        except OSError:  # a client that only wanted to know the size
            self.close_connection = True


def large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def blob(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def sibling(data: bytes, name: str) -> dict[str, object]:
    lfs = {"lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}}
    return {"size": len(data), "blobId": blob(data), **(lfs if large(name) else {})}


def listed(data: bytes, name: str) -> dict[str, object]:
    lfs = {"lfs": {"size": len(data), "oid": hashlib.sha256(data).hexdigest(), "pointerSize": 134}}
    return {"size": len(data), "oid": blob(data), **(lfs if large(name) else {})}


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves on this machine until the test ends."""
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
    """The folder of weights of this test."""
    place = tmp_path / "weights"
    monkeypatch.setenv("XRAY_WEIGHTS", str(place))
    return place


@pytest.fixture
def hub(server: Server, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server as the model hub of this process, without anything of the home folder."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield server
    close_session()
