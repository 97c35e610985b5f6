from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import write
from support.labelled_photos import EXPECTED


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    for name in EXPECTED:
        write(tmp_path / "photos" / name, jpeg)
    return tmp_path / "photos"
