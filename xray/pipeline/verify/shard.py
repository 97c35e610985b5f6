"""What was committed of one shard, looked at again: its receipt, its files, their rows and pictures."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.errors import DamagedError, Rejected
from xray.core.files import read_committed
from xray.core.images import ANY, decode
from xray.masks import decode_mask
from xray.pipeline.generate.render import status_counts
from xray.runs.receipts import GENERATE, MASK, Receipt, Stage, sums, unit_of
from xray.runs.store import Store


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was committed.

    Args:
        kind: a key of `KINDS`.
        place: the file, as a path in the run.
        told: what was seen.
        stage: of the receipt that is taken back so that the work is done again; None: that would not mend it.
        shard: likewise.
    """

    kind: str
    place: str
    told: str
    stage: Stage | None = None
    shard: str = ""

    @property
    def mendable(self) -> bool:
        """Whether `xray verify --repair` can mend it."""
        return self.stage is not None or self.place == "recipe.yaml"


KINDS = {
    "damaged": "a receipt, or the plan itself, is not as it was written",
    "missing": "a receipt names a file that is not there",
    "changed": "the file's bytes are not those that were committed",
    "rows": "its rows are not those that were planned, or not those that the receipt counts",
    "picture": "an image or mask cannot be decoded, does not fit, or is not the one whose hash its row has",
    "unplanned": "a receipt of something that no plan has",
}
"""What can be wrong, and what it means to people."""


@dataclass(frozen=True)
class Looked:
    """What was found of one shard in one stage.

    Args:
        problems: that there are.
        files: that its receipt names, as paths in the run.
        bytes: of them.
        images: rows of them that were planned.
    """

    problems: tuple[Problem, ...]
    files: tuple[str, ...] = ()
    bytes: int = 0
    images: int = 0


def look_at(store: Store, stage: Stage, shard: str, *, planned: bool, pictures: bool) -> Looked:
    """Look at all that was committed of a shard.

    Args:
        store: of the run.
        stage: see `xray.runs.receipts`.
        shard: that has a receipt there.
        planned: whether the plan has it.
        pictures: decode every image and mask, too.

    Raises:
        UnreachableError: nothing can be known of it now.
    """
    where = "/".join(("receipts", *stage, f"{shard}.json"))
    try:
        receipt = store.receipt(stage, shard)
    except (DamagedError, Rejected, TypeError):
        return Looked((Problem("damaged", where, "not as it was written", stage, shard),))
    problems: list[Problem] = []
    tables: dict[str, pa.Table] = {}
    if receipt.shard != shard:
        problems.append(Problem("damaged", where, f"it is of {receipt.shard}", stage, shard))
    for name, file in receipt.files.items():
        found = _file(store, file)
        if isinstance(found, pa.Table):
            tables[name] = found
        elif found is not None:
            problems.append(Problem(found[0], "/".join(file["path"]), found[1], stage, shard))
    if not planned:
        problems.append(Problem("unplanned", where, "the plan has no such shard", stage, shard))
    elif receipt.shard == shard:
        problems += (Problem("rows", where, told, stage, shard) for told in _rows(store, stage, receipt, tables))
    if pictures:
        for name in tables.keys() & {"images", "masks"}:
            place = "/".join(receipt.files[name]["path"])
            problems += (Problem("picture", place, told, stage, shard) for told in _pictures(tables[name]))
    files = tuple("/".join(file["path"]) for file in receipt.files.values())
    size = sum(file["bytes"] for file in receipt.files.values())
    return Looked(tuple(problems), files, size, len(tables.get("images", ())))


def _file(store: Store, file: Any) -> pa.Table | tuple[str, str] | None:
    """A file's table, if it is one, or what is wrong with the file."""
    try:
        data = read_committed(store.path(*file["path"]))
    except Rejected as verdict:
        return "missing", str(verdict)
    now = sums(data)
    if changed := [key for key in now if now[key] != file[key]]:
        told = ", ".join(f"{key} {_short(now[key])} instead of {_short(file[key])}" for key in changed)
        return "changed", told
    if "rows" not in file:
        return None
    table = pq.read_table(pa.BufferReader(data))
    return table if len(table) == file["rows"] else ("rows", f"{len(table):,} rows instead of {file['rows']:,}")


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else f"{value:,}"


def _rows(store: Store, stage: Stage, receipt: Receipt, tables: dict[str, pa.Table]) -> Iterator[str]:
    """What is wrong with the rows of sound files."""
    shard = receipt.shard
    if "masks" in tables:
        unit = shard if stage == MASK else unit_of(shard)
        yield from _unequal("image_id", _ids(tables["masks"], "image_id"), _ids(store.unit(unit), "image_id"))
    if "images" in tables:
        yield from _unequal(
            "sample_id", _ids(tables["images"], "sample_id"), _ids(store.shard(shard).plan, "sample_id")
        )
        if status_counts(tables["images"]) != receipt.counts:
            yield "the receipt counts other images than there are"
    if "predictions" in tables:
        yield from _predicted(store, stage, receipt, _ids(tables["predictions"], "sample_id"))


def _ids(table: pa.Table, key: str) -> list[str]:
    ids: list[str] = table.column(key).to_pylist()
    return ids


def _predicted(store: Store, stage: Stage, receipt: Receipt, found: Sequence[str]) -> Iterator[str]:
    """Whether all images were predicted that could be made, and each once."""
    if stage[0] == "evaluate" and (made := _made(store, receipt.shard)) is not None:
        yield from _unequal("sample_id", found, made)
    elif twice := len(found) - len(set(found)):
        yield f"sample_id: {twice:,} twice"


def _made(store: Store, shard: str) -> list[str] | None:
    """The images of a shard that are there; None if it was rendered for the models alone, or cannot be read."""
    if not store.has_receipt(GENERATE, shard):
        return None
    with contextlib.suppress(DamagedError, Rejected, OSError, pa.ArrowException):  # told where images are looked at
        images = store.made(GENERATE, "images", shard, ["sample_id", "status"])
        return _ids(images.filter(pc.equal(images.column("status"), schema.OK)), "sample_id")
    return None


def _unequal(key: str, found: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    if found == wanted:
        return
    more, less = set(found) - set(wanted), set(wanted) - set(found)
    twice = len(found) - len(set(found))
    parts = {f"{len(less):,} missing": less, f"{len(more):,} not planned": more, f"{twice:,} twice": twice}
    yield f"{key}: {', '.join(told for told, there in parts.items() if there) or 'in another order'}"


def _pictures(table: pa.Table) -> Iterator[str]:
    """What is wrong with the pictures of IMAGES or MASKS."""
    key = "sample_id" if "sample_id" in table.column_names else "image_id"
    for row in table.to_pylist():
        try:
            if told := _picture(row):
                yield f"{row[key]}: {told}"
        except (Rejected, ValueError) as error:
            yield f"{row[key]}: {error}"


def _picture(row: dict[str, Any]) -> str | None:
    mask = decode_mask(row["mask"]["bytes"]) if row["mask"] else None
    if row.get("image") is None:
        return "there is no picture" if row["status"] == schema.OK and mask is None else None
    data = row["image"]["bytes"]
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return "the image is not the one that its row has the hash of"
    shape = decode(data, ANY).image.shape[:2]
    if mask is None:
        return "it has no mask"
    return None if mask.shape == shape else f"the mask has {mask.shape}, the image {shape}"
