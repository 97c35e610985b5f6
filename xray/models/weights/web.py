"""Single files from a web address, over https unless their hash is known."""

from __future__ import annotations

import errno
import http
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from xray.core.errors import ConfigError
from xray.models.weights.folder import without_query
from xray.models.weights.hub import TIMEOUT_SECONDS, RemoteFile, explain_errors

_CHUNK_BYTES = 1 << 20


class _OnlyHttps(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith("https://"):
            raise ConfigError(f"refused {without_query(req.full_url)!r}: it redirects from https:// to another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str, sha256: str | None) -> None:
    """Refuse an address with credentials, and an unencrypted one if there is no hash to check."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ConfigError(f"no credentials in a web address, because it is stored: {parts.hostname}{parts.path}")
    if parts.scheme != "https" and sha256 is None:
        raise ConfigError(
            f"refused {without_query(url)!r}: {parts.scheme}:// does not protect the file in transit; use https://, or "
            "give the file's --sha256"
        )


def file_size(url: str, sha256: str | None, reference: str) -> int | None:
    """Return the size in bytes, or None if the server does not report it."""
    # GET, not HEAD: a signed address may be valid for GET only.
    with _open(url, sha256, reference, "bytes=0-0") as answer:
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            size = (answer.headers.get("Content-Range") or "").rpartition("/")[2]
        else:
            size = answer.headers.get("Content-Length") or ""
        return int(size) if size.isdecimal() else None


def download(url: str, file: RemoteFile, folder: Path, reference: str, report: Callable[[int], None]) -> None:
    """Download a file; where its hash is known, and will be checked, resume a partial one.

    `report` is called with the number of bytes present.
    """
    path = folder / file.name
    present = path.stat().st_size if file.sha256 and path.exists() else 0
    if present >= (file.bytes or 0):
        present = 0
    with _open(url, file.sha256, reference, f"bytes={present}-" if present else None) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            present = 0
        with path.open("ab" if present else "wb") as out:
            while chunk := answer.read(_CHUNK_BYTES):
                out.write(chunk)
                present += len(chunk)
                report(present)
        if file.bytes is not None and present < file.bytes:
            raise ConnectionError(errno.ECONNRESET, f"{present} of {file.bytes} bytes arrived")


@contextmanager
def _open(url: str, sha256: str | None, reference: str, byte_range: str | None) -> Iterator[HTTPResponse]:
    headers = {"User-Agent": "xray", "Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
    opener = build_opener() if sha256 else build_opener(_OnlyHttps)
    with explain_errors(reference), opener.open(Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as answer:
        yield answer
