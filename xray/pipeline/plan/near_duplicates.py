"""Note photographs that look like near-duplicates, and list them for people who decide which belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.core import schema
from xray.core.files import exists, write_bytes
from xray.core.perceptual_hash import HASH_BYTES, bit_distance, similar
from xray.core.uri import join, short_name, to_uri
from xray.runs.groups import Groups
from xray.runs.recipe import Recipe
from xray.sources.base import join_names

FILE = "near_duplicates.csv"
"""In the run's folder: a table for `groups`."""
_COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("image_id", "group", "photograph", "category")),
        ("bits", pa.int64()),
    ]
)
_EXAMPLES = 3


def near_duplicates(source: pa.Table) -> pa.Table:
    """Find photographs that look nearly the same: scaled, encoded again, brighter, or cropped by a few percent.

    They may be different photographs of one scene, or not belong together at all: people decide. Photographs that are
    copies of each other alone are not listed.

    Args:
        source: photographs (SOURCE).

    Returns:
        A row per photograph: `image_id`; `group`, the first one that its near-duplicates have already, or else the
        `image_id` of the first of them; `photograph`, the name of its file; `category`; `bits`, of 256, that differ
        from the first.
    """
    known = pc.equal(pc.binary_length(source["perceptual_hash"]), HASH_BYTES)
    hashed = source.filter(pc.and_(pc.equal(source["status"], schema.OK), known))
    numbers = similar(_bytes_of(hashed["perceptual_hash"]))
    listed = np.flatnonzero(np.bincount(numbers)[numbers] > 1)
    columns = ("image_id", "group", "uri", "category", "sha256", "perceptual_hash")
    images, groups, uris, categories, files, hashes = (hashed[name].take(listed).to_pylist() for name in columns)
    alike: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(numbers[listed].tolist()):
        alike[number].append(row)
    rows = [
        {
            "image_id": images[row],
            "group": next((groups[other] for other in some if groups[other]), images[some[0]]),
            "photograph": short_name(uris[row]),
            "category": categories[row],
            "bits": bit_distance(hashes[row], hashes[some[0]]),
        }
        for some in alike.values()
        if len({files[row] for row in some}) > 1
        for row in some
    ]
    return pa.Table.from_pylist(rows, _COLUMNS)


def _bytes_of(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """Return hashes as numbers, shape (N, 32)."""
    parts = [np.empty((0, HASH_BYTES), np.uint8)]
    for chunk in column.cast(pa.binary(HASH_BYTES)).chunks:
        if len(chunk):
            first, last = HASH_BYTES * chunk.offset, HASH_BYTES * (chunk.offset + len(chunk))
            parts.append(np.frombuffer(chunk.buffers()[1], np.uint8)[first:last].reshape(-1, HASH_BYTES))
    return np.concatenate(parts)


def near_duplicate_notes(found: pa.Table, groups: Groups, recipe: Recipe) -> list[str]:
    """Note near-duplicates that no group holds together yet.

    Args:
        found: as `near_duplicates` returns them.
        groups: of the photographs that are not alone, by id.
        recipe: with or without `groups`.
    """
    names = dict(zip(found["image_id"].to_pylist(), found["photograph"].to_pylist(), strict=True))
    alike = _by_group(found)
    apart = [images for images in alike.values() if len({groups.get(image, image) for image in images}) > 1]
    if not apart:
        return []
    number, noun = sum(map(len, apart)), "group" if len(apart) == 1 else "groups"
    examples = join_names((" ~ ".join(names[image] for image in images[:_EXAMPLES]) for images in apart), _EXAMPLES)
    use = f"copy it beside the recipe and write `groups: {FILE}`"
    if recipe.groups is not None:
        use = f"add its rows to {recipe.groups.file}"
    return [
        f"{number:,} photographs look like near-duplicates of others ({len(apart):,} {noun}): {examples}. "
        f"{FILE} in the run lists them; to keep them together, {use}, without the rows that do not belong together"
    ]


def _by_group(found: pa.Table) -> Mapping[str, list[str]]:
    alike: dict[str, list[str]] = defaultdict(list)
    for image, group in zip(found["image_id"].to_pylist(), found["group"].to_pylist(), strict=True):
        alike[group].append(image)
    return alike


def write_near_duplicates(run: str, found: pa.Table, recipe: Recipe) -> None:
    """Write the list into a run's folder (URI); not over the one that the recipe's groups are read from."""
    uri = join(run, FILE)
    if recipe.groups is not None and "://" not in recipe.groups.file and to_uri(recipe.groups.file) == uri:
        return
    if len(found) or exists(uri):
        from xray.statistics.regression.tables_text import (
            safe_csv,  # imports pandas and more, which most plans need not
        )

        write_bytes(uri, safe_csv(found.to_pandas()).encode())
