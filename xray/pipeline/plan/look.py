"""Look at masks before anything expensive is made: read a sample of photographs with their masks, and question these.

The sample is the same for the same photographs: evenly spaced in each category, first those that were rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from xray.core.errors import Rejected, rejecting
from xray.core.images import Decoded
from xray.core.schema import OK
from xray.core.types import Pixels
from xray.core.uri import short_name
from xray.masks import Hint, Mask, decode_mask, select_mask
from xray.masks.photographs import Row, hint_of, mask_seed, read_photo
from xray.masks.signs import Look, is_black_and_white, question, with_misfits
from xray.runs.examples import Example, most_frequent
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe
from xray.sources.base import Box, join_names

MAX_PHOTOGRAPHS = 192
_MAX_PIXELS = 150_000_000
"""Pixels of a sample: a few seconds of decoding."""
_SIDE = 256
_READERS = 4


@dataclass(frozen=True)
class Seen:
    """A photograph of the sample with its mask.

    Args:
        image_id: of SOURCE.
        category: of the object.
        name: of the file.
        picture: the photograph, RGB, its longer side at most 256 pixels; None if it cannot be read.
        mask: True on the object, of the shape of `picture`; None if there is none.
        boxes: given ones, in pixels of `picture`, where there is no mask.
        look: measures of the mask.
        reason: why there is no mask: a code and its detail; empty otherwise.
        origin: of the mask, such as `given` or `sam`.
        black_and_white: true if the photograph itself looks like a mask.
    """

    image_id: str
    category: str
    name: str
    picture: Pixels | None = None
    mask: Mask | None = None
    boxes: tuple[Box, ...] = ()
    look: Look | None = None
    reason: str = ""
    origin: str = ""
    black_and_white: bool = False

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong or strange, for people; empty if nothing is."""
        signs = self.look.signs if self.look is not None else ()
        itself = ("the photograph looks like a mask",) if self.black_and_white else ()
        return (*itself, *((self.reason,) if self.reason else signs))


@dataclass(frozen=True)
class Review:
    """A sample of the photographs of a run with their masks, and what is strange about them.

    Args:
        seen: the sample, in the order of the plan.
        total: number of photographs of the run.
        findings: what is strange about the masks as a set, one sentence each.
        final: true if the masks are those of the run, false if they are the annotations that they will be made from.
    """

    seen: Sequence[Seen]
    total: int
    findings: Sequence[str]
    final: bool

    @property
    def has_masks(self) -> bool:
        """Whether any photograph has a mask, or a reason why it has none."""
        return any(one.mask is not None or (one.reason and one.picture is not None) for one in self.seen)

    def rejections(self, besides: Collection[str] = ()) -> list[str]:
        """Return a sentence on masks that cannot be used, if there are any; `besides`: reasons to leave out."""
        refused = [one for one in self.seen if one.reason and one.picture is not None]
        verdicts = [
            (one.reason.partition(": ")[0], Example(one.name, one.reason.partition(": ")[2])) for one in refused
        ]
        counts = Counter(code for code, _ in verdicts if code not in besides)
        if not counts:
            return []
        text = most_frequent(counts, dict(reversed(verdicts)))
        return [f"{counts.total():,} of {len(self.seen):,} photographs that were looked at have no usable mask: {text}"]


def review_source(source: pa.Table, recipe: Recipe) -> Review:
    """Look at the annotated masks of photographs (SOURCE) that are planned.

    Args:
        source: all photographs.
        recipe: with annotations whose meaning is decided.
    """
    rows = source.take(sample(source)).to_pylist()
    return _review(rows, lambda row, decoded: _given_mask(row, decoded, recipe), len(source), recipe, final=False)


def review_run(run: RunFolder) -> Review:
    """Look at the masks of a run: the final ones if all are made, else the annotated ones."""
    masks = run.store.table("masks", ["image_id", "status"])
    source = run.store.table("source")
    status = dict(zip(masks["image_id"].to_pylist(), masks["status"].to_pylist(), strict=True))
    images = source["image_id"].to_pylist()
    if not status.keys() >= {*images}:
        return review_source(source, run.recipe)
    final = pa.array([status[image] for image in images], pa.string())
    index = source.schema.get_field_index("status")
    chosen = sample(source.set_column(index, source.schema.field(index), final))
    made = _rows_of_masks(run, chosen)
    rows = source.take(chosen).to_pylist()
    return _review(rows, lambda row, decoded: _made_mask(made[row["image_id"]]), len(source), run.recipe, final=True)


