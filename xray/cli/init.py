"""Write a starter recipe for a folder of photographs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.init_masks import MasksBlock, check_masks, masks_block, masks_of_table
from xray.cli.output import out, print_table
from xray.core.errors import ConfigError
from xray.core.text import printable
from xray.core.yaml import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xray.sources.categories.from_labels import CategoryLine

_MAX_ROWS = 40

_TEMPLATE = """\
# `xray plan recipe.yaml RUN` writes all defaults to RUN/recipe.yaml.
name: {name}
source:
{source}
  split: unknown     # train | val | test: have pretrained models seen these photographs? shown in the report
  licence: unknown
{masks}
categories:          # the ImageNet classes that count as right: `xray list categories dog` searches them
{categories}
bad_rows: {bad_rows:<10} # stop if a larger share of the images fails
models: {models}
# scenarios: [original, blur_background, segmented]   # by default all that need no GPU, see `xray list scenarios`
"""
_IMAGENET_MODELS = (
    '["lite:efficientnet-lite0"]   # or timm:resnet50, torchvision:vgg16, hf:google/vit-base-patch16-224, …'
)
_NO_MODELS = "[]   # add models of your own: ImageNet models cannot be asked about {}"


def init(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTOS", help="A folder of photographs, with a folder for each category; or of Parquet files."
        ),
    ],
    masks: Annotated[Path | None, typer.Option(help="A folder of PNG masks with the same layout.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="A file that says the categories (COCO, VOC, CSV, …), if no folders do; found by itself."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the recipe.")] = Path("recipe.yaml"),
) -> None:
    """Write a recipe for your own folder of photographs, to be read and edited."""
    if output.exists():
        raise ConfigError(f"{str(output)!r} exists already; remove it, or choose another name with --output")
    from xray.core.uri import check_utf8, to_uri
    from xray.sources.base import join_names
    from xray.sources.categories.from_labels import category_lines
    from xray.sources.layout import inner_classes

    for path in filter(None, (photos, masks)):
        check_utf8(path.absolute())
    tables = masks is None and labels is None and has_tables(photos)
    if not photos.is_dir() and not tables:
        raise ConfigError(f"no folder {str(photos)!r}")
    if masks is not None:
        check_masks(masks)
    if tables:
        source, counts = read_tables(photos)
        block = masks_of_table(source, sum(counts.values()))
    else:
        labels, counts = read_photographs(photos, labels)
        source = {"kind": "imagefolder", "root": str(photos.resolve()), **({"labels": labels} if labels else {})}
        block = masks_block(photos, masks, counts if labels is None else ())
    name = photos.resolve().stem if photos.is_file() else photos.resolve().name
    lines = category_lines(counts)
    output.write_text(starter_recipe(name, source, block, lines), encoding="utf-8")
    _print_summary(lines, counts)
    if labels is None and not tables and (inner := inner_classes(to_uri(photos), counts)):
        out.print(
            f"folders within folders are called like classes: {join_names(inner, 5)}. If they are the categories, "
            f'write the folder above them as `root`, or `labels: {{pattern: "*/{{label}}/*"}}`',
            markup=False,
        )
    for message in block.messages:
        out.print(message, markup=False)
    _print_next(lines, output, name)


def read_photographs(photos: Path, labels: str | None) -> tuple[str | None, dict[str, int]]:
    """Return which label file says the categories (None: the folders), and the number of photographs by label.

    Raises:
        ConfigError: neither the folders nor a single label file in or beside them say the categories.
    """
    from xray.core.uri import base_name, local_path, to_uri
    from xray.sources.base import join_names
    from xray.sources.imagefolder import ImageFolder
    from xray.sources.labels import Labels
    from xray.sources.layout import is_part, label_files

    if labels is not None:
        below = photos / labels if "://" not in labels and not _exists(Path(labels)) else Path(labels)
        labels = str(below.absolute()) if _exists(below) else labels
        return labels, ImageFolder(root=str(photos), labels=Labels(file=labels)).label_counts()
    try:
        counts = ImageFolder(root=str(photos)).label_counts()
    except ConfigError as problem:
        root = to_uri(photos)
        parts = [f"{root}/{folder.name}" for folder in photos.iterdir() if folder.is_dir()]
        files = [uri for uri, _ in label_files(root, parts)]
        files = [uri for uri in files if base_name(uri) not in ("data.yaml", "data.yml")] or files
        if not files or len({base_name(uri) for uri in files}) > 1:
            raise
        splits = len(files) > 1  # a file for each
        labels = str(photos.resolve() / "*" / base_name(files[0]) if splits else local_path(files[0]))
        try:
            counts = ImageFolder(root=str(photos), labels=Labels(file=labels)).label_counts()
        except ConfigError:
            raise problem from None
        out.print(f"the categories are read from {labels}", markup=False)
        return labels, counts
    parts = [label for label in counts if is_part(label)]
    if parts:
        out.print(f"no categories, as parts of data sets have such names: {', '.join(parts)}", markup=False)
    counts = {label: count for label, count in counts.items() if label not in parts}
    if not any(counts.values()):
        raise ConfigError(no_photographs(photos, counts))
    if empty := [label for label, count in counts.items() if not count]:
        out.print(f"no categories, as there are no photographs in them: {join_names(empty)}", markup=False)
    return None, {label: count for label, count in counts.items() if count}


def no_photographs(photos: Path, counts: Mapping[str, int]) -> str:
    """Explain that there are no photographs in the folders of categories, and name folders that have some.

    Args:
        photos: the folder.
        counts: the number of photographs by category.
    """
    from xray.sources.base import join_names
    from xray.sources.imagefolder import ImageFolder

    inner = []
    for folder in sorted(path for path in photos.iterdir() if path.is_dir() and path.name not in counts):
        try:
            found = sum(ImageFolder(root=str(folder)).label_counts().values())
        except ConfigError:
            continue
        inner += [f"`xray init {shlex.quote(str(folder))}` ({found:,} photographs)"] if found else []
    where = f"no photographs in the folders of {str(photos)!r} ({join_names(counts, 5)})"
    return f"{where}: write {' or '.join(inner)}" if inner else f"{where}: expected {photos}/<category>/photo.jpg"


def _exists(path: Path) -> bool:
    """Return whether there is a file, or with `*` in its name the folder above the first."""
    text = str(path)
    return Path(text.partition("*")[0].rpartition("/")[0] or ".").is_dir() if "*" in text else path.exists()


def has_tables(photos: Path) -> bool:
    """Return whether photographs are in Parquet files: in a file, or a folder with such files and no images."""
    from xray.core.files import list_files
    from xray.core.uri import is_image, to_uri

    if not photos.is_dir():
        return photos.is_file() and photos.suffix == ".parquet"
    uris = list(list_files(to_uri(photos.resolve())))
    return any(uri.endswith(".parquet") for uri in uris) and not any(map(is_image, uris))


def read_tables(photos: Path) -> tuple[dict[str, str | None], dict[str, int]]:
    """Return the settings of the source for Parquet files, and the number of photographs by label.

    Raises:
        ConfigError: no column is certain.
    """
    from xray.sources.parquet import Parquet
    from xray.sources.parquet.proposal import propose_columns

    columns = propose_columns(str(photos.resolve()))
    counts = Parquet(**columns).label_counts()  # type: ignore[arg-type]
    if not counts:
        raise ConfigError(f"no row of {str(photos)!r} has a label in {columns['category'] or columns['objects']!r}")
    return {"kind": "parquet", **columns}, counts


def starter_recipe(
    name: str, source: Mapping[str, str | None], masks: MasksBlock, lines: Sequence[CategoryLine]
) -> str:
    """Return the text of a recipe.

    Args:
        name: of the recipe.
        source: settings of the source.
        masks: see `masks_block`.
        lines: of the categories.
    """
    own = [printable(line.reading.label, 24) for line in lines if line.is_own]
    settings = [f"{key}: {'null' if value is None else quote(value)}" for key, value in source.items() if key != "kind"]
    return _TEMPLATE.format(
        name=quote(name),
        source="\n".join(f"  {line}" for line in (f"kind: {source['kind']}", *settings)),
        masks=masks.text,
        bad_rows=masks.bad_rows,
        categories="\n".join(f"  {line.text}" for line in lines),
        models=_NO_MODELS.format(", ".join(own[:3]) + (" …" if len(own) > 3 else "")) if own else _IMAGENET_MODELS,
    )


def _print_summary(lines: Sequence[CategoryLine], counts: Mapping[str, int]) -> None:
    """Print the classes and the number of photographs of each category."""
    from xray.sources.categories.from_labels import CHECK
    from xray.sources.categories.reading import describe_classes

    rows = []
    for line in lines[:_MAX_ROWS]:
        meaning = "to be decided" if line.is_open else describe_classes(line.reading.classes, limit=2)
        names = ", ".join(printable(label, 24) for label in line.labels)
        mark = CHECK if line.needs_check else ""
        rows.append((names, f"{sum(counts[label] for label in line.labels):,}", meaning, mark))
    print_table(("folder", "photographs", "ImageNet classes", ""), rows)
    if len(lines) > _MAX_ROWS:
        out.print(f"… and {len(lines) - _MAX_ROWS:,} more")


def _print_next(lines: Sequence[CategoryLine], output: Path, name: str) -> None:
    """Print what to do next."""
    checks, undecided = sum(line.needs_check for line in lines), sum(line.is_open for line in lines)
    out.print(f"wrote {output}: read it, and change what is wrong", markup=False)
    if undecided:
        out.print(
            f"{undecided} open line(s), which `xray plan` refuses: choose from the comments, or search by "
            "`xray list categories WORD`"
        )
    if checks:
        out.print(f"{checks} line(s) to check, marked '<- check'", markup=False)
    command = f"xray pipeline {shlex.quote(str(output))} {shlex.quote(f'runs/{name}')}"
    out.print(f"{'then' if checks else 'next'}, the first 2 photographs of each category, to look at:", markup=False)
    out.print(f"  {command} --first 2\nthen all, which keeps what is made:\n  {command}", markup=False)
