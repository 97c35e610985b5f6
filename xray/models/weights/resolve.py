"""Look up what a pull will bring at the hub or the server, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from xray.core.errors import ConfigError, unknown
from xray.models.weights import hub, web
from xray.models.weights.catalog import CATALOG, CatalogEntry
from xray.models.weights.folder import is_hub_id, is_url, without_query
from xray.models.weights.hub import RemoteFile


@dataclass(frozen=True)
class Resolved:
    """The files that a pull will bring, with sizes and hashes as far as known; see `Manifest`.

    Args:
        reference: as requested.
        repo: hub repository, if the weights come from the hub.
        revision: its commit.
        url: address of the file, if it does not come from the hub.
        licence: as the catalogue or the hub names it.
        files: one or more.
        notes: for people, one sentence each.
    """

    reference: str
    repo: str | None
    revision: str | None
    url: str | None
    licence: str | None
    files: tuple[RemoteFile, ...]
    notes: tuple[str, ...] = ()


def resolve(
    reference: str, revision: str | None = None, sha256: str | None = None, files: Sequence[str] = ()
) -> Resolved:
    """Look up what a pull would bring; arguments and errors are those of `pull`."""
    entry = find_entry(reference)
    if entry.url:
        if revision or files:
            raise ConfigError(
                f"{without_query(reference)!r} is one file at a web address: it has no revision, and no files"
            )
        return _resolve_file(reference, entry, entry.url, sha256)
    if sha256:
        raise ConfigError(f"a sha256 belongs to a web address; {reference!r} is pinned by its revision")
    return _resolve_repository(reference, entry, revision, files)


def find_entry(reference: str) -> CatalogEntry:
    """Return the catalogue's entry, or a new one for a hub id or web address."""
    if reference in CATALOG:
        return CATALOG[reference]
    if is_url(reference):
        return CatalogEntry("", "", 0, "", url=reference)
    if is_hub_id(reference):
        return CatalogEntry("", "", 0, "", repo=reference, files=("*",))
    raise ConfigError(f"{unknown('weights', reference, CATALOG)}, a hub id org/name, or a web address")


def _resolve_file(reference: str, entry: CatalogEntry, url: str, sha256: str | None) -> Resolved:
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name or "/" in name or name.startswith("."):
        raise ConfigError(
            f"{without_query(reference)!r} is not the address of a file: its path must end in a file name"
        )
    expected = (sha256 or entry.sha256.get(name, "")).lower() or None
    web.check_address(url, expected)
    size = web.file_size(url, expected, without_query(reference))
    notes = () if expected else ("no hash was given; the hash of the downloaded file is recorded in the manifest",)
    file = RemoteFile(name, size, expected)
    return Resolved(reference, None, None, url, entry.licence or None, (file,), notes)


def _resolve_repository(reference: str, entry: CatalogEntry, revision: str | None, patterns: Sequence[str]) -> Resolved:
    assert entry.repo
    requested = revision or entry.revision
    commit, licence, listed = hub.list_repository(entry.repo, requested, reference)
    by_name = {file.name: file for file in listed}
    names = hub.select_files(by_name, patterns or entry.files)
    hub.check_safe(names, by_name, reference)
    pinned = entry.sha256 if requested == entry.revision else {}
    if not patterns and (missing := sorted(pinned.keys() - set(names))):
        raise ConfigError(f"refused {reference!r}: the hub has no {missing[0]}, which the catalogue pins")
    files = [replace(by_name[name], sha256=pinned.get(name, by_name[name].sha256)) for name in names]
    if altered := [file.name for file in files if by_name[file.name].sha256 not in (None, file.sha256)]:
        raise ConfigError(f"refused {reference!r}: {altered[0]} at the hub is not the one that the catalogue pins")
    notes = () if requested else (f"no revision was given; the newest is {commit}, pinned in the manifest",)
    return Resolved(reference, entry.repo, commit, None, entry.licence or licence, tuple(files), notes)
