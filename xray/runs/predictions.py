"""The table of predictions, assembled from images and a model's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
