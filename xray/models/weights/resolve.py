"""What a pull will bring: looked up at the hub or the server, before anything is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from xray.core.errors import XrayError, unknown
from xray.models.weights import download, hub
from xray.models.weights.catalog import KNOWN, Known
from xray.models.weights.folder import is_hub_id, is_url, shown
from xray.models.weights.hub import Remote


@dataclass(frozen=True)
class Offer:
    """What a pull will bring.

    Args:
        reference: as it was asked for.
        repo: at the hub, if it comes from there.
        revision: its commit.
        url: of the file, if it does not come from the hub.
        licence: as the registry or the hub names it.
        files: with what is known of them.
        remarks: what people should know, one sentence each.
    """

    reference: str
    repo: str | None
    revision: str | None
    url: str | None
    licence: str | None
    files: tuple[Remote, ...]
    remarks: tuple[str, ...] = ()


def offered(reference: str, revision: str | None = None, sha256: str | None = None, files: Sequence[str] = ()) -> Offer:
    """Look up what a pull would bring; the arguments are those of `pull`.

    Raises:
        XrayError: an unknown name, not there, not allowed, no connection, only pickles, or not what the registry pins.
    """
    known = entry(reference)
    if known.url:
        if revision or files:
            raise XrayError(f"{shown(reference)!r} is one file at a web address: it has no revision, and no files")
        return _offered_file(reference, known, sha256)
    if sha256:
        raise XrayError(f"a sha256 belongs to a web address; {reference!r} is pinned by its revision")
    return _offered_repository(reference, known, revision, files)


def entry(reference: str) -> Known:
    """The registry's entry, or one made up for a hub id or web address.

    Raises:
        XrayError: it is none of these.
    """
    if reference in KNOWN:
        return KNOWN[reference]
    if is_url(reference):
        return Known("", "", 0, "", url=reference)
    if is_hub_id(reference):
        return Known("", "", 0, "", repo=reference, files=("*",))
    raise XrayError(f"{unknown('weights', reference, KNOWN)}; a hub id org/name or a web address will do as well")


def _offered_file(reference: str, known: Known, sha256: str | None) -> Offer:
    assert known.url
    name = unquote(urlsplit(known.url).path.rpartition("/")[2])
    if not name or "/" in name or name.startswith("."):
        raise XrayError(f"{shown(reference)!r} is no address of a file: its path must end in the file's name")
    expected = (sha256 or known.sha256.get(name, "")).lower() or None
    download.check_address(known.url, expected)
    remarks = () if expected else ("its hash was not known beforehand; the one of what came is now in the manifest",)
    remote = Remote(name, download.size(known.url, expected, shown(reference)), expected)
    return Offer(reference, None, None, known.url, known.licence or None, (remote,), remarks)


def _offered_repository(reference: str, known: Known, revision: str | None, files: Sequence[str]) -> Offer:
    assert known.repo
    asked = revision or known.revision
    there = hub.repository(known.repo, asked, reference)
    by_name = {file.name: file for file in there.files}
    names = hub.chosen(by_name, files or known.files)
    hub.check_safe(names, by_name, reference)
    pinned = known.sha256 if asked == known.revision else {}
    if not files and (missing := sorted(pinned.keys() - set(names))):
        raise XrayError(f"refused {reference!r}: the hub has no {missing[0]}, which the registry pins")
    for name in names:
        told, expected = by_name[name].sha256, pinned.get(name)
        if told and expected and told != expected:
            raise XrayError(f"refused {reference!r}: the hub has another {name} than the registry pins")
    offers = tuple(
        Remote(name, by_name[name].bytes, by_name[name].sha256 or pinned.get(name), by_name[name].blob)
        for name in names
    )
    remarks = () if asked else (f"no revision was named; the newest is {there.commit}, now pinned in the manifest",)
    return Offer(reference, known.repo, there.commit, None, known.licence or there.licence, offers, remarks)
