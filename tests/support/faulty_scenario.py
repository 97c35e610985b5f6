"""A plug-in scenario, named by its import path, that fails on demand: otherwise the photograph as it is.

A fault is a file in the folder `desk` that contains the seed of an image:

    deadly           the worker is killed at that image, as by the out-of-memory killer
    numpy, opencv    that image needs more memory than there is, allocated by either library
    stand            that image never finishes
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from xray.core.plugins import settings
from xray.core.types import Region
from xray.scenarios import Photo, Picture, Scenario


@settings
class Faulty(Scenario):
    """The photograph as it is, unless a fault is ordered; logs every seed to `desk/log`."""

    name: ClassVar[str] = "faulty"
    summary: ClassVar[str] = "fails on demand"

    keeps: ClassVar[Region] = "image"

    desk: str

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        with (Path(self.desk) / "log").open("a") as log:
            log.write(f"{seed}\n")
        if self._is_ordered("deadly", seed):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._is_ordered("numpy", seed):
            np.empty(2**60, np.uint8)
        if self._is_ordered("opencv", seed):
            cv2.resize(photo.image, (2**30, 2**20))
        if self._is_ordered("stand", seed):
            threading.Event().wait()
        return Picture(photo.image, photo.mask)

    def _is_ordered(self, fault: str, seed: int) -> bool:
        path = Path(self.desk) / fault
        return path.exists() and int(path.read_text()) == seed
