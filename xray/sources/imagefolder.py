"""Photographs in folders named after their category, the ImageNet layout."""

from __future__ import annotations

import posixpath
import re
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from pydantic import BeforeValidator, Field

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.listing import Entry, LeftOut
from xray.core.plugins import settings
from xray.core.uri import IMAGE_SUFFIXES, base_name, is_image, to_uri
from xray.sources.base import Candidate, Source, Split, counted_note, join_names
from xray.sources.categories.base import Category
from xray.sources.categories.from_labels import categories_from_labels, match_categories
from xray.sources.labels import Assignment, Labelled, Labels, distinct_labels, labels_of, match_labels, read_labels
from xray.sources.layout import in_mask_folder, layout_problem, named_like_classes

_SIDECARS = (".json", ".xml", ".txt", ".aae", ".xmp")
"""Of annotations, and of what telephones and editors of photographs write, each beside its photograph."""


def relative_key(uri: str, root: str) -> str:
    """Return the path of a file below a folder as text; `%` and bytes that are not UTF-8 are percent-encoded.

    >>> relative_key("file:///data/red%20fox/a%FF.jpg", "file:///data")
    'red fox/a%FF.jpg'
    """
    below = unquote_to_bytes(urlsplit(uri).path.removeprefix(urlsplit(root).path).lstrip("/"))
    text = below.decode("utf-8", "surrogateescape")
    return re.sub("[%\udc80-\udcff]", lambda match: quote_from_bytes(match[0].encode("utf-8", "surrogateescape")), text)


_read: dict[int, Labelled] = {}
_kept: dict[int, tuple[tuple[Category, ...], Assignment]] = {}
"""What labels say, by the id of the source that read them; not part of it, since sources travel between processes."""


