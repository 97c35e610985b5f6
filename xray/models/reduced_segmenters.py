"""Small segmenters: the library's decoders, narrow, on encoders that are as small as those of `reduced:resnet`."""

from __future__ import annotations

from typing import Any, ClassVar

from xray.errors import XrayError
from xray.models.base import IMAGENET_MEAN, IMAGENET_STD, Loaded, Task, Trainable
from xray.models.head import accepted_side, check_classes
from xray.models.reduced import SIDE, Reduced
from xray.models.segmenter import build_segmenter
from xray.plugins import settings

# ResNet50's bottlenecks, one a stage and a quarter as wide.
_RESNET = ("tu-resnet50", {"layers": (1, 1, 1, 1), "channels": (16, 32, 64, 128), "stem_width": 32})
# Six blocks of 64 channels, on patches of 8 pixels.
_VIT = ("tu-test_vit", {"patch_size": 8})

SEGMENTERS: dict[str, tuple[tuple[str, dict[str, Any]], dict[str, Any]]] = {
    "deeplabv3plus": (_RESNET, {"decoder_channels": 32}),
    "dpt": (_VIT, {"decoder_intermediate_channels": (32, 32, 64, 64), "decoder_fusion_channels": 32}),
    "fpn": (_RESNET, {"decoder_pyramid_channels": 64, "decoder_segmentation_channels": 32}),
    "pspnet": (_RESNET, {"psp_out_channels": 64}),
    "segformer": (("mit_b0", {}), {"decoder_segmentation_channels": 64}),
    "unet": (_RESNET, {"decoder_channels": (48, 32, 16, 8, 8)}),
    "upernet": (_RESNET, {"decoder_channels": 32}),
}
"""Architecture: encoder with its settings, settings of the decoder."""


@settings
class ReducedSegmenter(Reduced):
    """A small segmenter of one of the papers' families.

    Args:
        architecture: such as `fpn`.
    """

    task: ClassVar[Task] = "segmentation"

    def load(self, device: str) -> Loaded:
        """Refuse: there are no weights."""
        raise XrayError(f"reduced:{self.architecture} is a segmenter: segmenters are trained, not loaded")

    def side(self, wanted: int | None = None) -> int:
        """See `Classifier.side`; a multiple of 32."""
        return accepted_side(f"reduced:{self.architecture}", SIDE, wanted, 32)

    def trainable(self, classes: int, side: int | None = None, pretrained: bool = False) -> Trainable:
        """See `Classifier.trainable`; only from scratch."""
        what = f"reduced:{self.architecture}"
        check_classes(classes, what)
        if pretrained:
            raise XrayError(f"{what} has no pretrained weights: it is only trained from scratch")
        chosen = self.side(side)
        (encoder, narrow), decoder = SEGMENTERS[self.architecture]
        module = build_segmenter(self.architecture, encoder, classes, chosen, **narrow, **decoder)
        return Trainable(module, self.task, chosen, IMAGENET_MEAN, IMAGENET_STD, f"{what}, from scratch")
