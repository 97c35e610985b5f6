"""Inputs for the tests of masks: the size of the test image, candidates, PNG files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from xray.sources.base import Candidate

HEIGHT, WIDTH = 40, 60


def candidate(key: str, uri: str = "file:///photos/x.jpg", **more: Any) -> Candidate:
    return Candidate(key=key, category="c", uri=uri, **more)


def png(array: np.ndarray, mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(array, mode) if mode else Image.fromarray(array)).save(stream, "PNG")
    return stream.getvalue()