@settings
class ImageFolder(Source):
    """`root/<WordNet id or category name>/**/photo.jpg`, on disk or in an object store, or photographs with `labels`.

    Args:
        root: path or URI of the folder with one folder per category.
        split: their part in the training of pretrained models, such as `train` for ImageNet's training images.
        licence: of the photographs.
        extensions: file name extensions of photographs, without the dot.
        follow_links: true to follow links that lead out of the root; otherwise these are rejected, since a folder from
            elsewhere may have links to files of yours.
        labels: a file or folder that says the category of each photograph below the root, whatever its folder, or the
            keys below; None: the names of the folders say it.
    """

    name: ClassVar[str] = "imagefolder"
    summary: ClassVar[str] = "photographs in folders named after their category (the ImageNet layout)"

    root: str
    split: Split = "unknown"
    licence: str = "unknown"
    extensions: Annotated[tuple[str, ...], Field(min_length=1)] = IMAGE_SUFFIXES
    labels: Annotated[Labels | None, BeforeValidator(labels_of)] = None
    follow_links: bool = False

    def categories(self) -> Sequence[Category]:
        """Return a category for each label: a WordNet id or index, or a name or synonym of an ImageNet class.

        Without `labels`, the labels are the names of the folders.
        """
        if self.labels is not None:
            where = repr(self.labels.file or self.labels.pattern)
            return categories_from_labels(distinct_labels(self._labelled(), where), where)
        names = [base_name(folder) for folder in self._category_folders()]
        return categories_from_labels(names, where=repr(self.root))

    def label_counts(self) -> dict[str, int]:
        """Return the number of photographs by label: the name of their folder, or what `labels` says.

        Raises:
            ConfigError: the folders are no categories, and there are no `labels`; says which files may be.
        """
        if self.labels is not None:
            labelled = self._labelled()
            counts = Counter(label for labels in labelled.labels.values() for label in labels)
            return {label: counts[label] for label in distinct_labels(labelled, repr(self.labels.file))}
        return {
            base_name(folder): sum(is_image(entry.uri, self.extensions) for entry in self._list(folder))
            for folder in self._category_folders()
        }

    def _category_folders(self) -> list[str]:
        """Return the URIs of the folders in the root; a ConfigError if these are no categories."""
        root, left_out = to_uri(self.root), LeftOut()
        folders = self._list_folders(left_out)
        if not folders and left_out.outside:
            raise ConfigError(f"no folders in {self.root!r}: {left_out.notes()[-1]}", ("source", "root"))
        if problem := layout_problem(root, [base_name(folder) for folder in folders]):
            raise ConfigError(problem, ("source", "root"))
        return folders

    def _list_folders(self, left_out: LeftOut | None = None) -> list[str]:
        return [*files.list_folders(to_uri(self.root), within=self._within, left_out=left_out)]

    def _list(self, folder: str, left_out: LeftOut | None = None, *, recursive: bool = True) -> Iterator[Entry]:
        return files.list_entries(folder, recursive=recursive, within=self._within, left_out=left_out)

    @property
    def _within(self) -> str | None:
        return None if self.follow_links else to_uri(self.root)

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the photographs of these categories, in the order of their paths."""
        if self.labels is not None:
            if not (assigned := self._assigned(categories)).candidates:
                raise ConfigError(f"no photograph has a label of the categories: {'; '.join(assigned.notes())}")
            yield from assigned.candidates
            return
        empty = True
        for entry, category in self._files(categories):
            if is_image(entry.uri, self.extensions):
                empty = False
                yield self._candidate(entry, category.name)
        if empty:
            names = [base_name(folder) for folder, _ in self._folders(categories)]
            listed = join_names(category.name for category in categories)
            where = f"{self.root!r} (folders: {join_names(names)}; categories: {listed})"
            left_out = [base_name(entry.uri) for entry, _ in self._files(categories)]
            seen = counted_note(left_out, "file has no image extension", "files have no image extension")
            problem = "; ".join([f"no photographs of the categories in {where}", *seen])
            layout = layout_problem(to_uri(self.root), names)
            raise ConfigError(f"{problem}; {layout}" if layout else problem)

    def _candidate(self, entry: Entry, category: str) -> Candidate:
        key = relative_key(entry.uri, to_uri(self.root))
        return Candidate(key, category, entry.uri, split=self.split, licence=self.licence, problem=entry.problem)

    def notes(self, categories: Sequence[Category]) -> list[str]:
        """Return notes on folders without category, categories without folder, and files that are left out."""
        left_out = LeftOut()
        if self.labels is not None:
            list(self._list(to_uri(self.root), left_out))
            masks = [one.key for one in self._images() if in_mask_folder(one.key)]
            used = {one.key for one in self._photographs()}
            return [
                *self._assigned(categories).notes(),
                *counted_note(
                    (key for key in masks if key not in used),
                    "image in a folder of masks is no photograph",
                    "images in folders of masks are no photographs",
                ),
                *left_out.notes(),
            ]
        folders = self._folders(categories, left_out)
        unmatched = [base_name(folder) for folder, category in folders if category is None]
        with_folder = {category for _, category in folders}
        absent = [category.name for category in categories if category not in with_folder]
        loose = [entry.uri for entry in self._list(to_uri(self.root), recursive=False)]
        listed = [entry.uri for entry, _ in self._files(categories, left_out)]
        stems = {posixpath.splitext(uri)[0] for uri in listed if is_image(uri, self.extensions)}
        others = [
            uri
            for uri in listed
            if not is_image(uri, self.extensions)
            and not (uri.lower().endswith(_SIDECARS) and posixpath.splitext(uri)[0] in stems)
        ]
        return [
            *counted_note(unmatched, "folder matches no category", "folders match no category"),
            *counted_note(absent, "category has no folder", "categories have no folder"),
            *self._foreign(categories),
            *counted_note(map(base_name, loose), "file is in no category folder", "files are in no category folder"),
            *counted_note(map(base_name, others), "file has no image extension", "files have no image extension"),
            *left_out.notes(),
        ]

    def _foreign(self, categories: Sequence[Category]) -> list[str]:
        """Return a note on folders within those of categories that are called like another, or several like classes."""
        above: dict[str, Category] = {}
        for entry, category in self._files(categories):
            if is_image(entry.uri, self.extensions):
                *folders, _ = relative_key(entry.uri, to_uri(self.root)).split("/")
                above.update({"/".join(folders[:depth]): category for depth in range(2, len(folders) + 1)})
        classes = named_like_classes({posixpath.basename(path) for path in above})
        named = {path: classes[name] for path in above if (name := posixpath.basename(path)) in classes}
        foreign = [path for path, indices in named.items() if not {*indices} <= {*above[path].indices}]
        siblings = Counter(map(posixpath.dirname, foreign))
        known = {one.indices for one in categories}
        sure = [path for path in foreign if named[path] in known or siblings[posixpath.dirname(path)] > 1]
        text = "within that of a category called like another, whose photographs count for the outer one"
        return counted_note(sure, f"folder lies {text}", f"folders lie {text}")

    def _labelled(self) -> Labelled:
        """Return what the labels say about the photographs; they are read once."""
        assert self.labels is not None
        if id(self) not in _read:
            photographs, root = self._photographs(), to_uri(self.root)
            labels = read_labels(self.labels, root, [one.key for one in photographs])
            _read[id(self)] = match_labels(labels, photographs)
            weakref.finalize(self, _read.pop, id(self), None)
        return _read[id(self)]

    def _assigned(self, categories: Sequence[Category]) -> Assignment:
        """Assign the labels; what was assigned last is kept, since `candidates` and `notes` both need it."""
        assert self.labels is not None
        if (kept := _kept.get(id(self))) is None or kept[0] != tuple(categories):
            found = Assignment(self._photographs(), self._labelled(), categories, self.labels.several)
            kept = _kept[id(self)] = tuple(categories), found
            weakref.finalize(self, _kept.pop, id(self), None)
        return kept[1]

    def _photographs(self) -> list[Candidate]:
        """Return all photographs below the root, without category; no images in folders of masks beside them."""
        images = self._images()
        return [one for one in images if not in_mask_folder(one.key)] or images

    def _images(self) -> list[Candidate]:
        left_out = LeftOut()
        entries = [one for one in self._list(to_uri(self.root), left_out) if is_image(one.uri, self.extensions)]
        if not entries:
            raise ConfigError("; ".join([f"no photographs in {self.root!r}", *left_out.notes()]), ("source", "root"))
        return [self._candidate(entry, "") for entry in entries]

    def _folders(
        self, categories: Sequence[Category], left_out: LeftOut | None = None
    ) -> list[tuple[str, Category | None]]:
        folders = self._list_folders(left_out)
        by_name = match_categories(map(base_name, folders), categories)
        return [(folder, by_name[base_name(folder)]) for folder in folders]

    def _files(
        self, categories: Sequence[Category], left_out: LeftOut | None = None
    ) -> Iterator[tuple[Entry, Category]]:
        for folder, category in self._folders(categories):
            if category is not None:
                for entry in self._list(folder, left_out):
                    yield entry, category
