"""Single files: over real HTTP, from a server on this machine."""

from __future__ import annotations

import errno
import hashlib
import platform
import threading
from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.models.weights import KNOWN, Known, download, fingerprint, locate, pull, verify
from xray.models.weights.folder import folder_name

from .conftest import Server

DATA = bytes(range(256)) * 400
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(download, "_SECONDS_BETWEEN_TRIES", 0.0)
    monkeypatch.setattr(download, "_CHUNK", 1000)
    server.files["/models/tiny.pth"] = DATA
    return f"{server.address}/models/tiny.pth"


def staging_of(folder: Path, url: str) -> Path:
    return folder / f".{folder_name(url)}.{platform.node()}.partial"


def ranges(server: Server) -> list[str | None]:
    """Of the requests for the file itself; the first of a pull only asks for its size."""
    asked = [headers.get("range") for headers in server.headers("/models/tiny.pth")]
    return [part for part in asked if part != "bytes=0-0"]


def test_a_file_is_pulled_checked_and_found(server: Server, folder: Path, url: str) -> None:
    pulled = pull(url, sha256=SHA256.upper())
    assert locate(url) == pulled.path / "tiny.pth"
    assert locate(url).read_bytes() == DATA
    assert pulled.manifest.fingerprint == fingerprint(locate(url)) == SHA256
    assert verify() == {url: []}
    server.asked.clear()
    assert not pull(url, sha256=SHA256).anew
    assert not pull(url).anew
    assert server.asked == []


def test_a_registered_file(server: Server, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN, "tiny", Known("test", "MIT", 0, "", url=url, sha256={"tiny.pth": SHA256}))
    assert pull("tiny").manifest.licence == "MIT"
    assert locate("tiny") == folder / "tiny" / "tiny.pth"


@pytest.mark.parametrize("etags", [True, False])
def test_cut_connections_are_gone_on_with(server: Server, folder: Path, url: str, etags: bool) -> None:
    server.cuts, server.etags = [1500, 0, 5000], etags
    pull(url, sha256=SHA256)
    assert locate(url).read_bytes() == DATA
    assert ranges(server) == [None, "bytes=1500-", "bytes=1500-", "bytes=6500-"]


def test_a_server_that_knows_no_ranges(server: Server, folder: Path, url: str) -> None:
    server.cuts, server.ranges = [1500], False
    pull(url, sha256=SHA256)
    assert locate(url).read_bytes() == DATA


def test_the_next_call_goes_on(server: Server, folder: Path, url: str) -> None:
    server.cuts = [1500, 0, 0, 0, 0]
    with pytest.raises(XrayError, match=r"no connection.*pull again to go on"):
        pull(url, sha256=SHA256)
    with pytest.raises(XrayError, match="xray weights pull http"):
        locate(url)
    server.cuts, server.asked = [], []
    pull(url, sha256=SHA256)
    assert ranges(server) == ["bytes=1500-"]
    assert locate(url).read_bytes() == DATA


@pytest.mark.parametrize("now", [b"other" * 1000, b"shorter"])
def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, folder: Path, url: str, now: bytes) -> None:
    server.cuts = [1500, 0, 0, 0, 0]
    with pytest.raises(XrayError):
        pull(url, sha256=SHA256)
    server.cuts, server.files["/models/tiny.pth"] = [], now
    pull(url, sha256=hashlib.sha256(now).hexdigest())
    assert locate(url).read_bytes() == now


def test_a_partial_file_that_is_too_long_is_thrown_away(server: Server, folder: Path, url: str) -> None:
    server.etags = False
    staging = staging_of(folder, url)
    staging.mkdir(parents=True)
    (staging / ".tiny.pth.partial").write_bytes(b"x" * (len(DATA) + 1))
    pull(url, sha256=SHA256)
    assert locate(url).read_bytes() == DATA


def test_another_hash_is_refused_and_nothing_kept(server: Server, folder: Path, url: str) -> None:
    with pytest.raises(XrayError, match=r"refused tiny\.pth.*expected.*0000.*got.*it was not kept"):
        pull(url, sha256="0" * 64)
    assert list(staging_of(folder, url).iterdir()) == []
    with pytest.raises(XrayError):
        locate(url)


def test_plain_http_is_refused_unless_the_hash_is_known(server: Server, url: str) -> None:
    with pytest.raises(XrayError, match=r"can be changed on the way; use https://, or give the file's --sha256"):
        pull(url)
    assert server.asked == []


