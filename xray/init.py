"""A recipe to start from, for one's own folder of photographs."""

from __future__ import annotations

import json
from pathlib import Path

from xray.categories import Category
from xray.errors import XrayError
from xray.sources.imagefolder import ImageFolder

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

    Raises:
        XrayError: no such folder, or its folders' names say no ImageNet class: names the lines to write.
    """
    if not photos.is_dir():
        raise XrayError(f"no folder {str(photos)!r}")
    categories = ImageFolder(root=str(photos.resolve())).categories()
    lines = [f"  {_quoted(item.name)}: {_entry(item)}" for item in categories]
    given = f"{{kind: png, root: {_quoted(str(masks.resolve()))}}}" if masks else "{kind: alpha}"
    return _TEMPLATE.format(
        name=_quoted(photos.resolve().name),
        root=_quoted(str(photos.resolve())),
        annotations=given,
        categories="\n".join(lines),
    )


def _entry(category: Category) -> str:
    indices = list(category.indices)
    return f"{{indices: {indices}, wnids: [{', '.join(category.wnids)}]}}" if category.wnids else str(indices)


def _quoted(text: str) -> str:
    """Text as YAML; JSON's strings are YAML's, too."""
    return json.dumps(text, ensure_ascii=False)
