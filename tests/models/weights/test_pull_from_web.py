"""Single files, over real HTTP from a local server."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request

import pytest

from xray.core.errors import XrayError
from xray.models.weights import CATALOG, CatalogEntry, fingerprint, locate, pull, verify, web
from xray.models.weights.folder import MANIFEST

from .conftest import Server

DATA = bytes(range(256)) * 400
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def url(server: Server, folder: Path) -> str:
    server.files["/models/tiny.pth"] = DATA
    return f"{server.address}/models/tiny.pth"


def ranges(server: Server) -> list[str | None]:
    """The ranges of the requests for the file; the first request of a pull reads only the size."""
    requested = [headers.get("range") for headers in server.headers("/models/tiny.pth")]
    return [part for part in requested if part != "bytes=0-0"]


def test_a_file_is_pulled_checked_and_located(
    server: Server, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = pull(url, sha256=SHA256.upper())
    assert pulled.downloaded
    assert locate(url) == pulled.path / "tiny.pth"
    assert locate(url).read_bytes() == DATA
    assert pulled.manifest.fingerprint == fingerprint(locate(url)) == SHA256
    assert verify() == {url: []}
    server.requests.clear()
    assert not pull(url, sha256=SHA256).downloaded
    assert not pull(url).downloaded
    assert server.requests == []

    monkeypatch.setitem(CATALOG, "tiny", CatalogEntry("test", "MIT", 0, "", url=url, sha256={"tiny.pth": SHA256}))
    assert pull("tiny").manifest.licence == "MIT"
    assert locate("tiny") == folder / "tiny" / "tiny.pth"


def test_the_next_pull_resumes_after_a_cut_connection(server: Server, url: str) -> None:
    server.cuts = [1500]
    with pytest.raises(XrayError, match="1500 of 102400 bytes"):
        pull(url, sha256=SHA256)
    with pytest.raises(XrayError, match="xray weights pull http"):
        locate(url)
    pull(url, sha256=SHA256)
    assert ranges(server) == [None, "bytes=1500-"]
    assert locate(url).read_bytes() == DATA


def test_a_wrong_hash_is_refused_and_the_file_removed(folder: Path, url: str) -> None:
    with pytest.raises(XrayError, match=r"tiny\.pth.*0000"):
        pull(url, sha256="0" * 64)
    assert list(folder.rglob("tiny.pth")) == []
    with pytest.raises(XrayError):
        locate(url)
    assert pull(url, sha256=SHA256).downloaded


def test_https_must_not_redirect_to_http() -> None:
    redirect = web._OnlyHttps().redirect_request
    request = Request("https://example.org/a.pth?token=secret")
    assert redirect(request, None, 302, "", {}, "https://cdn.example.org/a.pth")
    with pytest.raises(XrayError, match=r"'https://example\.org/a\.pth'"):
        redirect(request, None, 302, "", {}, "http://cdn.example.org/a.pth")


@pytest.mark.parametrize("status", [403, 404, 503])
def test_the_status_of_a_refusal_is_named(server: Server, folder: Path, url: str, status: int) -> None:
    server.refusals = {"/models": (status, "")}
    with pytest.raises(XrayError, match=str(status)):
        pull(url, sha256=SHA256)
    assert not folder.exists()


def test_no_query_is_shown_or_stored(server: Server, folder: Path, url: str, capfd: pytest.CaptureFixture[str]) -> None:
    pulled = pull(f"{url}?token=secret", sha256=SHA256)
    assert locate(f"{url}?token=another") == locate(url)
    server.refusals = {"/models": (403, "")}
    other = f"{url.replace('tiny', 'other')}?token=secret"
    with pytest.raises(XrayError) as refused:
        pull(other, sha256=SHA256)
    with pytest.raises(XrayError) as missing:
        locate(other)
    shown = f"{refused.value}{missing.value}{''.join(capfd.readouterr())}"
    assert "secret" not in shown + (pulled.path / MANIFEST).read_text() + str(list(folder.rglob("*")))


@pytest.mark.parametrize(
    ("reference", "options", "message"),
    [
        ("http://127.0.0.1:9/tiny.pth", {}, "--sha256"),
        ("http://127.0.0.1:9/tiny.pth", {"sha256": SHA256}, r"Connection refused.*XRAY_WEIGHTS=F"),
        ("https://me:secret@example.org/tiny.pth", {}, r"^(?!.*secret).*example.org/tiny.pth"),
        ("https://example.org", {}, "file name"),
        ("https://example.org/models/", {}, "file name"),
        ("https://example.org/.hidden", {}, "file name"),
        ("https://example.org/a%2F..%2Fb", {}, "file name"),
        ("https://example.org/a.pth", {"revision": "main"}, "revision"),
        ("lab/model", {"sha256": SHA256}, "sha256"),
        ("sam-vit-hh", {}, "'sam-vit-hh'; did you mean 'sam-vit-h'"),
    ],
)
def test_refused_requests(folder: Path, reference: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(XrayError, match=message):
        pull(reference, **options)
    assert not folder.exists()


def test_threads_that_pull_the_same_file_download_it_once(server: Server, url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: pull(url, sha256=SHA256).downloaded, range(4)))
    assert sorted(results) == [False, False, False, True]
    assert ranges(server) == [None]
