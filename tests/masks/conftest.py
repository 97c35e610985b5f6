"""Fixtures shared by the mask tests: an image, a rotated image, masks in both orientations, tiny SAMs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.mask_inputs import HEIGHT, WIDTH
from support.tiny_sam import tiny_sam2_folder, tiny_sam_folder

from xray.core.images import Decoded, decode
from xray.masks import Mask


@pytest.fixture(scope="session")
def mask() -> Mask:
    """An L, which no rotation or flip maps to itself."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:30, 10:20] = True
    mask[25:30, 10:40] = True
    return mask


@pytest.fixture(scope="session")
def photo() -> Decoded:
    return Decoded(np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, ())


@pytest.fixture(scope="session")
def rotated(mask: Mask) -> tuple[Decoded, Mask]:
    """A decoded JPEG with EXIF orientation 6, and the mask on its stored pixels (width and height swapped)."""
    stored = np.ascontiguousarray(np.rot90(mask))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(stored.astype(np.uint8) * 255).convert("RGB").save(stream, "JPEG", quality=95, exif=exif)
    return decode(stream.getvalue()), stored


@pytest.fixture(scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam_folder(tmp_path_factory.mktemp("sam_folder"))


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam2_folder(tmp_path_factory.mktemp("sam2_folder"))
