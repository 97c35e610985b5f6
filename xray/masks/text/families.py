"""Detectors of transformers: Grounding DINO, OWLv2, OMDet-Turbo, SAM 3."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from xray.core.errors import MALFORMED, ConfigError, XrayError, extra
from xray.core.plugins import settings
from xray.core.types import Pixels
from xray.masks.text.detector import Detections, Detector
from xray.models.weights import locate
from xray.models.weights.pretrained import read_model, read_processor


class TransformersDetector(Detector):
    """The base class of detectors in transformers' format; everything runs in float32."""

    classes: ClassVar[Mapping[str, tuple[str, str]]]
    """Names of the model and processor classes, by the `model_type` in config.json."""
    outputs: ClassVar[tuple[str, ...]]
    """The tensors of the output that `objects` needs; the first dimension is the batch."""

    model: str

    def weights(self) -> Mapping[str, str]:
        """See `Detector.weights`."""
        return {"detector": self.model}

    def load(self, device: str) -> TransformersOnDevice:
        """See `Detector.load`."""
        try:
            return TransformersOnDevice(self, device)
        except XrayError:
            raise
        except (RuntimeError, ValueError) as error:  # no such device, out of memory, sizes that do not fit
            first_line = str(error).partition("\n")[0]
            raise ConfigError(f"detector {self.model!r} does not run on {device}: {first_line}") from error

    def text(self, phrase: str) -> Any:
        """Return the processor's argument `text` for a phrase."""
        return phrase

    def objects(self, processor: Any, output: Any, threshold: float, size: tuple[int, int]) -> Mapping[str, Any]:
        """Return the processor's boxes, scores and masks for the output of one photograph of a size (H, W)."""
        (objects,) = processor.post_process_grounded_object_detection(output, threshold=threshold, target_sizes=[size])
        return objects  # type: ignore[no-any-return]


@settings
class GroundingDino(TransformersDetector):
    """Grounding DINO, or MM Grounding DINO.

    Source: Liu et al., "Grounding DINO", 2023; Zhao et al., "An Open and Comprehensive Pipeline for Unified Object
    Grounding and Detection" (MM Grounding DINO), 2024.

    Args:
        model: a name from `xray weights list`, or a folder or hub id in transformers' format.
    """

    name: ClassVar[str] = "grounding-dino"
    summary: ClassVar[str] = "Grounding DINO or MM Grounding DINO"
    classes: ClassVar[Mapping[str, tuple[str, str]]] = {
        "grounding-dino": ("GroundingDinoForObjectDetection", "GroundingDinoProcessor"),
        "mm-grounding-dino": ("MMGroundingDinoForObjectDetection", "GroundingDinoProcessor"),
    }
    outputs: ClassVar[tuple[str, ...]] = ("logits", "pred_boxes", "input_ids")

    model: str = "grounding-dino-tiny"

    def text(self, phrase: str) -> str:
        """Return the phrase in lower case and with a final full stop, as in the training.

        >>> GroundingDino().text("Arabian camel")
        'arabian camel.'
        """
        return phrase.lower().replace(".", " ").strip() + "."


@settings
class Owlv2(TransformersDetector):
    """OWLv2; its scores are low, so that thresholds of 0.1–0.3 are usual.

    Source: Minderer, Gritsenko and Houlsby, "Scaling Open-Vocabulary Object Detection", 2023.

    Args:
        model: a name from `xray weights list`, or a folder or hub id in transformers' format.
    """

    name: ClassVar[str] = "owlv2"
    summary: ClassVar[str] = "OWLv2"
    classes: ClassVar[Mapping[str, tuple[str, str]]] = {"owlv2": ("Owlv2ForObjectDetection", "Owlv2Processor")}
    outputs: ClassVar[tuple[str, ...]] = ("logits", "pred_boxes")

    model: str = "owlv2-base"

    def text(self, phrase: str) -> list[list[str]]:
        """Return the one query of a photograph."""
        return [[phrase]]


@settings
class OmDetTurbo(TransformersDetector):
    """OMDet-Turbo.

    Source: Zhao et al., "Real-time Transformer-based Open-Vocabulary Detection with Efficient Fusion Head", 2024.

    Args:
        model: a name from `xray weights list`, or a folder or hub id in transformers' format.
    """

    name: ClassVar[str] = "omdet-turbo"
    summary: ClassVar[str] = "OMDet-Turbo"
    classes: ClassVar[Mapping[str, tuple[str, str]]] = {
        "omdet-turbo": ("OmDetTurboForObjectDetection", "OmDetTurboProcessor")
    }
    outputs: ClassVar[tuple[str, ...]] = ("decoder_coord_logits", "decoder_class_logits", "classes_structure")

    model: str = "omlab/omdet-turbo-swin-tiny-hf"

    def text(self, phrase: str) -> list[str]:
        """Return the one class of a photograph."""
        return [phrase]


