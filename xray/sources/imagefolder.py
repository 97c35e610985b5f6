"""Photographs in folders that are called like their category, the ImageNet layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from pydantic import Field

from xray.core import files
from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.core.uri import name_of, to_uri
from xray.sources.base import Candidate, Source, Split, remark, some
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.imagenet1k import categories_called

_READ = ("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "tif", "tiff")
_NOT_READ = ("avif", "heic", "heif")  # offered all the same, so that each is rejected with its reason
IMAGE_SUFFIXES = (*_READ, *_NOT_READ)


def is_image(uri: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> bool:
    """Whether a file's name ends as that of an image; upper or lower case."""
    _, dot, suffix = name_of(uri).rpartition(".")
    return bool(dot) and suffix.lower() in suffixes


def relative_key(uri: str, root: str) -> str:
    """The path of a file below a folder as readable text; `%` and bytes that are no UTF-8 are percent-encoded.

    >>> relative_key("file:///data/red%20fox/a%FF.jpg", "file:///data")
    'red fox/a%FF.jpg'
    """
    below = unquote_to_bytes(urlsplit(uri).path.removeprefix(urlsplit(root).path).lstrip("/"))
    text = below.decode("utf-8", "surrogateescape")
    return re.sub("[%\udc80-\udcff]", lambda odd: quote_from_bytes(odd[0].encode("utf-8", "surrogateescape")), text)


@settings
class ImageFolder(Source):
    """`root/<WordNet id or category name>/**/photo.jpg`, on disk or in an object store.

    Args:
        root: path or URI of the folder that holds a folder for each category.
        split: whether pretrained models have seen the photographs: `train` for ImageNet's training images.
        licence: of the photographs.
        extensions: what a photograph's file name ends in, without the dot.
    """

    name: ClassVar[str] = "imagefolder"
    summary: ClassVar[str] = "photographs in folders called like their category (the ImageNet layout)"

    root: str
    split: Split = "unknown"
    licence: str = "unknown"
    extensions: Annotated[tuple[str, ...], Field(min_length=1)] = IMAGE_SUFFIXES

    def categories(self) -> Sequence[Category]:
        """A category for each folder that is a WordNet id, or the name or a synonym of an ImageNet class."""
        root = to_uri(self.root)
        labels = [name_of(folder) for folder in files.list_folders(root)]
        if not labels:
            raise XrayError(f"no folders in {self.root!r}: expected {self.root}/<category>/photo.jpg")
        return categories_called(labels, where=repr(self.root))

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """The photographs in the folders of these categories, by their path."""
        root = to_uri(self.root)
        found = False
        for uri, category in self._files(categories):
            if is_image(uri, self.extensions):
                found = True
                key = relative_key(uri, root)
                yield Candidate(key, category.name, uri, split=self.split, licence=self.licence)
        if not found:
            there = some(name_of(folder) for folder, _ in self._folders(categories))
            wanted = some(category.name for category in categories)
            raise XrayError(
                f"no photographs of the categories in {self.root!r} (folders there: {there}; categories: {wanted})"
            )

    def remarks(self, categories: Sequence[Category]) -> list[str]:
        """Folders that are no category, categories without a folder, and files that are left out."""
        folders = self._folders(categories)
        foreign = [name_of(folder) for folder, category in folders if category is None]
        with_folder = {category for _, category in folders}
        absent = [category.name for category in categories if category not in with_folder]
        loose = list(files.list_files(to_uri(self.root), recursive=False))
        others = [uri for uri, _ in self._files(categories) if not is_image(uri, self.extensions)]
        return [
            *remark(foreign, "folder is no category of the recipe", "folders are no category of the recipe"),
            *remark(absent, "category has no folder", "categories have no folder"),
            *remark(map(name_of, loose), "file lies in no folder", "files lie in no folder"),
            *remark(map(name_of, others), "file is no image by its name", "files are no images by their names"),
        ]

    def _folders(self, categories: Sequence[Category]) -> list[tuple[str, Category | None]]:
        by_label = categories_by_label(categories)
        folders = files.list_folders(to_uri(self.root))
        return [(folder, category_of_folder(name_of(folder), by_label)) for folder in folders]

    def _files(self, categories: Sequence[Category]) -> Iterator[tuple[str, Category]]:
        for folder, category in self._folders(categories):
            if category is not None:
                for uri in files.list_files(folder):
                    yield uri, category
