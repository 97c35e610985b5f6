"""Upload sample photographs from this machine's cache to a run that other machines read."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from xray.core.cache import cache_folder
from xray.core.errors import Rejected
from xray.core.files import exists, read_bytes, write_bytes
from xray.core.uri import base_name, local_path, to_uri
from xray.pipeline.plan.survey import Survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe

_SHA256 = {"uri": "sha256", "mask_uri": "mask_sha256"}


def upload_cache(run: RunFolder, recipe: Recipe, survey: Survey) -> Survey:
    """Copy photographs from this machine's cache into a run in an object store, and return the survey with their URIs.

    Other machines cannot read the cache. The user's own photographs stay where they are, and so does everything if the
    run is in a folder. The source and the backgrounds of the recipe may have caches of their own.
    """
    if local_path(run.uri) is not None:
        return survey
    own = (getattr(part, "cache", None) for part in (recipe.source, recipe.backgrounds))
    caches = tuple(f"{to_uri(cache)}/" for cache in (cache_folder(), *own) if cache is not None)
    with ThreadPoolExecutor(16) as pool:
        source, backgrounds = (_copied(run, table, caches, pool) for table in (survey.source, survey.backgrounds))
    return replace(survey, source=source, backgrounds=backgrounds)


def _copied(run: RunFolder, table: pa.Table, caches: tuple[str, ...], pool: ThreadPoolExecutor) -> pa.Table:
    for column, hashes in _SHA256.items():
        if column in table.column_names:
            copy = functools.partial(_copy, run, caches)
            uris = pool.map(copy, table.column(column).to_pylist(), table.column(hashes).to_pylist())
            index = table.schema.get_field_index(column)
            table = table.set_column(index, table.schema.field(index), pa.array(uris, pa.string()))
    return table


def _copy(run: RunFolder, caches: tuple[str, ...], uri: str | None, sha256: str | None) -> str | None:
    """Copy a cached file into the run and return its URI there; other files keep theirs."""
    if uri is None or not sha256 or not uri.startswith(caches):
        return uri
    copy = run.store.path("photographs", sha256[:16], base_name(uri))
    try:
        if not exists(copy):
            write_bytes(copy, read_bytes(uri))
    except Rejected:  # the survey could not read it either
        return uri
    return copy
