"""The base class of guides: at every step, the image so far is moved along the gradient of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from xray.backgrounds.inpainting.base import InpaintRequest
from xray.backgrounds.inpainting.canvas import Canvas
from xray.backgrounds.inpainting.folder_check import check_decoder
from xray.core.types import Mask, Photo, Pixels
from xray.models.weights import locate
from xray.sources.categories.base import Category

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GuideTarget:
    """An image that is being inpainted, as its guide sees it: the photograph's part of the canvas, object included.

    Args:
        photo: the photograph, with its object where it will be in the image.
        accepted: indices of ImageNet-1k's classes that are right.
        canvas: position of the photograph on the canvas.
        kept: RGB, uint8, of the canvas' size; shown where nothing is inpainted.
        inpainted: True where the inpainted image is shown, of the canvas' size.
    """

    photo: Photo
    accepted: tuple[int, ...]
    canvas: Canvas
    kept: Pixels
    inpainted: Mask

    @classmethod
    def of(cls, item: InpaintRequest, canvas: Canvas, shown: Pixels) -> GuideTarget:
        """Return the target of a request; `shown`, of the photograph's size, is shown inside the object."""
        inpainted = canvas.inpaint_mask(item.photo.mask) > 0
        return cls(item.photo, item.accepted, canvas, canvas.scale_and_pad(shown), inpainted)


class LoadedGuide(Protocol):
    """A guide with its weights on a device."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts to record with every image, plain JSON values."""
        ...

    def score(self, images: Sequence[torch.Tensor], targets: Sequence[GuideTarget]) -> torch.Tensor:
        """Return what a positive strength increases, differentiable, shape (N,).

        Args:
            images: RGB, 0–1, each of shape (3, H, W), on the device: the photographs' parts of their canvases.
            targets: of the images.
        """
        ...

    def measure(self, images: Sequence[Pixels], targets: Sequence[GuideTarget]) -> list[dict[str, Any]]:
        """Return what to record of finished images, of the photographs' size, as plain JSON values."""
        ...


class Guide:
    """The base class of guides; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    strength: float
    """Size of the push at each step, relative to the image so far; 0: none, but everything is measured as if."""
    decoder: str | None
    """Folder of a smaller decoder for the gradient."""

    @property
    def adversarial(self) -> bool:
        """Whether it misleads a model on purpose."""
        return False

    @property
    def phrase(self) -> str:
        """What it does to backgrounds, in the report after "a generated background"."""
        raise NotImplementedError

    @property
    def needs_removed(self) -> bool:
        """Whether it looks at the photograph without its object."""
        return False

    def weights(self) -> Mapping[str, str]:
        """Return the local files or folders of weights that it needs, by role."""
        return {} if self.decoder is None else {"decoder": self.decoder}

    def check(self) -> None:
        """Refuse, while planning, what cannot be loaded.

        Raises:
            XrayError: a model or its weights are missing.
        """
        if self.decoder is not None:
            check_decoder(locate(self.decoder))

    def check_models(self, models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
        """Refuse categories that it cannot be used for, and return notes on the models to be evaluated.

        Raises:
            ConfigError: it does not know a category.
        """
        return []

    def load(self, device: str) -> LoadedGuide:
        """Load what it needs to a device, once per actor."""
        raise NotImplementedError

    def shown(self, photo: Photo) -> Pixels:
        """Return what the guide sees inside the object: RGB, uint8, of the photograph's size."""
        return photo.image
