"""xray.runs.predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from numpy.typing import NDArray

from xray.core.schema import PREDICTIONS

if TYPE_CHECKING:
    pass


def predictions_table(images: pa.Table, told: Mapping[str, Sequence[Any] | NDArray[Any]]) -> pa.Table:
    """PREDICTIONS of some images.

    Args:
        images: with `sample_id`, `image_id`, `category`, `scenario` and `variant`.
        told: the other columns; those of segmenters may be left out.
    """
    nothing = pa.nulls(len(images))
    arrays = [
        pa.array(list(told[field.name]), field.type)
        if field.name in told
        else images.column(field.name)
        if field.name in images.column_names
        else nothing.cast(field.type)
        for field in PREDICTIONS
    ]
    return pa.table(arrays, schema=PREDICTIONS)
