"""A recipe to start from, for one's own folder of photographs."""

from __future__ import annotations

import json
from pathlib import Path

from xray.core.errors import XrayError
from xray.sources.categories.imagenet1k import categories_called, recipe_line

CHECK = "<- check"
"""Marks the lines of a starter recipe that a person must look at."""

_TEMPLATE = """\
# Every default is shown by `xray plan recipe.yaml RUN` in RUN/recipe.yaml; `xray list scenarios` names the scenarios.
name: {name}
source:
  kind: imagefolder
  root: {root}
  split: unknown     # train | val | test: have pretrained models seen these photographs? the report says so
  licence: unknown
masks:
  annotations: {annotations}
categories:          # the ImageNet-1k indices that count as right, for each folder
{categories}
bad_rows: 0.05       # stop when more than this share of images cannot be made
models: ["lite:efficientnet-lite0"]   # or timm:resnet50, torchvision:vgg16, hf:google/vit-base-patch16-224, …
"""


def starter_recipe(photos: Path, masks: Path | None) -> str:
    """The text of a recipe for a folder of photographs.

    Args:
        photos: with a folder for each category.
        masks: PNG masks laid out alike; None: from the images' alpha channels.

    Folders that are called as no ImageNet class get the nearest ones, marked to be checked.

    Raises:
        XrayError: no such folder, or no folder in it.
    """
    if not photos.is_dir():
        raise XrayError(f"no folder {str(photos)!r}")
    labels = sorted(folder.name for folder in photos.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not labels:
        raise XrayError(f"no folders in {str(photos)!r}: expected {photos}/<category>/photo.jpg")
    lines = [_line(label) for label in labels]
    given = f"{{kind: png, root: {_quoted(str(masks.resolve()))}}}" if masks else "{kind: alpha}"
    return _TEMPLATE.format(
        name=_quoted(photos.resolve().name),
        root=_quoted(str(photos.resolve())),
        annotations=given,
        categories="\n".join(lines),
    )


def _line(label: str) -> str:
    try:
        (category,) = categories_called([label], where="folders")
    except XrayError:
        return f"{recipe_line(label)} {CHECK}"
    return f"  {_quoted(category.name)}: {{indices: {list(category.indices)}, wnids: [{', '.join(category.wnids)}]}}"


def _quoted(text: str) -> str:
    """Text as YAML; JSON's strings are YAML's, too."""
    return json.dumps(text, ensure_ascii=False)
