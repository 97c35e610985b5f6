"""Give each photograph the category that its labels say."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from xray.core.errors import ConfigError
from xray.sources.base import Candidate, counted_note, join_names
from xray.sources.categories.base import Category
from xray.sources.categories.from_labels import match_categories
from xray.sources.image_names import ImageNames, path_of
from xray.sources.labels.base import Entry, LabelFile


def distinct_labels(labelled: Labelled, where: str) -> list[str]:
    """Return all labels of photographs, sorted.

    Raises:
        ConfigError: they are numbers, which only a file of names can explain.
    """
    labels = _labels(labelled)
    if labels and all(label.isdecimal() for label in labels):
        raise ConfigError(
            f"the labels in {where} are numbers ({join_names(labels, 5)}): write what they are called as "
            "`labels: {file: …, names: FILE}`, `names: imagenet1k` if they are ImageNet's class indices, or "
            f'`categories: {{"{labels[0]}": [277], …}}`',
            ("labels", "names"),
        )
    return labels


@dataclass(frozen=True)
class Labelled:
    """Photographs with what their labels say.

    Args:
        format: of the labels, for people.
        labels: of each photograph by key: the largest area of each label, None if unknown.
        without: keys of photographs without a label.
        unused: images of the label file that are no photograph.
        problems: parts of the labels that cannot be read.
        shared: keys of photographs that match the same image as another, and so have no label either.
    """

    format: str
    labels: Mapping[str, Mapping[str, float | None]]
    without: Sequence[str]
    unused: Sequence[str]
    problems: Sequence[str] = ()
    shared: Sequence[str] = ()


def match_labels(file: LabelFile, photographs: Sequence[Candidate]) -> Labelled:
    """Match the images of a label file with photographs.

    Raises:
        ConfigError: no photograph has a label; shows names of both.
    """
    by_path: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    folder_of = functools.cache(path_of)
    for entry in file.entries:
        by_path[folder_of(entry.folder) + path_of(entry.image)].append(entry)
    images = list(by_path.values())
    names = [entries[0].image for entries in images]
    matches = ImageNames(list(by_path)).match(photographs)
    if photographs and all(match is None for match in matches):
        raise ConfigError(
            f"no photograph has a label: {file.format} names {join_names(names, 3)}; the photographs are called "
            f"{join_names((one.key for one in photographs), 3)}",
            ("labels",),
        )
    times = Counter(matches)
    labels: dict[str, dict[str, float | None]] = {}
    shared = list[str]()
    for photograph, match in zip(photographs, matches, strict=True):
        if match is not None and times[match] == 1:
            labels[photograph.key] = _largest(images[match])
        elif match is not None:
            shared.append(photograph.key)
    return Labelled(
        file.format,
        labels,
        [one.key for one, match in zip(photographs, matches, strict=True) if match is None],
        [name for index, name in enumerate(names) if index not in times],
        file.problems,
        shared,
    )


def _labels(labelled: Labelled) -> list[str]:
    return sorted({label for labels in labelled.labels.values() for label in labels})


def _largest(entries: Iterable[Entry]) -> dict[str, float | None]:
    areas: dict[str, float | None] = {}
    for label, area in ((entry.label, entry.area) for entry in entries):
        before = areas.get(label)
        areas[label] = area if before is None or area is None else max(area, before)
    return areas


class Assignment:
    """The photographs of categories, by their labels; `notes` says what is left out.

    Args:
        photographs: all of the source, in order.
        labelled: what their labels say.
        categories: of the recipe.
        several: see `Labels`.
    """

    def __init__(
        self, photographs: Sequence[Candidate], labelled: Labelled, categories: Sequence[Category], several: str
    ) -> None:
        self._labelled = labelled
        self._several = several
        self._categories = match_categories(_labels(labelled), categories)
        self._chosen: list[str] = []
        self._refused: list[str] = []
        self.candidates = [one for photo in photographs if (one := self._assign(photo)) is not None]
        self._absent = [one.name for one in categories if one.name not in {photo.category for photo in self.candidates}]

    def _assign(self, photograph: Candidate) -> Candidate | None:
        """Return a photograph with its category, or with a problem; None if it shows none of the categories."""
        areas: dict[str, float | None] = {}
        for label, area in self._labelled.labels.get(photograph.key, {}).items():
            if category := self._categories[label]:
                areas[category.name] = max(area or 0.0, areas.get(category.name) or 0.0) if area is not None else None
        if not areas:
            return None
        if len(areas) == 1:
            return replace(photograph, category=next(iter(areas)))
        known = sorted(((area, name) for name, area in areas.items() if area is not None), reverse=True)
        clear = len(known) == len(areas) and known[0][0] > known[1][0]
        if self._several == "largest" and clear:
            self._chosen.append(f"{unquote(photograph.key)} ({', '.join(name for _, name in known)})")
            return replace(photograph, category=known[0][1])
        names = ", ".join(sorted(areas))
        self._refused.append(f"{unquote(photograph.key)} ({names})")
        return replace(photograph, category=min(areas), problem=f"several_categories: {names}")

    def notes(self) -> list[str]:
        """Return notes on where labels come from, and what has none or is left out."""
        labelled = self._labelled
        others = [label for label, category in self._categories.items() if category is None]
        one, many = "photograph shows several categories", "photographs show several categories"
        return [
            f"categories are read from {labelled.format}: {len(labelled.labels):,} photographs have labels",
            *counted_note(self._chosen, f"{one} and counts as the largest", f"{many} and count as the largest"),
            *counted_note(self._refused, f"{one} and is refused", f"{many} and are refused"),
            *counted_note(map(unquote, labelled.without), "photograph has no label", "photographs have no label"),
            *counted_note(
                map(unquote, labelled.shared),
                "photograph shares its label",
                "photographs share their label with another of the same name, which none of them gets",
            ),
            *counted_note(others, "label is no category of the recipe", "labels are no category of the recipe"),
            *counted_note(self._absent, "category has no photograph", "categories have no photograph"),
            *counted_note(labelled.problems, "part of the labels is left out", "parts of the labels are left out"),
            *counted_note(labelled.unused, "labelled image is no photograph", "labelled images are no photographs"),
        ]
