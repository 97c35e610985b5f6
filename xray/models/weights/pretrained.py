"""Models of transformers and diffusers from local folders: safetensors only, complete, nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.models.weights import refuse_pickles, variant_of


def read_model(cls: Any, folder: Path, **options: Any) -> Any:
    """Read the model in a folder, in evaluation mode, without gradients.

    Args:
        cls: class of transformers or diffusers, with `from_pretrained`.
        folder: as `save_pretrained` writes it.
        options: for `from_pretrained`; `dtype` is float32 by default.

    Raises:
        ConfigError: not found, damaged, only pickles, or incomplete.
    """
    import torch

    refuse_pickles(folder)
    hide_progress_bars()
    try:
        model, report = cls.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            variant=variant_of(folder),
            output_loading_info=True,
            **{"dtype": torch.float32, **options},
        )
    except MALFORMED as error:
        raise unreadable(cls, folder, error) from error
    if unset := unset_weights(report):
        raise ConfigError(
            f"the weights in {str(folder)!r} lack {len(unset)} of {cls.__name__} ({', '.join(unset[:3])})"
        )
    return model.eval().requires_grad_(False)


def unset_weights(report: Any) -> list[str]:
    """Return the sorted names of the weights that transformers would leave random, from its loading report."""
    return sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})


def hide_progress_bars() -> None:
    """Hide the progress bars of transformers: workers share one terminal, which shows the progress of the run."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def read_processor(cls: Any, folder: Path) -> Any:
    """Read the processor in a folder; refuse a missing or damaged one."""
    try:
        return cls.from_pretrained(folder, local_files_only=True)
    except MALFORMED as error:
        raise unreadable(cls, folder, error) from error


def unreadable(cls: Any, folder: Path, error: Exception) -> ConfigError:
    """Return an error that names the class and the folder that could not be read."""
    first_line = problem_of(error).partition("\n")[0]
    return ConfigError(f"cannot read a {cls.__name__} from the folder {str(folder)!r}: {first_line}")
