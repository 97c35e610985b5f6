"""Photographs that belong together: those of a named group (a burst, a scene, near-duplicates), and copies of a file.

Folds deal whole groups, donors come from other groups, and intervals are over groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

GROUPED_BY = ("image_id", "group", "sha256")
"""The columns of SOURCE that groups depend on."""

Groups = Mapping[str, str]
"""The group of each photograph, by id; one that is missing is alone."""


def photo_groups(source: pa.Table) -> dict[str, str]:
    """Return the group of each photograph, by id.

    Photographs of the same `group` belong together, and so do those with the same bytes, whatever their `group`; who
    belongs to either of two belongs to both. A photograph alone is its own group.

    Args:
        source: photographs, with the columns `GROUPED_BY` of SOURCE.

    Returns:
        By id the name of the group: the id of its photograph that comes first in the order of ids.

    >>> from xray.core.schema import SOURCE
    >>> bytes_of = {"a": "00", "b": "11", "c": "00", "d": "22"}
    >>> rows = [{"image_id": name, "sha256": sha256} for name, sha256 in bytes_of.items()]
    >>> photo_groups(pa.Table.from_pylist(rows, SOURCE))
    {'a': 'a', 'b': 'b', 'c': 'a', 'd': 'd'}
    """
    shared = shared_groups(source)
    return {image: shared.get(image, image) for image in source["image_id"].to_pylist()}


def shared_groups(source: pa.Table) -> dict[str, str]:
    """Return the groups of the photographs that are not alone, as `photo_groups` does; others take no memory."""
    parent: dict[str, str] = {}

    def root(image: str) -> str:
        while (above := parent.setdefault(image, image)) != image:
            parent[image] = parent[above]
            image = above
        return image

    images = source["image_id"]
    for column in ("group", "sha256"):
        first: dict[str, str] = {}
        for row, value in _repeated(source[column]):
            image = images[row].as_py()
            low, high = sorted((root(first.setdefault(value, image)), root(image)))
            parent[high] = low
    return {image: root(image) for image in sorted(parent)}


def _repeated(column: pa.ChunkedArray) -> Iterator[tuple[int, str]]:
    """Yield the rows whose value others have, too, with the value; no nulls and empty texts."""
    counts = pc.value_counts(column)
    values = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).drop_null()
    for row in pc.indices_nonzero(pc.is_in(column, value_set=values)).to_pylist() if len(values) else ():
        if value := column[row].as_py():
            yield row, value


def members(groups: Groups) -> dict[str, list[str]]:
    """Return the photographs of each group of several, by its name, both in order.

    >>> members({"a": "a", "b": "b", "c": "a"})
    {'a': ['a', 'c']}
    """
    sizes = Counter(groups.values())
    by_group: dict[str, list[str]] = {}
    for image in sorted(image for image, group in groups.items() if sizes[group] > 1):
        by_group.setdefault(groups[image], []).append(image)
    return dict(sorted(by_group.items()))


def join_groups(predictions: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """Return predictions with the column `group`: the group of the photograph, or its id if it has none."""
    import pandas as pd

    images = predictions["image_id"]
    if isinstance(images.array, pd.Categorical):
        names = pd.Index([groups.get(image, image) for image in images.array.categories], dtype="str")
        codes, distinct = pd.factorize(names, sort=True)
        group = pd.Categorical.from_codes(codes[images.array.codes], distinct)
        return predictions.assign(group=group)
    return predictions.assign(group=images.map(groups).astype("str").where(images.isin(groups.keys()), images))


def join_shared_groups(predictions: pd.DataFrame, source: pa.Table) -> pd.DataFrame:
    """Return predictions with the column `group` if any photographs of a run (SOURCE) belong together.

    Without the column each photograph counts as its own group, and statistics are faster.
    """
    groups = shared_groups(source)
    return join_groups(predictions, groups) if groups else predictions


def together(images: Sequence[str], groups: Groups) -> list[tuple[str, ...]]:
    """Return the photographs of each group, in the order in which the first of them comes.

    >>> together(["b", "c", "a"], {"a": "a", "b": "b", "c": "c"}), together(["b", "c", "a"], {"a": "a", "b": "a"})
    ([('b',), ('c',), ('a',)], [('b', 'a'), ('c',)])
    """
    by_group: dict[str, list[str]] = {}
    for image in images:
        by_group.setdefault(groups.get(image, image), []).append(image)
    return [tuple(some) for some in by_group.values()]
