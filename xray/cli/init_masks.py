"""The masks of a starter recipe: annotations that lie beside the photographs, else what works here without any."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from xray.core.errors import ConfigError, XrayError
from xray.core.yaml import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xray.masks.reading.beside import Proposal

DETECTOR, SEGMENTER = "grounding-dino-tiny", "sam2.1-hiera-large"
"""The weights of masks from text."""
_HUB_SECONDS = 3
_WITHOUT_ANNOTATIONS = 0.25

_TEXT = f"{{annotations: {{kind: text}}, refine: {{kind: sam, model: {SEGMENTER}}}}}"
_NO_MASKS = "  # none at all: `scenarios: [original, image_grey]`, which need none"
_OWN = "masks you have: `annotations: {kind: png, root: masks}`; docs/data.md lists the formats"


@dataclass(frozen=True)
class MasksBlock:
    """The masks of a starter recipe.

    Args:
        text: the key `masks`.
        messages: what to tell about it, one sentence each.
        bad_rows: share of images that may fail. A model finds no object in some photographs, which then fail in most
            scenarios.
    """

    text: str
    messages: tuple[str, ...] = ()
    bad_rows: float = 0.05


def check_masks(masks: Path) -> None:
    """Refuse a folder of masks that is none, or has no images."""
    from xray.core.files import list_files
    from xray.core.uri import is_image, to_uri

    other = "without --masks, `xray init` looks for annotations of all formats in and beside the photographs"
    if not masks.is_dir():
        raise ConfigError(f"no folder {str(masks)!r}; {other}")
    if not any(is_image(uri) for uri in list_files(to_uri(masks.resolve()))):
        raise ConfigError(f"no images in {str(masks)!r}; {other}")


def masks_block(photos: Path, masks: Path | None, folders: Collection[str]) -> MasksBlock:
    """Return the masks of a starter recipe for a folder of photographs.

    The first of these that is there: `masks`; annotations in or beside the folder; words, if the weights are here or
    the hub can be reached; a guess.

    Args:
        photos: the folder.
        masks: a folder of mask images.
        folders: names of the folders that are categories; empty if all photographs lie in one.
    """
    if masks is not None:
        return MasksBlock(f"masks:\n  annotations: {{kind: png, root: {quote(str(masks.resolve()))}}}")
    if proposals := _proposals(photos, folders):
        return _annotated(proposals)
    return _without_annotations()


def masks_of_table(columns: Mapping[str, str | None], rows: int) -> MasksBlock:
    """Return the masks of a starter recipe for Parquet files: their own, those of boxes, or as without annotations.

    Args:
        columns: settings of the source.
        rows: the number of photographs.
    """
    if not (column := columns.get("mask") or columns.get("objects")):
        return _without_annotations()
    from xray.masks.reading.beside import Proposal

    block = _annotated([Proposal({"kind": "source"}, rows, masks="mask" in columns)])
    return MasksBlock(block.text, (f"masks: column {column!r}{'' if 'mask' in columns else ' (boxes)'}",))


def _without_annotations() -> MasksBlock:
    if not _can_detect():
        return _guess()
    missing = _missing(DETECTOR, SEGMENTER)
    return _from_text(missing) if not missing or hub_answers() else _guess()


def _proposals(photos: Path, folders: Collection[str]) -> list[Proposal]:
    from xray.core.files import list_files
    from xray.core.uri import is_image, to_uri
    from xray.masks.reading.beside import propose
    from xray.sources.base import Candidate
    from xray.sources.imagefolder import ImageFolder, relative_key
    from xray.sources.layout import in_mask_folder

    root, extensions = to_uri(photos.resolve()), ImageFolder(root=str(photos)).extensions
    candidates = []
    for uri in (uri for uri in list_files(root) if is_image(uri, extensions)):
        key = relative_key(uri, root)
        folder = unquote(key.partition("/")[0]) if "/" in key else ""
        if folder in folders or not (folders or in_mask_folder(key)):
            candidates.append(Candidate(key, folder if folders else "", uri))
    return propose(photos, candidates)


def _annotated(proposals: Sequence[Proposal]) -> MasksBlock:
    best = proposals[0]
    annotations = _flow(best)
    lines = ["masks:", f"  annotations: {annotations}"]
    said = f"masks: {annotations}, of {best.photographs:,} photographs"
    if not best.masks:
        refine = f"{{kind: sam, model: {SEGMENTER}}}"
        other, chosen = "grabcut", refine
        if not _can_detect() or _missing(SEGMENTER):
            chosen, other = other, refine
        lines.append(f"  refine: {chosen}   # boxes become masks; or: {other}")
        said += " (boxes)"
    lines += [f"  # also found: {_flow(other)}, of {other.photographs:,} photographs" for other in proposals[1:3]]
    return MasksBlock("\n".join(lines), (said,))


def _flow(proposal: Proposal) -> str:
    items = (f"{key}: {value if key == 'kind' else quote(value)}" for key, value in proposal.settings.items())
    return f"{{{', '.join(items)}}}"


def _from_text(missing: Sequence[str]) -> MasksBlock:
    pull = f"xray weights pull {' '.join(missing)}"
    lines = [
        "masks:               # found by words: a detector looks for each category's name, and SAM 2.1 outlines it",
        "  annotations: {kind: text}   # ambiguous names: {kind: text, phrases: {crane: crane bird}}",
        *([f"  # first, once: {pull}"] if missing else []),
        f"  refine: {{kind: sam, model: {SEGMENTER}}}   # without a GPU, slow: some ten seconds a photograph",
        f"  # {_OWN}",
        "  # a guess, without weights: `refine: guess` and no annotations",
        _NO_MASKS,
    ]
    first = "there are no masks: the recipe finds them by words (Grounding DINO, then SAM 2.1)"
    messages = (first, *([f"first get the weights: {pull}"] if missing else ()))
    return MasksBlock("\n".join(lines), messages, bad_rows=_WITHOUT_ANNOTATIONS)


def _guess() -> MasksBlock:
    lines = [
        "masks:",
        "  refine: guess        # no masks were found: a box in the middle, cut out by colour. Not for numbers",
        f"  # better, found by words: `masks: {_TEXT}`,",
        f"  # after `xray weights pull {DETECTOR} {SEGMENTER}`",
        f"  # best, {_OWN}",
        _NO_MASKS,
    ]
    return MasksBlock(
        "\n".join(lines),
        (
            "there are no masks, and no weights to find them by words: the recipe guesses them (a box in the middle, "
            "cut out by colour). Look at them (masks.html of the run) before you believe a number; the recipe names "
            "better ways",
        ),
        bad_rows=_WITHOUT_ANNOTATIONS,
    )


def _can_detect() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def _missing(*names: str) -> list[str]:
    """Return the weights that are not here."""
    from xray.models.weights import locate

    missing = []
    for name in names:
        try:
            locate(name)
        except XrayError:
            missing.append(name)
    return missing


def hub_answers() -> bool:
    """Return whether the model hub can be reached, within three seconds; False if the environment says offline."""
    settings = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    if any(value.upper() in ("1", "TRUE", "YES", "ON") for value in settings):
        return False
    from xray.models.weights.availability import answers

    return answers(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", _HUB_SECONDS)
