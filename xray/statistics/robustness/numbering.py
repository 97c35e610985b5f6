"""Numbers of the groups that rows belong to; where columns are categories, no texts are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.intp]
_DENSE = 8
"""Most possible groups for each row that are counted one by one; more are sorted."""


def codes_of(column: pd.Series) -> tuple[NDArray[np.integer[Any]], pd.Index]:
    """Return the number of each value, and the values in their order; those of categories may include unused ones.

    Args:
        column: without empty cells.
    """
    if isinstance(column.array, pd.Categorical):
        return np.asarray(column.array.codes), column.array.categories
    codes_N, values = pd.factorize(column, sort=True)
    return codes_N, pd.Index(values)


def numbered(table: pd.DataFrame, names: Sequence[str]) -> tuple[Codes, pd.DataFrame]:
    """Number the groups of rows that agree in some columns, as `groupby` sorts them.

    Args:
        table: without empty cells in these columns.
        names: of the columns; at least one.

    Returns:
        The group of each row, 0 … G − 1, and the values of each group, one row each.

    >>> codes, groups = numbered(pd.DataFrame({"model": ["b", "a", "b"], "fold": [0, 0, 0]}), ["model", "fold"])
    >>> codes.tolist(), groups.values.tolist()
    ([1, 0, 1], [['a', 0], ['b', 0]])
    """
    parts = [codes_of(table[name]) for name in names]
    sizes = [max(1, len(values)) for _, values in parts]
    key_N = parts[0][0].astype(np.intp)
    for (codes_N, _), size in zip(parts[1:], sizes[1:], strict=True):
        key_N *= size
        key_N += codes_N
    code_N, key_G = _renumbered(key_N, int(np.prod(sizes)))
    places = np.unravel_index(key_G, sizes)
    columns = {name: values.take(place) for name, (_, values), place in zip(names, parts, places, strict=True)}
    return code_N, pd.DataFrame(columns)


def all_differ(key_N: Codes, size: int) -> bool:
    """Return whether no number, 0 … size − 1, is there twice; False if that would take much memory to say."""
    if size < len(key_N) or size > _DENSE * len(key_N):
        return False
    seen = np.zeros(size, np.bool_)
    seen[key_N] = True
    return int(np.count_nonzero(seen)) == len(key_N)


def _renumbered(key_N: Codes, size: int) -> tuple[Codes, Codes]:
    """Return the rank of each number among those that occur, and these, in order."""
    if size > _DENSE * len(key_N):
        key_G, code_N = np.unique(key_N, return_inverse=True)
        return code_N, key_G
    seen = np.zeros(size, np.bool_)
    seen[key_N] = True
    key_G = np.flatnonzero(seen)
    if len(key_G) == size:
        return key_N, key_G
    return (np.cumsum(seen) - 1)[key_N], key_G
