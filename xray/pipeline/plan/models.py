"""Check, without loading them, that models can be evaluated here, and that trainings can start from their weights."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from xray.core.errors import ConfigError, XrayError, extra
from xray.core.uri import local_path
from xray.models.base import Classifier
from xray.models.registry import is_folder, parse_model
from xray.runs.accepted import accepted_outputs
from xray.sources.categories import Category

_LIBRARIES = {
    "torchvision.models": ("torchvision", "timm", "lite"),
    "timm": ("timm", "lite"),
    "huggingface_hub.hf_api": ("timm", "hf", "smp"),
}
"""Libraries that checks of model families import, in an order in which none imports a later one."""
Result = TypeVar("Result")


def check_models(models: Mapping[str, str], categories: Sequence[Category]) -> list[str]:
    """Check that models can predict here, and have an output for every category.

    On a cluster (`RAY_ADDRESS`), models that are not here are only noted.

    Args:
        models: model strings by name.
        categories: of the run.

    Raises:
        ConfigError: one line for each model that cannot be evaluated.
    """
    found = _ask(models, lambda model: model.check_evaluation())
    problems = []
    for name, labels in found.items():
        if not isinstance(labels, XrayError):
            try:
                accepted_outputs(name, labels, categories)
            except ConfigError as error:
                problems.append(f"`models`: {error}")
    missing = [f"`models: {{{name}: {models[name]!r}}}`: {e}" for name, e in found.items() if isinstance(e, XrayError)]
    return _notes(missing, problems)


def check_pretrained(models: Mapping[str, str]) -> list[str]:
    """Check that the weights that trainings start from can be had here; on a cluster, note which cannot.

    Args:
        models: model strings by name.

    Raises:
        ConfigError: one line for each model whose weights cannot be had.
    """
    found = _ask(models, lambda model: model.check_pretrained())
    return _notes([f"`training: {{pretrained: true}}`: {name}: {e}" for name, e in found.items() if e is not None])


def check_features(models: Mapping[str, str]) -> list[str]:
    """Check that models give features here, for linear probes; on a cluster, note which do not.

    Args:
        models: model strings by name.

    Raises:
        ResourceError: scikit-learn is not installed.
        ConfigError: one line for each model without features.
    """
    with extra("train"):
        importlib.import_module("sklearn")
    found = _ask(models, lambda model: model.check_features())
    alternative = "use `tune: all`, or a classifier with published weights such as lite:efficientnet-lite0"
    return _notes([f"`training: {{tune: head}}`: {name}: {e}; {alternative}" for name, e in found.items() if e])


def _notes(missing: Sequence[str], problems: Sequence[str] = ()) -> list[str]:
    """Refuse problems, and what is missing unless a cluster's machines may have it."""
    if problems or (missing and not os.environ.get("RAY_ADDRESS")):
        raise ConfigError("\n".join([*problems, *missing]))
    return [f"{problem}. The cluster's machines must have it" for problem in missing]


def _ask(models: Mapping[str, str], check: Callable[[Classifier], Result]) -> dict[str, Result | XrayError]:
    """Return what a check of each model returns, or the error that it raises."""
    _import_libraries(models.values())
    with ThreadPoolExecutor(max(len(models), 1)) as pool:  # all wait for servers at once
        return dict(zip(models, pool.map(lambda spec: _checked(spec, check), models.values()), strict=True))


def _import_libraries(specs: Iterable[str]) -> None:
    """Import the libraries of models one by one: imports in several threads find modules that are half initialized."""
    families = {spec.partition(":")[0] for spec in specs}
    for library, users in _LIBRARIES.items():
        if not families.isdisjoint(users):
            with contextlib.suppress(ImportError):  # the check of the model names what is not installed
                importlib.import_module(library)


def _checked(spec: str, check: Callable[[Classifier], Result]) -> Result | XrayError:
    try:
        if is_folder(spec) and (folder := local_path(spec) or Path(spec).expanduser()) and not folder.is_dir():
            raise ConfigError(f"no such folder: {str(folder.absolute())!r}")
        with extra("models"):
            return check(parse_model(spec))
    except XrayError as error:
        return error
