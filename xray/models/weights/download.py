"""One file from a web address: streamed, resumed after a cut connection, and over https unless its hash is known."""

from __future__ import annotations

import errno
import http
import http.client
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from xray.core.errors import XrayError
from xray.models.weights.folder import elsewhere, shown

_CHUNK = 1 << 20
_SECONDS_TO_ANSWER = 30
_TRIES = 3  # in a row that bring nothing
_SECONDS_BETWEEN_TRIES = 1.0
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class _AlteredError(Exception):
    """What has arrived so far is not the beginning of what the server has now."""


class _OnlyHttps(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith("https://"):
            raise XrayError(f"refused {shown(req.full_url)!r}: it leads from https:// to an address that is not")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str, sha256: str | None) -> None:
    """Refuse an address that gives away a password, or whose bytes anyone on the way could change.

    Raises:
        XrayError: it holds credentials, or it is not https and there is no hash to check.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise XrayError(f"no credentials in a web address, it is written down: {parts.hostname}{parts.path}")
    if parts.scheme != "https" and sha256 is None:
        raise XrayError(
            f"refused {shown(url)!r}: what comes over {parts.scheme}:// can be changed on the way; use https://, or "
            "give the file's --sha256"
        )


def size(url: str, sha256: str | None, reference: str) -> int | None:
    """The size that the server tells, in bytes.

    Raises:
        XrayError: not there, not allowed, or no connection.
    """
    headers = {"User-Agent": "xray", "Accept-Encoding": "identity", "Range": "bytes=0-0"}
    try:  # not HEAD: a signed address may be good for GET only
        with _opener(sha256).open(Request(url, headers=headers), timeout=_SECONDS_TO_ANSWER) as answer:
            if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
                told = answer.headers.get("Content-Range", "").rpartition("/")[2]
            else:
                told = answer.headers.get("Content-Length") or ""
            return int(told) if told.isdecimal() else None
    except HTTPError as error:
        error.close()
        raise XrayError(_refusal(error.code, reference)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _no_connection(reference, error) from error


def download(url: str, path: Path, sha256: str | None, reference: str, reach: Callable[[int], None]) -> None:
    """Bring a file; what an earlier call left unfinished is gone on with, if the server still has the same.

    Args:
        url: https, or any if `sha256` is known.
        path: where it shall be; until it is whole, it lies beside that under a hidden name.
        sha256: only whether it is known counts; the caller checks it.
        reference: what was asked for, for messages.
        reach: told the number of bytes that are here.

    Raises:
        XrayError: not there, not allowed, no connection, or no room.
    """
    partial = path.with_name(f".{path.name}.partial")
    first, tries = True, 0
    while True:
        before = _size(partial)
        try:
            _go_on(url, partial, sha256, reach)
            break
        except HTTPError as error:
            error.close()
            raise XrayError(_refusal(error.code, reference)) from error
        except _AlteredError:
            partial.unlink(missing_ok=True)
            tries += 1
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise XrayError(f"cannot write {str(path)!r}: {error.strerror}") from error
            tries = 1 if _size(partial) > before else tries + 1
            if tries > _TRIES or (first and isinstance(error, URLError)):
                raise _no_connection(reference, error) from error
            time.sleep(_SECONDS_BETWEEN_TRIES * (tries - 1))
        first = False
    partial.replace(path)
    _mark(partial).unlink(missing_ok=True)


def _go_on(url: str, partial: Path, sha256: str | None, reach: Callable[[int], None]) -> None:
    """One request, from where the partial file ends."""
    here, mark = _size(partial), _mark(partial)
    headers = {"User-Agent": "xray", "Accept-Encoding": "identity"}
    if here and mark.exists():
        headers |= {"Range": f"bytes={here}-", "If-Range": mark.read_text()}
    elif here and sha256:
        headers["Range"] = f"bytes={here}-"
    try:
        answer = _opener(sha256).open(Request(url, headers=headers), timeout=_SECONDS_TO_ANSWER)
    except HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            raise _AlteredError from error
        raise
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            here = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {here}-"):
            raise _AlteredError
        _remember(mark, answer.headers.get("ETag"))
        told = answer.headers.get("Content-Length")
        total = here + int(told) if told else None
        with partial.open("r+b" if here else "wb") as file:
            file.seek(here)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                here += len(chunk)
                reach(here)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and here < total:
        raise ConnectionError(f"{here} of {total} bytes arrived")


def _remember(mark: Path, etag: str | None) -> None:
    """Keep what tells whether the server still has the same file; a weak tag does not."""
    if etag and not etag.startswith("W/"):
        mark.write_text(etag)
    else:
        mark.unlink(missing_ok=True)


def _mark(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.etag")


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _opener(sha256: str | None) -> OpenerDirector:
    return build_opener() if sha256 else build_opener(_OnlyHttps)


def _refusal(status: int, reference: str) -> str:
    if status in (401, 403):
        return f"cannot pull {reference!r}: the server refuses it ({status}); {elsewhere(reference)}"
    if status in (404, 410):
        return f"cannot pull {reference!r}: the server has no such file ({status})"
    return f"cannot pull {reference!r}: the server answers {status}; try again later"


def _no_connection(reference: str, error: Exception) -> XrayError:
    cause = error.reason if isinstance(error, URLError) else error
    return XrayError(
        f"cannot pull {reference!r}: no connection ({cause}). What has arrived is kept: pull again to go on. Without "
        f"a connection: {elsewhere(reference)}"
    )
