"""Quality of masks that refiners find in a coarse box: IoU with masks made by hand of the animals sample.

    python benchmarks/masks.py [--sam sam-vit-h]

Each animal's box is grown by a tenth of its sides at each end. GrabCut and SAM see the photograph and this box alone;
where one finds nothing, its IoU is 0. The gates, which would refuse bad masks, are left out. The sample is
read from a Debian package, fetched once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

os.environ |= {"OMP_NUM_THREADS": "1"}

import cv2

from xray.core.batching import BatchRunner
from xray.core.device import load_on
from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.core.images import decode
from xray.masks import Hint, Mask, RefinedMask, RefinerInput, iou
from xray.masks.formats.from_source import FromSource
from xray.masks.grabcut import GrabCut
from xray.masks.quality import box_of
from xray.masks.sam.refiner import Sam
from xray.sources.animals import Animals
from xray.sources.base import Box, Source
from xray.sources.shapes import Shapes

GROWTH = 0.1
SEED = 0


@dataclass(frozen=True)
class Case:
    """A photograph with its coarse box, and the true mask of its object."""

    category: str
    asked: RefinerInput
    truth: Mask


def grown(box: Box, height: int, width: int) -> Box:
    """Return the box, enlarged by a share of its sides at each end and clipped to the image."""
    x0, y0, x1, y1 = box
    more_x, more_y = GROWTH * (x1 - x0), GROWTH * (y1 - y0)
    return max(x0 - more_x, 0), max(y0 - more_y, 0), min(x1 + more_x, width), min(y1 + more_y, height)


def cases(source: Source, most: int | None) -> Iterator[Case]:
    """Yield the photographs of a sample, or the first of each category."""
    taken: dict[str, int] = defaultdict(int)
    for candidate in source.candidates(source.categories()):
        taken[candidate.category] += 1
        if most is not None and taken[candidate.category] > most:
            continue
        decoded = decode(read_bytes(candidate.uri))
        truth, _ = FromSource().read(read_bytes(candidate.mask_uri) if candidate.mask_uri else None, decoded)
        box = box_of(truth)
        assert box is not None
        coarse = grown(box, *truth.shape)
        yield Case(candidate.category, RefinerInput(decoded, Hint(boxes=(coarse,)), SEED), truth)


def by_grabcut(asked: RefinerInput) -> RefinedMask | Rejected:
    try:
        return GrabCut().refine(asked.decoded, asked.hint, asked.seed)
    except Rejected as verdict:
        return verdict


def by_sam(asked: Sequence[RefinerInput], reference: str, device: str, batch: int) -> Iterator[RefinedMask | Rejected]:
    return BatchRunner(load_on(Sam(model=reference).load, device), batch, threading.Lock()).run(asked)


def scores(found: Sequence[RefinedMask | Rejected], sample: Sequence[Case]) -> list[float]:
    pairs = zip(found, sample, strict=True)
    return [0.0 if isinstance(one, Rejected) else iou(one.mask, case.truth) for one, case in pairs]


def show(sample: Sequence[Case], columns: dict[str, list[float]]) -> None:
    """Print mean and median of each refiner, by category and in total."""
    print(f"{'category':<20}{'n':>5}" + "".join(f"{name + ' mean':>15}{'median':>9}" for name in columns))
    groups = [*dict.fromkeys(case.category for case in sample), "all"]
    for group in groups:
        rows = [index for index, case in enumerate(sample) if group in (case.category, "all")]
        line = f"{group:<20}{len(rows):>5}"
        for values in columns.values():
            here = [values[index] for index in rows]
            line += f"{statistics.mean(here):>15.3f}{statistics.median(here):>9.3f}"
        print(line)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sam", metavar="REFERENCE", help="weights of a SAM: a name, file, folder or hub id")
    options.add_argument("--device", default="cpu", help="for SAM: cpu or cuda")
    options.add_argument("--batch", type=int, default=4, help="photographs that SAM sees at once")
    options.add_argument("--most", type=int, help="photographs of a category; default: all")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    cv2.setNumThreads(1)
    source = Shapes(per_category=1, size=(96, 128)) if chosen.tiny else Animals()
    sample = list(cases(source, chosen.most))
    columns = {"box": [iou(_filled(case), case.truth) for case in sample]}
    columns["grabcut"] = scores([by_grabcut(case.asked) for case in sample], sample)
    if chosen.sam:
        found = by_sam([case.asked for case in sample], chosen.sam, chosen.device, chosen.batch)
        columns["sam"] = scores(list(found), sample)
    show(sample, columns)
    means = {name: round(statistics.mean(values), 4) for name, values in columns.items()}
    print(json.dumps({"grabcut_iou": means["grabcut"], "sam_iou": means.get("sam"), "n": len(sample)}))


def _filled(case: Case) -> Mask:
    """Return the coarse box as a mask: the baseline."""
    (box,) = case.asked.hint.boxes
    x0, y0, x1, y1 = (round(edge) for edge in box)
    mask = case.truth & False
    mask[y0:y1, x0:x1] = True
    return mask


if __name__ == "__main__":
    main()
