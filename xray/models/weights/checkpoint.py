"""Weights: read safely, loaded strictly, and known by their hash."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
from typing import TYPE_CHECKING

from xray.core import files
from xray.core.errors import Rejected, XrayError
from xray.core.uri import to_uri

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]

# What torch.load raises on random, truncated and bit-flipped files, beside its own refusals.
_DAMAGED = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def check_exists(location: str) -> None:
    """Refuse a file of weights that is not there.

    Raises:
        XrayError: it is not there.
    """
    if not files.exists(to_uri(location)):
        raise XrayError(f"no weights at {location!r}")


def read_weights(location: str) -> Weights:
    """The tensors of a checkpoint by name, on the CPU.

    `.safetensors` holds nothing but tensors; everything else must open with `torch.load(weights_only=True)`: a file
    that wants to run code is refused.

    Args:
        location: path or URI. A dict of tensors, or one under the key `state_dict`.

    Raises:
        XrayError: not there, damaged, or not only weights.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        data = files.read_bytes(to_uri(location))
        if location.endswith(".safetensors"):
            return safetensors.torch.load(data)
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Rejected as rejected:
        raise XrayError(f"no weights at {location!r}: {rejected}") from rejected
    except (safetensors.SafetensorError, *_DAMAGED) as error:
        first_line = str(error).partition("\n")[0]
        raise XrayError(f"refused the weights {location!r}: damaged, or not only weights: {first_line}") from error
    state = found.get("state_dict", found) if isinstance(found, dict) else found
    if not (isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise XrayError(f"refused the weights {location!r}: not a dict of tensors")
    return state


def load_strictly(module: torch.nn.Module, weights: Weights, what: str) -> None:
    """Give a module exactly these weights.

    Raises:
        XrayError: names or shapes differ; says the first few.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    extra = sorted(weights.keys() - expected.keys())
    reshaped = sorted(key for key in expected.keys() & weights.keys() if expected[key].shape != weights[key].shape)
    shapes = [f"{key} is {tuple(weights[key].shape)}, not {tuple(expected[key].shape)}" for key in reshaped]
    problems = [
        f"{len(said)} {kind} ({', '.join(said[:3])}{', …' if len(said) > 3 else ''})"
        for kind, said in (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        if said
    ]
    if problems:
        raise XrayError(f"the weights do not fit {what}: {'; '.join(problems)}")
    module.load_state_dict(weights, strict=True)


def weights_sha256(module: torch.nn.Module) -> str:
    """SHA-256, hexadecimal, over the weights and buffers in the order of their names: name, dtype, shape, bytes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def not_to_be_had(model: str, error: Exception) -> XrayError:
    """An error that names the model and says how to get weights that cannot be downloaded."""
    first_line = str(error).partition("\n")[0]
    return XrayError(
        f"cannot load {model!r}: {first_line} — if its weights cannot be downloaded here, load it once on a connected "
        "machine and bring the cache (HF_HOME; for torchvision TORCH_HOME), or name a file "
        "(family:architecture@weights.safetensors) or a folder that timm or transformers saved"
    )
