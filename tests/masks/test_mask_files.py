from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from xray.core.errors import Rejected
from xray.masks import decode_mask, encode_mask


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_encoding_is_lossless_and_readable_by_others(mask: np.ndarray) -> None:
    data = encode_mask(mask)
    assert decode_mask(data).dtype == bool
    assert np.array_equal(decode_mask(data), mask)
    image = Image.open(io.BytesIO(data))
    assert image.mode == "1"
    assert np.array_equal(np.asarray(image.convert("L")) == 255, mask)


@pytest.mark.parametrize("data", [b"", b"PNG", encode_mask(np.eye(90, dtype=bool))[:30]])
def test_other_bytes_are_rejected(data: bytes) -> None:
    with pytest.raises(Rejected, match="corrupt_mask"):
        decode_mask(data)
