"""Check the matching of photographs and annotations: one annotation, one photograph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from xray.core.parts import split_uri
from xray.core.schema import SOURCE
from xray.core.uri import base_name, short_name
from xray.masks import Annotations
from xray.sources.image_names import roboflow_original

_MAX_NAMES = 5


def match_masks(source: pa.Table, annotations: Annotations) -> tuple[pa.Table, list[str]]:
    """Correct the matching of photographs (SOURCE) and mask files, and return notes on what was corrected or is left.

    - Files that are masks of other photographs are no photographs.
    - A mask file that several photographs match belongs to none of them.
    - A photograph cannot be its own mask.
    """
    source, masks = _without_masks(source)
    source, shared = _without_shared(source)
    notes = [*masks, *shared, *_copies(source), *_in_several_categories(source), *_versions(source)]
    if annotations.separate:
        notes += _unmatched(source)
    return source, [*notes, *annotations.notes()]


def _without_masks(source: pa.Table) -> tuple[pa.Table, list[str]]:
    """Leave out the photographs that are masks of others."""
    uri, mask = source["uri"], source["mask_uri"]
    own = pc.fill_null(pc.equal(uri, mask), False)
    masks = _separate(mask.filter(pc.and_(pc.is_valid(mask), pc.invert(own))))
    of_others = pc.is_in(uri, value_set=masks)
    kept, left_out = source.filter(pc.invert(of_others)), uri.filter(of_others).to_pylist()
    itself = pc.fill_null(pc.equal(kept["uri"], kept["mask_uri"]), False)
    notes = []
    if left_out:
        notes.append(f"{len(left_out):,} files are masks of others and not taken as photographs: {_names(left_out)}")
    if own_masks := kept["uri"].filter(itself).to_pylist():
        notes.append(f"{len(own_masks):,} photographs would be their own masks and get none: {_names(own_masks)}")
    return _without_mask(kept, itself), notes


def _without_shared(source: pa.Table) -> tuple[pa.Table, list[str]]:
    """Remove masks that several photographs match; annotations within a larger file are only noted."""
    several = _repeated(_separate(source["mask_uri"]))
    if not len(several):
        return source, []
    affected = pc.is_in(source["mask_uri"], value_set=several)
    joined = pc.fill_null(pc.match_substring(source["mask_uri"], " "), False)
    if pc.any(joined).as_py():
        shared_parts = {*several.to_pylist()}
        uris = source["mask_uri"].to_pylist()
        affected = pa.chunked_array([[uri is not None and not shared_parts.isdisjoint(split_uri(uri)) for uri in uris]])
    names = _names(source["uri"].filter(affected).to_pylist())
    inline = pc.fill_null(pc.starts_with(source["mask_uri"], "data:"), False)
    shared = pc.and_(affected, pc.invert(inline))
    note = f"{pc.sum(affected).as_py():,} photographs share an annotation with another: {names}"
    if pc.any(shared).as_py():
        note += ". They get none: name the masks like the photographs, in the same folders"
    return _without_mask(source, shared), [note]


def _copies(source: pa.Table) -> list[str]:
    """Return a note on different photographs whose mask files have the same bytes."""
    repeated = _repeated(source["mask_sha256"])
    if not len(repeated):
        return []
    rows = source.select(["uri", "sha256", "mask_sha256"]).filter(pc.is_in(source["mask_sha256"], value_set=repeated))
    photos = rows.group_by("mask_sha256").aggregate([("sha256", "count_distinct")])
    alike = photos.filter(pc.greater(photos["sha256_count_distinct"], 1))["mask_sha256"].combine_chunks()
    names = rows["uri"].filter(pc.is_in(rows["mask_sha256"], value_set=alike)).to_pylist()
    total = len(source) - source["mask_sha256"].null_count
    return [f"{len(names):,} of {total:,} masks are copies of others: {_names(names)}"] if names else []


def _in_several_categories(source: pa.Table) -> list[str]:
    """Return a note on photographs with the same bytes in different categories."""
    repeated = _repeated(source["sha256"].filter(pc.not_equal(source["sha256"], "")))
    if not len(repeated):
        return []
    rows = source.select(["uri", "sha256", "category"]).filter(pc.is_in(source["sha256"], value_set=repeated))
    groups = rows.group_by("sha256").aggregate([("category", "count_distinct")])
    several = groups.filter(pc.greater(groups["category_count_distinct"], 1))["sha256"].combine_chunks()
    names = rows["uri"].filter(pc.is_in(rows["sha256"], value_set=several)).to_pylist()
    return [f"{len(names):,} photographs are the same in several categories: {_names(names)}"] if names else []


def _versions(source: pa.Table) -> list[str]:
    """Return a note on files that augmentation made of the same photograph."""
    versions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for uri, category in zip(source["uri"].to_pylist(), source["category"].to_pylist(), strict=True):
        if ".rf." in uri and (original := roboflow_original(base_name(uri).rpartition(".")[0])) is not None:
            versions[category, original].append(uri)
    several = [uris for uris in versions.values() if len(uris) > 1]
    if not several:
        return []
    return [
        f"{sum(map(len, several)):,} files are copies of {len(several):,} photographs, as augmentation by Roboflow "
        f"makes them (`.rf.`): {_names(several[0])}. They count as different photographs, so intervals are too "
        "narrow, and folds train on what they test: keep one file of each, or export a version without augmentation"
    ]


def _separate(uris: pa.ChunkedArray) -> pa.Array:
    """Return URIs one by one, also those that are joined (see `xray.core.parts`)."""
    return pc.list_flatten(pc.split_pattern(uris.drop_null().combine_chunks(), " "))


def _repeated(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    counts = pc.value_counts(values.drop_null())
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def _unmatched(source: pa.Table) -> list[str]:
    """Return a note on photographs without any annotation."""
    lengths = [pc.equal(pc.list_value_length(source[name]), 0) for name in ("boxes", "points")]
    without = pc.and_(pc.is_null(source["mask_uri"]), pc.and_(*lengths))
    names = source["uri"].filter(pc.fill_null(without, True)).to_pylist()
    if not names:
        return []
    return [f"{len(names):,} of {len(source):,} photographs have no annotation: {_names(names)}"]


def _without_mask(source: pa.Table, affected: pa.ChunkedArray) -> pa.Table:
    for name in ("mask_uri", "mask_sha256"):
        column = pc.if_else(affected, pa.scalar(None, SOURCE.field(name).type), source[name])
        source = source.set_column(source.schema.get_field_index(name), SOURCE.field(name), column)
    return source


def _names(uris: Sequence[str]) -> str:
    more = f" and {len(uris) - _MAX_NAMES:,} more" if len(uris) > _MAX_NAMES else ""
    return ", ".join(map(short_name, uris[:_MAX_NAMES])) + more
