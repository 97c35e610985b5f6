"""The table of predictions, assembled from images and a model's outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from xray.core.schema import PREDICTIONS


def predictions_table(images: pa.Table, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> pa.Table:
    """Build PREDICTIONS of N images.

    Args:
        images: N rows; `sample_id`, `image_id`, `category`, `scenario` and `variant` are taken from here unless
            `columns` has them.
        columns: the other columns, each of length N; those that are missing become null.
    """
    null = pa.nulls(len(images))
    arrays = [
        pa.array(list(columns[field.name]), field.type)
        if field.name in columns
        else images.column(field.name)
        if field.name in images.column_names
        else null.cast(field.type)
        for field in PREDICTIONS
    ]
    return pa.table(arrays, schema=PREDICTIONS)


def names_donor(
    top1: Iterable[int], donors: Iterable[str | None], accepted: Mapping[str, Collection[int]]
) -> list[bool | None]:
    """Return whether each answer is accepted for the category of the image's donor; None without such a category.

    Args:
        top1: indices of the most probable classes, N.
        donors: categories of the donors, N; None: no donor, or of no category.
        accepted: accepted indices by category.

    >>> names_donor([3, 4, 4], ["fox", "fox", None], {"fox": (3, 5)})
    [True, False, None]
    """
    return [
        int(answer) in accepted[donor] if donor is not None and donor in accepted else None
        for answer, donor in zip(top1, donors, strict=True)
    ]
