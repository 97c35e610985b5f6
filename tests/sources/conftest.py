from __future__ import annotations

import numpy as np
import pytest

from xray.core.images import encode


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small photograph."""
    rows, columns = np.mgrid[:48, :64]
    return encode(np.dstack([rows * 4, columns * 3, rows + columns]).astype(np.uint8), "jpeg", 90)
