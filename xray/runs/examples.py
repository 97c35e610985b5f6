"""One example of each reason why images or masks are missing: the photograph, and what was seen in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow.compute as pc

from xray.core.uri import short_name
from xray.runs.counts import Outcome
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt, Stage

_TABLES = {MASK: "masks", REMOVE: "removed", GENERATE: "images"}


class Example(NamedTuple):
    """A photograph with an outcome.

    Args:
        photograph: its name.
        detail: what was seen; empty if that is not recorded.

    >>> str(Example("red fox/1.jpg", "mask 120×90, image 240×180"))
    'red fox/1.jpg: mask 120×90, image 240×180'
    """

    photograph: str
    detail: str

    def __str__(self) -> str:
        return f"{self.photograph}: {self.detail}" if self.detail else self.photograph


def examples(run: RunFolder, stage: Stage, receipts: Iterable[Receipt]) -> dict[str, Example]:
    """Return the first example of each outcome that is not ok, by outcome.

    Args:
        run: with a plan.
        stage: `MASK`, `REMOVE` or `GENERATE`.
        receipts: of the stage; at most one shard for each outcome is read.
    """
    found: dict[str, Example] = {}
    for receipt in receipts:
        outcomes = (text for counts in receipt.counts.values() for text in counts)
        wanted = {text for text in outcomes if not Outcome.parse(text).ok} - found.keys()
        if wanted:
            found |= _examples_in(run, stage, receipt, wanted)
    return found


def most_frequent(outcomes: Mapping[str, int], examples: Mapping[str, Example], limit: int = 3) -> str:
    """Return the most frequent outcomes as text, each with its example.

    >>> most_frequent({"rejected missing_mask": 8}, {"rejected missing_mask": Example("red fox/1.jpg", "")})
    '8 missing_mask, for example red fox/1.jpg'
    """
    ordered = sorted(outcomes.items(), key=lambda item: -item[1])[:limit]
    texts = [f"{n:,} {Outcome.parse(text).reason or text}" for text, n in ordered]
    shown = [f", for example {examples[text]}" if text in examples else "" for text, _ in ordered]
    return "; ".join(map("".join, zip(texts, shown, strict=True)))


def _examples_in(run: RunFolder, stage: Stage, receipt: Receipt, wanted: Iterable[str]) -> dict[str, Example]:
    table = run.store.shard_table(stage, _TABLES[stage], receipt.shard)
    batch = ShardId(receipt.shard).batch if stage == GENERATE else receipt.shard
    names = photograph_names(run.plan.batch(batch).select(["image_id", "uri"]).to_pylist())
    found = {}
    for text in wanted:
        outcome = Outcome.parse(text)
        rows = table.filter((pc.field("status") == outcome.status) & (pc.field("reason") == outcome.reason))
        for row in rows.select([n for n in ("image_id", "detail") if n in rows.column_names]).slice(0, 1).to_pylist():
            found[text] = Example(names.get(row["image_id"], row["image_id"]), row.get("detail") or "")
    return found


def photograph_names(source: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the last two parts of each photograph's path by id, from rows of SOURCE; the id of one without a path."""
    return {row["image_id"]: short_name(row["uri"]) or row["image_id"] for row in source}
