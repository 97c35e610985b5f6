"""Photographs that were drawn or unpacked on this machine go along with a run that other machines read."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from xray.core.cache import cache_folder
from xray.core.errors import Rejected
from xray.core.files import exists, read_bytes, write_bytes
from xray.core.uri import local_path, name_of, to_uri
from xray.pipeline.plan.survey import Survey
from xray.runs.plan_files import Planned
from xray.runs.recipe import Recipe

_SHA256 = {"uri": "sha256", "mask_uri": "mask_sha256"}


def gathered(run: Planned, recipe: Recipe, found: Survey) -> Survey:
    """What was found, with copies in the run of what lies in this machine's cache, if the run is in an object store.

    Other machines could not read the cache. Photographs of the user's own stay where they are; so does everything if
    the run is in a folder, which is shared, or on this machine alone.

    Args:
        run: that is planned.
        recipe: whose source and backgrounds may have caches of their own.
        found: by `xray.pipeline.plan.survey.survey`.
    """
    if local_path(run.uri) is not None:
        return found
    own = (getattr(part, "cache", None) for part in (recipe.source, recipe.backgrounds))
    caches = tuple(f"{to_uri(cache)}/" for cache in (cache_folder(), *own) if cache is not None)
    with ThreadPoolExecutor(16) as pool:
        source, backgrounds = (_copied(run, table, caches, pool) for table in (found.source, found.backgrounds))
    return replace(found, source=source, backgrounds=backgrounds)


def _copied(run: Planned, table: pa.Table, caches: tuple[str, ...], pool: ThreadPoolExecutor) -> pa.Table:
    for column, hashes in _SHA256.items():
        if column in table.column_names:
            copy = functools.partial(_copy, run, caches)
            there = pool.map(copy, table.column(column).to_pylist(), table.column(hashes).to_pylist())
            table = _with(table, column, there)
    return table


def _copy(run: Planned, caches: tuple[str, ...], uri: str | None, sha256: str | None) -> str | None:
    """The URI of a file in the run, which is there afterwards; files elsewhere keep theirs."""
    if uri is None or not sha256 or not uri.startswith(caches):
        return uri
    copy = run.path("photographs", sha256[:16], name_of(uri))
    try:
        if not exists(copy):
            write_bytes(copy, read_bytes(uri))
    except Rejected:  # it could not be read when it was looked at, either
        return uri
    return copy


def _with(table: pa.Table, column: str, values: Iterable[str | None]) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(values, pa.string()))
