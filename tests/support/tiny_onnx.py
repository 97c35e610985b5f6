"""Tiny inpainting networks in ONNX format, with the interface of exported LaMa."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def tiny_lama(file: Path, *, side: int | str = 64, colour: float = 0.8, top: float = 255.0, **change: Any) -> Path:
    """Write a network that fills the hole with one grey, and keeps the rest: image·(1-mask) + colour·mask, times `top`.

    `change`: `channels` of the image, `type` of the inputs, `inputs` (how many there are), `external` tensors.
    """
    kind = change.get("type", TensorProto.FLOAT)
    shapes = {"image": [1, change.get("channels", 3), side, side], "mask": [1, 1, side, side]}
    names = list(shapes)[: change.get("inputs", 2)]
    inputs = [helper.make_tensor_value_info(name, kind, shapes[name]) for name in names]
    output = helper.make_tensor_value_info("output", kind, shapes["image"])
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = {"one": 1.0, "colour": colour, "top": top}
    tensors = [numpy_helper.from_array(np.full((1, 1, 1, 1), value, dtype), name) for name, value in constants.items()]
    nodes = [
        helper.make_node("Sub", ["one", names[-1]], ["kept"]),
        helper.make_node("Mul", ["image", "kept"], ["outside"]),
        helper.make_node("Mul", ["colour", names[-1]], ["inside"]),
        helper.make_node("Add", ["outside", "inside"], ["both"]),
        helper.make_node("Mul", ["both", "top"], ["output"]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    external = {"save_as_external_data": True, "location": "tensors", "size_threshold": 0}
    onnx.save(model, file, **(external if change.get("external") else {}))
    return file
