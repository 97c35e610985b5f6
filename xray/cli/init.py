"""Write a starter recipe for a folder of photographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xray.cli.output import out
from xray.core.errors import ConfigError, XrayError
from xray.sources.categories.imagenet1k import categories_from_labels, description, recipe_line

CHECK = "<- check"
"""Marks the lines of a starter recipe that the user must check."""

_MAX_MEANING = 90

_TEMPLATE = """\
# `xray plan recipe.yaml RUN` writes all defaults to RUN/recipe.yaml; `xray list scenarios` lists the scenarios.
name: {name}
source:
  kind: imagefolder
  root: {root}
  split: unknown     # train | val | test: have pretrained models seen these photographs? shown in the report
  licence: unknown
masks:
  annotations: {annotations}
categories:          # accepted ImageNet-1k indices for each folder
{categories}
bad_rows: 0.05       # stop if a larger share of the images fails
models: ["lite:efficientnet-lite0"]   # or timm:resnet50, torchvision:vgg16, hf:google/vit-base-patch16-224, …
"""


def init(
    photos: Annotated[Path, typer.Argument(help="A folder of photographs, with a folder for each category.")],
    masks: Annotated[Path | None, typer.Option(help="A folder of PNG masks with the same layout.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the recipe.")] = Path("recipe.yaml"),
) -> None:
    """Write a recipe for your own folder of photographs, to be read and edited."""
    if output.exists():
        raise ConfigError(f"{str(output)!r} exists already; remove it, or choose another name with --output")
    text = starter_recipe(photos, masks)
    output.write_text(text)
    if doubtful := text.count(CHECK):
        out.print(
            f"{doubtful} folder names match no class with certainty; check the lines marked {CHECK!r} in {output}"
        )
    out.print(f"wrote {output}; next: xray pipeline {output} runs/{photos.resolve().name}")


def starter_recipe(photos: Path, masks: Path | None) -> str:
    """Return the text of a recipe for a folder of photographs; without masks, for images with alpha channels.

    Folder names that match no ImageNet class get the nearest classes, marked by `CHECK`.

    Raises:
        ConfigError: the folder is missing or contains no folder.
    """
    if not photos.is_dir():
        raise ConfigError(f"no folder {str(photos)!r}")
    labels = sorted(folder.name for folder in photos.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not labels:
        raise ConfigError(f"no folders in {str(photos)!r}: expected {photos}/<category>/photo.jpg")
    lines = [_line(label) for label in labels]
    given = f"{{kind: png, root: {_quote(str(masks.resolve()))}}}" if masks else "{kind: alpha}"
    return _TEMPLATE.format(
        name=_quote(photos.resolve().name),
        root=_quote(str(photos.resolve())),
        annotations=given,
        categories="\n".join(lines),
    )


def _line(label: str) -> str:
    try:
        (category,) = categories_from_labels([label], where="folders")
    except XrayError:
        return f"{recipe_line(label)} {CHECK}"
    meaning = description(category.indices[0])
    shown = meaning if len(meaning) <= _MAX_MEANING else f"{meaning[:_MAX_MEANING].rpartition(' ')[0]} …"
    mark = f" {CHECK}" if label.isdecimal() else ""
    indices, wnids = list(category.indices), ", ".join(category.wnids)
    return f"  {_quote(category.name)}: {{indices: {indices}, wnids: [{wnids}]}}  # {shown}{mark}"


def _quote(text: str) -> str:
    """Quote text for YAML, of which JSON strings are a part."""
    return json.dumps(text, ensure_ascii=False)
