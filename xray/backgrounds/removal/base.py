"""The base class of removers: they fill the area of an object with background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xray.core.device import DeviceModel
from xray.core.types import Photo, Pixels, Presets


@dataclass(frozen=True)
class RemovalInput:
    """A photograph whose object is to be removed; the arguments of `Remover.remove`."""

    photo: Photo
    seed: int


class Remover:
    """The base class of removers; a subclass is a `@settings` dataclass with a `name`.

    A remover with weights sets `accelerated`, implements `load` and runs in its own pool. Others implement `remove`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list removers`."""
    accelerated: ClassVar[bool] = False
    caveat: ClassVar[str] = ""
    """A limitation of its backgrounds that the plan and the report state; empty: none."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Libraries besides numpy and OpenCV, by their names on PyPI, whose versions decide its pixels."""
    presets: ClassVar[Presets] = {}

    def weights(self) -> Mapping[str, str]:
        """Return the weights that `load` reads, by role: names, files or folders. The plan stores their hashes."""
        return {}

    def check(self) -> list[str]:
        """Refuse, while planning, what cannot run here; return warnings, one sentence each.

        Raises:
            ConfigError: a library or weights are missing.
        """
        return []

    def load(self, device: str) -> DeviceModel[RemovalInput, Pixels]:
        """Load the weights onto a device and warm up; called once per actor.

        Raises:
            XrayError: the weights are missing, damaged or unsafe.
        """
        raise NotImplementedError

    def remove(self, photo: Photo, seed: int) -> Pixels:
        """Return the photograph without its object.

        Args:
            photo: the photograph and the mask of its object; never written to.
            seed: decides everything random, 0 … 2^63 - 1.

        Returns:
            RGB, uint8, C-contiguous, of the photograph's size. Pixels far from the object are the photograph's own.

        Raises:
            Rejected: background_too_small, removal_failed.
        """
        raise NotImplementedError
