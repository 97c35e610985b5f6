"""The first photographs of each category: a small run to look at, which a later plan completes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.pipeline.plan.survey import Survey


def first_of_each(survey: Survey, count: int) -> Survey:
    """Keep the first photographs of each category, with those that an earlier plan has, and leave out the others.

    The survey is of all photographs, so backgrounds, folds and the meaning of masks are those of the whole run, and an
    image is the same in both, unless its donor is a photograph without its object: objects are removed only of the kept
    photographs, so these serve each other, and get other donors in the whole run. Photographs that can be used and have
    an annotation come before others of their category.

    Args:
        survey: of all photographs.
        count: of photographs of each category, 1 or more.

    Returns:
        The survey with fewer photographs in `source`, the others in `left_out`, and a note with the numbers. If no
        photograph is left out it is unchanged, with a note if more than `count` of a category were planned earlier.
    """
    kept, counts = _choose(survey, count)
    source, left_out = survey.source.filter(kept), survey.source.filter(pc.invert(kept))
    if not len(left_out):
        planned = Counter(survey.known["category"].to_pylist())
        if max(planned.values(), default=0) <= count:
            return survey
        note = (
            f"--first {count:,} leaves nothing out: all {len(survey.known):,} photographs are planned already. Plan "
            "another run for a part"
        )
        return replace(survey, notes=(note, *survey.notes))
    size, total = sum(counts.values()), len(survey.known) + len(survey.source)
    first = max(counts.values())
    note = (
        f"the run has {size:,} of {total:,} photographs, the first {first:,} of each category; `xray plan` without "
        "--first adds the others"
    )
    return replace(survey, source=source, left_out=left_out, first=first, notes=(note, *survey.notes))


def _choose(survey: Survey, count: int) -> tuple[pa.BooleanArray, Counter[str]]:
    """Return which rows of the source are kept, and the photographs of each category with those of earlier plans."""
    counts = Counter(survey.known["category"].to_pylist())
    categories, preferred = survey.source["category"].to_pylist(), _preferred(survey.source).to_pylist()
    kept = [False] * len(categories)
    for index in sorted(range(len(categories)), key=lambda index: not preferred[index]):
        if counts[categories[index]] < count:
            counts[categories[index]] += 1
            kept[index] = True
    return pa.array(kept, pa.bool_()), counts


def _preferred(source: pa.Table) -> pa.ChunkedArray:
    """Whether a photograph can be read and, if any has one, has an annotation."""
    hints = (pc.greater(pc.list_value_length(source[name]), 0) for name in ("boxes", "points"))
    annotated = pc.is_valid(source["mask_uri"])
    for hint in hints:
        annotated = pc.or_(annotated, pc.fill_null(hint, False))
    usable = pc.equal(source["status"], schema.OK)
    return pc.and_(usable, annotated) if pc.any(annotated).as_py() else usable
