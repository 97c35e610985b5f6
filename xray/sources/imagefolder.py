"""Photographs in folders named after their category, the ImageNet layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from pydantic import Field

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.uri import base_name, to_uri
from xray.sources.base import Candidate, Source, Split, counted_note, join_names
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.imagenet1k import categories_from_labels

_SUPPORTED = ("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "bmp", "tif", "tiff")
_UNSUPPORTED = ("avif", "heic", "heif")  # listed, so that each is rejected with a reason
IMAGE_SUFFIXES = (*_SUPPORTED, *_UNSUPPORTED)


def is_image(uri: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> bool:
    """Return True if a file name has one of the suffixes, in upper or lower case."""
    _, dot, suffix = base_name(uri).rpartition(".")
    return bool(dot) and suffix.lower() in suffixes


def relative_key(uri: str, root: str) -> str:
    """Return the path of a file below a folder as text; `%` and bytes that are not UTF-8 are percent-encoded.

    >>> relative_key("file:///data/red%20fox/a%FF.jpg", "file:///data")
    'red fox/a%FF.jpg'
    """
    below = unquote_to_bytes(urlsplit(uri).path.removeprefix(urlsplit(root).path).lstrip("/"))
    text = below.decode("utf-8", "surrogateescape")
    return re.sub("[%\udc80-\udcff]", lambda match: quote_from_bytes(match[0].encode("utf-8", "surrogateescape")), text)


@settings
class ImageFolder(Source):
    """`root/<WordNet id or category name>/**/photo.jpg`, on disk or in an object store.

    Args:
        root: path or URI of the folder with one folder per category.
        split: their part in the training of pretrained models, such as `train` for ImageNet's training images.
        licence: of the photographs.
        extensions: file name extensions of photographs, without the dot.
    """

    name: ClassVar[str] = "imagefolder"
    summary: ClassVar[str] = "photographs in folders named after their category (the ImageNet layout)"

    root: str
    split: Split = "unknown"
    licence: str = "unknown"
    extensions: Annotated[tuple[str, ...], Field(min_length=1)] = IMAGE_SUFFIXES

    def categories(self) -> Sequence[Category]:
        """Return a category for each folder named after a WordNet id, or a name or synonym of an ImageNet class."""
        root = to_uri(self.root)
        labels = [base_name(folder) for folder in files.list_folders(root)]
        if not labels:
            raise ConfigError(f"no folders in {self.root!r}: expected {self.root}/<category>/photo.jpg")
        return categories_from_labels(labels, where=repr(self.root))

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the photographs in the folders of these categories, in the order of their paths."""
        root = to_uri(self.root)
        empty = True
        for uri, category in self._files(categories):
            if is_image(uri, self.extensions):
                empty = False
                key = relative_key(uri, root)
                yield Candidate(key, category.name, uri, split=self.split, licence=self.licence)
        if empty:
            folders = join_names(base_name(folder) for folder, _ in self._folders(categories))
            names = join_names(category.name for category in categories)
            raise ConfigError(
                f"no photographs of the categories in {self.root!r} (folders: {folders}; categories: {names})"
            )

    def notes(self, categories: Sequence[Category]) -> list[str]:
        """Return notes on folders without category, categories without folder, and files that are left out."""
        folders = self._folders(categories)
        unmatched = [base_name(folder) for folder, category in folders if category is None]
        with_folder = {category for _, category in folders}
        absent = [category.name for category in categories if category not in with_folder]
        loose = list(files.list_files(to_uri(self.root), recursive=False))
        others = [uri for uri, _ in self._files(categories) if not is_image(uri, self.extensions)]
        return [
            *counted_note(unmatched, "folder matches no category", "folders match no category"),
            *counted_note(absent, "category has no folder", "categories have no folder"),
            *counted_note(map(base_name, loose), "file is in no category folder", "files are in no category folder"),
            *counted_note(map(base_name, others), "file has no image extension", "files have no image extension"),
        ]

    def _folders(self, categories: Sequence[Category]) -> list[tuple[str, Category | None]]:
        by_label = categories_by_label(categories)
        folders = files.list_folders(to_uri(self.root))
        return [(folder, category_of_folder(base_name(folder), by_label)) for folder in folders]

    def _files(self, categories: Sequence[Category]) -> Iterator[tuple[str, Category]]:
        for folder, category in self._folders(categories):
            if category is not None:
                for uri in files.list_files(folder):
                    yield uri, category