def test_https_does_not_lead_to_http() -> None:
    from urllib.request import Request

    redirect = download._OnlyHttps().redirect_request
    request = Request("https://example.org/a.pth?token=secret")
    assert redirect(request, None, 302, "", {}, "https://cdn.example.org/a.pth")
    with pytest.raises(XrayError, match=r"refused 'https://example\.org/a\.pth': it leads"):
        redirect(request, None, 302, "", {}, "http://cdn.example.org/a.pth")


def test_a_redirect_is_followed(server: Server, folder: Path, url: str) -> None:
    server.redirects["/latest/tiny.pth"] = url
    assert pull(f"{server.address}/latest/tiny.pth", sha256=SHA256).manifest.fingerprint == SHA256


@pytest.mark.parametrize(
    ("status", "says"), [(401, "refuses it"), (403, "refuses it"), (404, "no such file"), (503, "answers 503")]
)
def test_refusals(server: Server, folder: Path, url: str, status: int, says: str) -> None:
    server.refusals = {"/models": (status, "")}
    with pytest.raises(XrayError, match=says):
        pull(url, sha256=SHA256)
    assert not folder.exists()


def test_without_a_connection_the_error_says_what_to_do(folder: Path) -> None:
    with pytest.raises(XrayError, match=r"no connection.*--folder F.*XRAY_WEIGHTS=F"):
        pull("http://127.0.0.1:9/tiny.pth", sha256=SHA256)


def test_a_full_disk_is_said_at_once(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_go_on", full)
    with pytest.raises(XrayError, match=r"cannot write .*: No space left on device"):
        pull(url, sha256=SHA256)


def test_no_query_is_shown_or_kept(server: Server, folder: Path, url: str, capfd: pytest.CaptureFixture[str]) -> None:
    pulled = pull(f"{url}?token=secret", sha256=SHA256)
    assert locate(f"{url}?token=another") == locate(url)
    server.refusals = {"/models": (403, "")}
    with pytest.raises(XrayError) as refused:
        pull(f"{url.replace('tiny', 'other')}?token=secret", sha256=SHA256)
    with pytest.raises(XrayError) as not_there:
        locate(f"{url.replace('tiny', 'other')}?token=secret")
    told = f"{refused.value}{not_there.value}{''.join(capfd.readouterr())}"
    kept = "".join(file.read_text("latin-1") for file in pulled.path.parent.rglob("*") if file.is_file())
    assert "secret" not in told + kept + str(list(folder.rglob("*")))


def test_no_credentials_in_an_address() -> None:
    with pytest.raises(XrayError, match="no credentials in a web address") as caught:
        pull("https://me:secret@example.org/tiny.pth")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "/", "/models/", "/.hidden", "/a%2F..%2Fb"])
def test_an_address_that_names_no_file(path: str) -> None:
    with pytest.raises(XrayError, match="is no address of a file"):
        pull(f"https://example.org{path}")


def test_arguments_that_do_not_belong_together() -> None:
    with pytest.raises(XrayError, match="it has no revision"):
        pull("https://example.org/a.pth", "main")
    with pytest.raises(XrayError, match="a sha256 belongs to a web address"):
        pull("lab/model", sha256=SHA256)
    with pytest.raises(XrayError, match="unknown weights 'sam-vit-hh'; did you mean 'sam-vit-h'"):
        pull("sam-vit-hh")


def test_many_threads_pull_the_same_at_once(server: Server, folder: Path, url: str) -> None:
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(pull(url, sha256=SHA256).manifest.fingerprint)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [SHA256] * 6
    assert ranges(server) == [None]
    assert verify() == {url: []}


def test_machines_whose_locks_do_not_hold(
    server: Server, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import contextlib

    import huggingface_hub.utils

    monkeypatch.setattr(huggingface_hub.utils, "WeakFileLock", lambda _: contextlib.nullcontext())
    monkeypatch.setattr("platform.node", lambda: str(threading.get_ident()))
    got: list[str] = []
    all_at_once = threading.Barrier(4)

    def on_a_machine() -> None:
        all_at_once.wait()
        got.append(pull(url, sha256=SHA256).manifest.fingerprint)

    threads = [threading.Thread(target=on_a_machine) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [SHA256] * 4
    assert verify() == {url: []}
    assert [path.name for path in folder.iterdir()] == [folder_name(url)]
