"""What the mask tests share: an image, an image that lies on its side, and masks in both positions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny_sam import tiny_sam2_folder, tiny_sam_checkpoint, tiny_sam_folder

from xray.core.images import Decoded, decode
from xray.masks import Mask

HEIGHT, WIDTH = 40, 60


@pytest.fixture(scope="session")
def mask() -> Mask:
    """An L, so that no turn or flip maps it to itself."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:30, 10:20] = True
    mask[25:30, 10:40] = True
    return mask


@pytest.fixture(scope="session")
def photo() -> Decoded:
    return Decoded(np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, ())


@pytest.fixture(scope="session")
def turned(mask: Mask) -> tuple[Decoded, Mask]:
    """A JPEG with EXIF orientation 6, decoded, and the mask on its stored pixels (width and height swapped)."""
    stored = np.ascontiguousarray(np.rot90(mask))  # orientation 6: turned 90° clockwise to be upright
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
def sam_checkpoint(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam_checkpoint(tmp_path_factory.mktemp("sam") / "sam_tiny.pth")


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam_folder(tmp_path_factory.mktemp("sam_folder"))


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam2_folder(tmp_path_factory.mktemp("sam2_folder"))


@pytest.fixture(scope="session")
def sam2_video_folder(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    return tiny_sam2_folder(tmp_path_factory.mktemp("sam2_video"), video=True)