@settings
class Sam3(TransformersDetector):
    """SAM 3, which segments all objects that a phrase names; `refine: given` keeps its masks.

    Its weights are under Meta's SAM License, and the hub gives them only to those who asked for access.

    Args:
        model: a name from `xray weights list`, or a folder or hub id in transformers' format.
    """

    name: ClassVar[str] = "sam3"
    summary: ClassVar[str] = "SAM 3: boxes and masks; its weights need access"
    gives_masks: ClassVar[bool] = True
    classes: ClassVar[Mapping[str, tuple[str, str]]] = {"sam3": ("Sam3Model", "Sam3Processor")}
    outputs: ClassVar[tuple[str, ...]] = ("pred_boxes", "pred_logits", "pred_masks", "presence_logits")

    model: str = "facebook/sam3"

    def objects(self, processor: Any, output: Any, threshold: float, size: tuple[int, int]) -> Mapping[str, Any]:
        """See `TransformersDetector.objects`."""
        (objects,) = processor.post_process_instance_segmentation(output, threshold=threshold, target_sizes=[size])
        return objects  # type: ignore[no-any-return]


class TransformersOnDevice:
    """A detector in a folder written by `save_pretrained`, on a device; see `LoadedDetector`.

    Photographs of the same size are detected in one batch. None is padded, so that the batch does not change results.
    """

    def __init__(self, detector: TransformersDetector, device: str) -> None:
        self._detector = detector
        model, self._processor = _read(locate(detector.model), detector)
        self._model = model.to(device)
        parameters = round(sum(weight.numel() for weight in model.parameters()) / 1e6, 3)
        self.facts: Mapping[str, Any] = {
            "kind": detector.name,
            "model": detector.model,
            "class": type(model).__name__,
            "parameters_M": parameters,
            "dtype": "float32",
        }

    def prepare(self, image: Pixels, phrase: str) -> dict[str, Any]:
        """See `LoadedDetector.prepare`."""
        from PIL import Image

        text = self._detector.text(phrase)
        encoded = self._processor(images=Image.fromarray(image), text=text, return_tensors="pt")
        limit = getattr(self._processor.tokenizer, "model_max_length", None)
        tokens = encoded["input_ids"].shape[-1] if "input_ids" in encoded else 0
        if limit is not None and tokens > limit:
            raise ConfigError(
                f"masks.annotations: the phrase {phrase!r} has {tokens} tokens, at most {limit} for "
                f"{self._detector.name}; write a shorter one in `phrase` or `phrases`"
            )
        return {name: value for name, value in encoded.items() if name != "original_sizes"}

    def run(self, batch: Sequence[Mapping[str, Any]]) -> list[Any]:
        """See `LoadedDetector.run`."""
        import torch

        by_shape: dict[Any, list[int]] = defaultdict(list)
        for index, one in enumerate(batch):
            by_shape[tuple((name, tuple(tensor.shape)) for name, tensor in one.items())].append(index)
        outputs: dict[int, Any] = {}
        with torch.inference_mode():
            for indices in by_shape.values():
                names = batch[indices[0]].keys()
                joined = {name: torch.cat([batch[index][name] for index in indices]) for name in names}
                output = self._model(**{name: tensor.to(self._model.device) for name, tensor in joined.items()})
                for row, index in enumerate(indices):
                    outputs[index] = SimpleNamespace(
                        **{name: _row(getattr(output, name), row) for name in self._detector.outputs}
                    )
        return [outputs[index] for index in range(len(batch))]

    def finish(self, raw: Any, height: int, width: int, threshold: float) -> Detections:
        """See `LoadedDetector.finish`."""
        objects = self._detector.objects(self._processor, raw, threshold, (height, width))
        masks = objects.get("masks")
        return Detections(
            np.asarray(objects["boxes"], np.float32).reshape(-1, 4),
            np.asarray(objects["scores"], np.float32).reshape(-1),
            None if masks is None else np.asarray(masks, bool).reshape(-1, height, width),
        )


def _row(batch: Any, row: int) -> Any:
    return None if batch is None else batch[row : row + 1].cpu()


def _read(folder: Path, detector: TransformersDetector) -> tuple[Any, Any]:
    """Load the model in a folder, from safetensors only, and its processor."""
    try:
        model_type = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except MALFORMED as error:
        raise ConfigError(f"{str(folder)!r} is no model of transformers: no readable config.json") from error
    if not isinstance(model_type, str) or model_type not in detector.classes:
        choices = ", ".join(detector.classes)
        raise ConfigError(
            f"{str(folder)!r} is no {detector.name}: its model_type is {model_type!r} (choices: {choices})"
        )
    with extra("models"):
        import transformers

    model_class, processor_class = (getattr(transformers, name) for name in detector.classes[model_type])
    return read_model(model_class, folder), read_processor(processor_class, folder)
