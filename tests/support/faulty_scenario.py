"""A scenario that fails as machines fail: the photograph as it is, unless an order lies in its `desk`.

It is a plug-in that recipes name by its import path, as those of any package. An order is a file that holds the seed of
the picture that it is about:

    deadly      the worker is killed over that picture each time, as a machine without memory does it
    numpy, opencv    that picture takes more memory than there is, by either's allocation
    stand       that picture is never done
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
from xray.scenarios import Photo, Picture, Scenario


@settings
class Faulty(Scenario):
    """The photograph as it is, where nobody orders otherwise; what it begins is written to the desk's `log`."""

    name: ClassVar[str] = "faulty"
    summary: ClassVar[str] = "fails to order"

    desk: str

    @property
    def keeps(self) -> Any:
        return "image"

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        with (Path(self.desk) / "log").open("a") as log:
            log.write(f"{seed}\n")
        if self._ordered("deadly", seed):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._ordered("numpy", seed):
            np.empty(2**60, np.uint8)
        if self._ordered("opencv", seed):
            cv2.resize(photo.image, (2**30, 2**20))
        if self._ordered("stand", seed):
            threading.Event().wait()
        return Picture(photo.image, photo.mask)

    def _ordered(self, order: str, seed: int) -> bool:
        path = Path(self.desk) / order
        return path.exists() and int(path.read_text()) == seed
