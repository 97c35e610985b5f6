"""The classifiers that this machine can run without downloading anything."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xray.core.errors import ResourceError, XrayError
from xray.models.lite import Lite
from xray.models.weights.folder import pulled_folders, weights_folder

_DEPTH = 3
"""How deep below a folder its models are looked for."""


@dataclass(frozen=True)
class LocalModel:
    """A classifier whose weights are on this machine.

    Args:
        spec: the model string for a recipe.
        bytes: size of its weights.
        licence: of its weights; empty: unknown.
        origin: where they are, for people.
    """

    spec: str
    bytes: int
    licence: str
    origin: str


def local_models(folder: Path) -> list[LocalModel]:
    """Return the classifiers whose weights are on this machine; nothing is loaded and nothing is downloaded.

    They are in installed packages (`lite:`), in the caches of Hugging Face and torch, in xray's folder of weights, and
    in a folder with models of one's own.

    Args:
        folder: with folders that timm or transformers saved, up to three levels deep.

    Raises:
        ResourceError: torch or timm is not installed, so no model can be run.
    """
    for library in ("torch", "timm"):
        if importlib.util.find_spec(library) is None:
            raise ResourceError(f"{library} is not installed: pip install 'xray-robustness[models]'")
    return [*_packages(), *_hub_cache(), *_torch_cache(), *_pulled(), *_saved(folder)]


def _packages() -> Iterator[LocalModel]:
    for architecture in Lite.choices():
        model = Lite.parse(architecture)
        try:
            size = model.weights_file().stat().st_size
        except (XrayError, OSError):
            continue
        yield LocalModel(model.title, size, "Apache-2.0", "a Python package")


def _hub_cache() -> Iterator[LocalModel]:
    """Classifiers in the cache of huggingface_hub, which timm and transformers share."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = sorted(scan_cache_dir().repos, key=lambda repository: repository.repo_id)
    except CacheNotFound:
        return
    for repository in repositories:
        for revision in repository.revisions:
            if repository.repo_type == "model" and (family := _family(revision.snapshot_path)):
                spec = _hub_spec(family, repository.repo_id)
                size = sum(file.size_on_disk for file in revision.files)
                yield LocalModel(spec, size, _card_licence(revision.snapshot_path), "the cache of Hugging Face")
                break


def _hub_spec(family: str, repo: str) -> str:
    """Return the model string of a repository on the hub.

    >>> _hub_spec("timm", "timm/resnet50.a1_in1k"), _hub_spec("timm", "me/net"), _hub_spec("hf", "google/vit")
    ('timm:resnet50.a1_in1k', 'timm:hf-hub:me/net', 'hf:google/vit')
    """
    if family == "timm":
        return f"timm:{repo.removeprefix('timm/')}" if repo.startswith("timm/") else f"timm:hf-hub:{repo}"
    return f"hf:{repo}"


def _torch_cache() -> Iterator[LocalModel]:
    """Classifiers in the cache of torch.hub, under the file names of torchvision's weights."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    folder = Path(home).expanduser() / "hub/checkpoints"
    files = {path.name: path for path in folder.glob("*.pth")}
    if not files or importlib.util.find_spec("torchvision") is None:
        return
    from torchvision import models

    for architecture in models.list_models(module=models):
        for version in models.get_model_weights(architecture):
            path = files.get(Path(urlsplit(version.url).path).name)
            if path is not None:
                spec = f"torchvision:{architecture}.{version.name}"
                yield LocalModel(spec, path.stat().st_size, "", "the cache of torch")


def _pulled() -> Iterator[LocalModel]:
    for path, manifest in pulled_folders(weights_folder()):
        if _family(path):
            yield LocalModel(str(path), manifest.bytes, manifest.licence or "", "the folder of xray weights")


def _saved(folder: Path) -> Iterator[LocalModel]:
    for path in _folders(folder, _DEPTH):
        if _family(path):
            size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
            yield LocalModel(str(path.absolute()), size, _card_licence(path), "a folder of your own")


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yield a folder and those below it, without hidden ones and links."""
    yield folder
    try:
        entries = sorted(folder.iterdir()) if depth else []
    except OSError:
        return
    for path in entries:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _folders(path, depth - 1)


def _family(folder: Path) -> str | None:
    """Return `timm` or `hf` if a folder holds a classifier that one of them saved, with its weights."""
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or not any(folder.glob("*.safetensors")):
        return None
    if isinstance(config.get("architecture"), str):
        return "timm"
    names = config.get("architectures")
    names = names if isinstance(names, list) else []
    return "hf" if any(str(name).endswith("ForImageClassification") for name in names) else None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _card_licence(folder: Path) -> str:
    """Return the licence in the front matter of a model card; empty if there is none."""
    try:
        lines: Iterable[str] = (folder / "README.md").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), "")