def sample(source: pa.Table) -> list[int]:
    """Select rows of photographs, evenly spaced in each category: at most 192, of at most 150 million pixels.

    Up to a third are photographs that cannot be used, if there are as many. Rows are in their order.
    """
    frame = source.select(["category", "status", "width", "height"]).to_pandas()
    groups = list(frame.groupby("category", sort=False).indices.values())
    groups = [groups[k] for k in _evenly(len(groups), MAX_PHOTOGRAPHS)]
    quota = max(1, MAX_PHOTOGRAPHS // max(1, len(groups)))
    usable = (frame["status"] == OK).to_numpy()
    queues = []
    for rows in groups:
        good, bad = rows[usable[rows]], rows[~usable[rows]]
        first = bad[_evenly(len(bad), max(1, quota // 3))]
        queues.append([*first, *good[_evenly(len(good), quota - len(first))]])
    pixels = (frame["width"].astype(np.int64) * frame["height"]).to_numpy()
    chosen: list[int] = []
    left = _MAX_PIXELS
    for row in (queue[turn] for turn in range(quota) for queue in queues if turn < len(queue)):
        left -= int(pixels[row])
        if left < 0 and len(chosen) >= len(groups):
            break
        chosen.append(int(row))
    return sorted(chosen)


def _evenly(n: int, k: int) -> list[int]:
    """Return at most `k` evenly spaced indices below `n`."""
    return sorted({round(value) for value in np.linspace(0, n - 1, min(n, max(0, k)))})


def _rows_of_masks(run: RunFolder, photographs: Sequence[int]) -> dict[str, Row]:
    """Read the rows of MASKS of the photo batches that have these rows of SOURCE, by photograph."""
    sizes = run.plan.rows_by_batch()
    positions = np.searchsorted(np.cumsum(list(sizes.values())), photographs, side="right")
    names = list(sizes)
    tables = (run.store.masks(names[position]) for position in dict.fromkeys(positions.tolist()))
    return {row["image_id"]: row for table in tables if table is not None for row in table.to_pylist()}


Masked = tuple[Hint, str]
"""A mask or boxes, and the mask's origin."""


def _review(
    rows: Iterable[Row], masked: Callable[[Row, Decoded], Masked], total: int, recipe: Recipe, *, final: bool
) -> Review:
    with ThreadPoolExecutor(_READERS) as pool:
        seen = list(pool.map(lambda row: _see(row, masked, recipe), rows))
    looks = iter(with_misfits([one.look for one in seen if one.look is not None]))
    seen = [one if one.look is None else replace(one, look=next(looks)) for one in seen]
    can_invert = hasattr(recipe.masks.annotations, "invert")
    findings = question([one.look for one in seen if one.look is not None], can_invert=can_invert)
    if names := [one.name for one in seen if one.black_and_white]:
        findings.append(f"{len(names):,} of {len(seen):,} photographs look like masks: {join_names(names)}")
    return Review(seen, total, findings, final)


def _see(row: Row, masked: Callable[[Row, Decoded], Masked], recipe: Recipe) -> Seen:
    seen = Seen(row["image_id"], row["category"], short_name(row["uri"]))
    try:
        with rejecting("error"):
            decoded = read_photo(row, recipe.limits)
            seen = replace(seen, picture=_small(decoded.image), black_and_white=is_black_and_white(decoded.image))
            hint, origin = masked(row, decoded)
    except Rejected as verdict:
        return replace(seen, reason=str(verdict))
    assert seen.picture is not None
    height, width = seen.picture.shape[:2]
    scale = width / decoded.image.shape[1]
    if hint.mask is None:
        return replace(seen, boxes=tuple(tuple(scale * side for side in box) for box in hint.boxes), origin=origin)
    inside = cv2.resize(hint.mask.astype(np.uint8) * np.uint8(255), (width, height), interpolation=cv2.INTER_AREA)
    return replace(seen, mask=inside > 127, look=Look.at(seen.name, decoded.image, hint.mask), origin=origin)


def _small(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _given_mask(row: Row, decoded: Decoded, recipe: Recipe) -> Masked:
    """Return the annotated mask; one that no refiner will change must pass the gates."""
    hint, _ = hint_of(row, decoded, recipe.masks.annotations, recipe.limits)
    refiner = recipe.masks.refiner
    if refiner.name == "given":
        refined, _ = select_mask(refiner.refine(decoded, hint, mask_seed(row)), hint.mask, recipe.masks.gates)
        return Hint(refined.mask), refined.origin
    return hint, "given"


def _made_mask(row: dict[str, Any]) -> Masked:
    if row["status"] != OK:
        raise Rejected(row["reason"], row.get("detail") or "")
    return Hint(decode_mask(row["mask"]["bytes"])), row["origin"]
