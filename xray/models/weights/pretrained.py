"""Models of transformers from local folders: safetensors only, every weight there, nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xray.core.errors import XrayError
from xray.models.weights import refuse_pickles, variant_of

_DAMAGED = (OSError, ValueError, TypeError, KeyError, RuntimeError)


def read_model(cls: Any, folder: Path, **options: Any) -> Any:
    """The model in a folder, in float32, in evaluation mode, without gradients.

    Args:
        cls: of transformers or diffusers, with `from_pretrained`.
        folder: as `save_pretrained` writes it.
        options: for `from_pretrained`.

    Raises:
        XrayError: not there, damaged, weights only as pickles, or not all of them.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    refuse_pickles(folder)
    # Workers share one terminal, on which the run shows its own progress.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, report = cls.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            variant=variant_of(folder),
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
    except (SafetensorError, *_DAMAGED) as error:
        raise refused(cls, folder, error) from error
    unset = sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})
    if unset:  # transformers would go on with random ones
        raise XrayError(f"the weights in {str(folder)!r} lack {len(unset)} of {cls.__name__} ({', '.join(unset[:3])})")
    return model.eval().requires_grad_(False)


def read_processor(cls: Any, folder: Path) -> Any:
    """The processor in a folder.

    Raises:
        XrayError: not there, or damaged.
    """
    try:
        return cls.from_pretrained(folder, local_files_only=True)
    except _DAMAGED as error:
        raise refused(cls, folder, error) from error


def refused(cls: Any, folder: Path, error: Exception) -> XrayError:
    """An error that names what could not be read, and where."""
    first_line = str(error).partition("\n")[0]
    return XrayError(f"cannot read a {cls.__name__} from the folder {str(folder)!r}: {first_line}")
