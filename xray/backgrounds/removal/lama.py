"""Removal by LaMa, a network for large holes, in ONNX format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.onnx import OnnxInpainting, Session, find_onnx_file, open_session
from xray.core.errors import ConfigError, XrayError
from xray.core.plugins import settings
from xray.models.weights import locate


@settings
class Lama(Remover):
    """LaMa fills a crop around the object; it never sees the object itself.

    The crop is scaled to the side of the network, its aspect ratio kept, and padded by its mirror image to a square.
    The network runs on a GPU where onnxruntime-gpu is installed, otherwise on a CPU: see `device` in the records.

    Source: Suvorov et al., "Resolution-robust large mask inpainting with Fourier convolutions", WACV 2022.

    Args:
        model: a name from `xray weights list`, a web address that was pulled, an .onnx file, or a folder with one. The
            network takes RGB, 0 … 1, shape (1, 3, H, W), and a mask, 1 where to fill, shape (1, 1, H, W), and returns
            RGB. The file contains all its tensors.
        dilate: pixels by which the area of the object is enlarged, 0–100, so that its soft rim goes too.
        feather: width in pixels, at most that of `dilate`, of the blended rim within the enlarged area.
        context: share of the area's longer side that the crop adds on each side, 0–4.
    """

    name: ClassVar[str] = "lama"
    summary: ClassVar[str] = "LaMa in ONNX format, with weights, on GPUs or CPUs"
    libraries: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    accelerated: ClassVar[bool] = True

    model: str = "lama"
    dilate: Annotated[int, Field(ge=0, le=100)] = 5
    feather: Annotated[int, Field(ge=0, le=100)] = 3
    context: Annotated[float, Field(ge=0, le=4)] = 0.5

    def weights(self) -> Mapping[str, str]:
        """See `Remover.weights`: the file in a folder, so that its bytes are hashed."""
        try:
            found = locate(self.model)
            return {"lama": str(find_onnx_file(found)) if found.is_dir() else self.model}
        except XrayError:
            return {"lama": self.model}

    def check(self) -> list[str]:
        """See `Remover.check`."""
        self._open("cpu")
        return []

    def load(self, device: str) -> OnnxInpainting:
        """See `Remover.load`."""
        facts = {"remover": self.name, "weights": dict(self.weights())}
        feather = min(self.feather, self.dilate)
        return OnnxInpainting(self._open(device), self.dilate, feather, self.context, facts)

    def _open(self, device: str) -> Session:
        try:
            return open_session(find_onnx_file(locate(self.model)), device)
        except ConfigError as error:
            raise ConfigError(
                f"`remover: lama`: {error}; or write `remover: {{kind: lama, model: path/to/lama.onnx}}`, or use a "
                "remover without weights: patchmatch or telea"
            ) from error
