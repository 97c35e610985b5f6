"""The base class of inpainters: they generate a new background around an object from a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from xray.core.device import DeviceModel
from xray.core.types import Photo, Pixels, Presets
from xray.sources.categories.base import Category


@dataclass(frozen=True)
class InpaintRequest:
    """A background to be generated around an object.

    Args:
        photo: the photograph and the mask of its object.
        prompt: a description of the background.
        seed: decides everything random, 0 … 2^63 - 1.
        accepted: indices of ImageNet-1k's classes that are right for the object.
    """

    photo: Photo
    prompt: str
    seed: int
    accepted: tuple[int, ...] = ()


@dataclass(frozen=True)
class InpaintedImage:
    """The result of an inpainter.

    Args:
        image: RGB, uint8, of the photograph's size. The object in it is the inpainter's, not yet the photograph's own.
        nsfw: the verdict of the model's own safety checker; None: it has none.
        notes: reason codes to be recorded, such as `prompt_truncated`.
        recorded: other facts to be recorded with the image, as plain JSON values.
    """

    image: Pixels
    nsfw: bool | None = None
    notes: tuple[str, ...] = ()
    recorded: Mapping[str, Any] = field(default_factory=dict)


class Inpainter:
    """The base class of inpainters; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list painters`."""
    presets: ClassVar[Presets] = {}
    """Named sets of settings, such as those of a few-step model."""

    @property
    def phrase(self) -> str:
        """Its backgrounds in the report, after "the object is on"."""
        return "a generated background"

    @property
    def adversarial(self) -> bool:
        """Whether it misleads a model on purpose; such images are left out of S_robust, regressions and training."""
        return False

    @property
    def needs_removed(self) -> bool:
        """Whether it looks at `photo.removed`, the photograph without its object."""
        return False

    def weights(self) -> Mapping[str, str]:
        """Return what `load` reads, by role: names, folders or files of weights. The plan records their hashes."""
        raise NotImplementedError

    def check(self, prompts: Sequence[str]) -> list[str]:
        """Refuse, while planning, what cannot be inpainted.

        Args:
            prompts: all prompts of the plan.

        Returns:
            Warnings, one sentence each.

        Raises:
            ConfigError: weights are missing or are no pipeline, or a prompt is too long.
        """
        raise NotImplementedError

    def check_models(self, models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
        """Refuse, while planning, categories that cannot be inpainted; return notes on models, one sentence each.

        Args:
            models: model strings to be evaluated, by name.
            categories: of the run.

        Raises:
            ConfigError: a category cannot be inpainted with these settings.
        """
        return []

    def load(self, device: str) -> DeviceModel[InpaintRequest, InpaintedImage]:
        """Load the weights to a device and warm them up, once per actor.

        Args:
            device: `cpu`, `cuda` or `cuda:<number>`.

        Raises:
            ConfigError: weights are missing, damaged, or not safe.
        """
        raise NotImplementedError
