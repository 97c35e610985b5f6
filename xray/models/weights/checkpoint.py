"""Checkpoints: read without running code, load strictly, hash."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
from typing import TYPE_CHECKING

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of
from xray.core.uri import to_uri

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]


def check_exists(location: str) -> None:
    """Refuse a path or URI of weights where there is no file."""
    if not files.exists(to_uri(location)):
        raise ConfigError(f"no weights at {location!r}")


def read_weights(location: str) -> Weights:
    """Read the tensors of a checkpoint by name, on the CPU.

    `.safetensors` holds nothing but tensors; everything else must open with `torch.load(weights_only=True)`, which
    refuses files that would run code.

    Args:
        location: path or URI of a dict of tensors, or of one under the key `state_dict`.

    Raises:
        XrayError: not found, damaged, or not only weights.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        data = files.read_bytes(to_uri(location), None)
        if location.endswith(".safetensors"):
            return safetensors.torch.load(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about pickle protocols
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Rejected as rejected:
        raise ConfigError(f"no weights at {location!r}: {rejected}") from rejected
    except pickle.UnpicklingError as error:
        raise _unsafe(location, error) from error
    except MALFORMED as error:
        first_line = problem_of(error).partition("\n")[0]
        raise ConfigError(f"refused the weights {location!r}: damaged, or not only weights: {first_line}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not (isinstance(state, dict) and state and all(isinstance(value, torch.Tensor) for value in state.values())):
        raise ConfigError(f"refused the weights {location!r}: not a dict of tensors")
    return state


def _unsafe(location: str, error: Exception) -> ConfigError:
    """Return an error that names what a pickle would run; torch's own message advises to run it."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    holds = f"holds {found[1]}" if found else "is damaged, or holds more than tensors"
    return ConfigError(
        f"refused the weights {location!r}: the file {holds}, which opening it could run. Save only the weights: "
        "torch.save(model.state_dict(), 'weights.pth')"
    )


def load_strictly(module: torch.nn.Module, weights: Weights, what: str) -> None:
    """Load weights into a module; every name and shape must agree.

    Raises:
        XrayError: names or shapes differ; lists the first few, and `what`, the name of the network.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    extra = sorted(weights.keys() - expected.keys())
    reshaped = sorted(key for key in expected.keys() & weights.keys() if expected[key].shape != weights[key].shape)
    shapes = [f"{key} is {tuple(weights[key].shape)}, not {tuple(expected[key].shape)}" for key in reshaped]
    problems = [
        f"{len(items)} {kind} ({', '.join(items[:3])}{', …' if len(items) > 3 else ''})"
        for kind, items in (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
        if items
    ]
    if problems:
        raise ConfigError(f"the weights do not fit {what}: {'; '.join(problems)}")
    module.load_state_dict(weights, strict=True)


def weights_sha256(module: torch.nn.Module) -> str:
    """Return the hexadecimal SHA-256 over name, dtype, shape and bytes of all weights and buffers, sorted by name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def weights_unavailable(model: str, error: Exception) -> ConfigError:
    """Return an error that names the model and says how to get weights that cannot be downloaded."""
    if isinstance(error, pickle.UnpicklingError):
        return _unsafe(model, error)
    first_line = str(error).partition("\n")[0] if isinstance(error, OSError | ValueError) else problem_of(error)
    return ConfigError(
        f"cannot load {model!r}: {first_line} — if its weights cannot be downloaded here, load it once on a connected "
        "machine and copy the cache (HF_HOME; for torchvision TORCH_HOME), or name a file "
        "(family:architecture@weights.safetensors) or a folder that timm or transformers saved"
    )
