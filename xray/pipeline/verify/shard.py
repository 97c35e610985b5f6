"""Inspection of one committed shard: its receipt, its files, their rows and images."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.errors import DamagedError, Rejected
from xray.core.files import read_committed
from xray.core.images import ANY, decode
from xray.core.parquet import column_problem
from xray.core.patches import Patch
from xray.core.uri import location
from xray.masks import decode_mask
from xray.pipeline.generate.render import status_counts
from xray.runs.dependencies import Dependencies
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt, Stage, file_facts
from xray.runs.store import SCHEMAS

PROBLEM_KINDS = {
    "damaged": "a receipt, or the plan itself, is not as it was written",
    "missing": "a file that a receipt names does not exist",
    "changed": "the file's bytes are not those that were committed",
    "rows": "the rows are not those of the plan, or not those that the receipt counts",
    "picture": "an image, mask or patch cannot be decoded, has the wrong size, or does not match its row",
    "unplanned": "the plan has nothing that the receipt could belong to",
    "stale": "it was made from something else than the run has now; it does not count",
}
"""Descriptions by kind of problem."""


@dataclass(frozen=True)
class Problem:
    """A difference between a run and what was committed.

    Args:
        kind: a key of `PROBLEM_KINDS`.
        path: the file, as a path in the run.
        detail: the difference.
        stage: of the receipt whose revocation repairs it, because the work is then done again; None: nothing does.
        shard: of that receipt.
    """

    kind: str
    path: str
    detail: str
    stage: Stage | None = None
    shard: str = ""

    @property
    def repairable(self) -> bool:
        """Whether `xray verify --repair` can repair it."""
        return self.stage is not None or self.path == "recipe.yaml"


@dataclass(frozen=True)
class ShardFindings:
    """The result of inspecting a shard in one stage: problems, the files that its receipt names, rows of IMAGES."""

    problems: Sequence[Problem]
    files: Sequence[str] = ()
    bytes: int = 0
    images: int = 0


def inspect_shard(
    run: RunFolder, now: Dependencies, stage: Stage, shard: str, *, planned: bool, pictures: bool
) -> ShardFindings:
    """Inspect everything that was committed of a shard with a receipt, and what it was made from.

    Args:
        run: with the shard.
        now: what the run has.
        stage: of the receipt.
        shard: of the receipt.
        planned: whether the plan has the shard.
        pictures: also decode every image and mask.

    Raises:
        UnreachableError: the store does not answer.
    """
    receipt_path = "/".join(("receipts", *stage, f"{shard}.json"))
    problems: list[Problem] = []

    def report(kind: str, path: str, *details: str) -> None:
        problems.extend(Problem(kind, path, detail, stage, shard) for detail in details)

    try:
        receipt = run.store.receipt(stage, shard)
    except (DamagedError, Rejected) as error:
        report("damaged", receipt_path, fault(error, run.store.path(*receipt_path.split("/"))))
        return ShardFindings(problems)
    tables: dict[str, pa.Table] = {}
    if receipt.shard != shard:
        report("damaged", receipt_path, f"it belongs to {receipt.shard}")
    for name, entry in receipt.files.items():
        result = read_file(run.store.path(*entry["path"]), entry, SCHEMAS.get(name))
        if isinstance(result, pa.Table):
            tables[name] = result
        elif result is not None:
            kind, detail = result
            report(kind, "/".join(entry["path"]), detail)
    if not planned:
        report("unplanned", receipt_path, "the plan has no such shard")
    elif receipt.shard == shard:
        mismatch = now.mismatch(stage, receipt)
        if mismatch is not None and not mismatch.waiting:
            report("stale", receipt_path, str(mismatch))
        report("rows", receipt_path, *_row_problems(run, stage, receipt, tables))
    if pictures:
        for name in tables.keys() & {"images", "masks"}:
            report("picture", "/".join(receipt.files[name]["path"]), *_image_problems(tables[name]))
        if "removed" in tables and planned:
            report(
                "picture", "/".join(receipt.files["removed"]["path"]), *_patch_problems(run, shard, tables["removed"])
            )
    files = ["/".join(entry["path"]) for entry in receipt.files.values()]
    return ShardFindings(problems, files, receipt.bytes, len(tables.get("images", ())))


def fault(error: Exception, uri: str) -> str:
    """Return what an error says of a file, without the file's name and without advice."""
    return str(error).partition("; ")[0].removeprefix(f"{location(uri)} ")


def read_file(
    uri: str, entry: Mapping[str, Any], columns: pa.Schema | None = None
) -> pa.Table | tuple[str, str] | None:
    """Read a committed file: its table, the kind and detail of a problem, or None for a sound file without `rows`.

    `columns`: of its table; those that can be null may be missing.
    """
    try:
        data = read_committed(uri)
    except Rejected as verdict:
        return "missing", str(verdict).removesuffix(f": {uri}")
    changed = [(key, now, entry[key]) for key, now in file_facts(data).items() if now != entry.get(key, now)]
    if changed:
        return "changed", ", ".join(f"{key} {_short(now)} instead of {_short(before)}" for key, now, before in changed)
    if "rows" not in entry:
        return None
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        return "changed", f"no Parquet file: {' '.join(str(error).split())}"
    if columns is not None and (problem := column_problem(table.schema, columns)):
        return "changed", problem
    return table if len(table) == entry["rows"] else ("rows", f"{len(table):,} rows instead of {entry['rows']:,}")


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else f"{value:,}"


def _row_problems(run: RunFolder, stage: Stage, receipt: Receipt, tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Compare the rows of intact files with the plan and the receipt."""
    shard = receipt.shard
    for name in tables.keys() & {"masks", "removed"}:
        batch = shard if stage in (MASK, REMOVE) else ShardId(shard).batch
        yield from _compare("image_id", _ids(tables[name], "image_id"), _ids(run.plan.batch(batch), "image_id"))
    if "images" in tables:
        planned = run.plan.shard(shard).plan
        yield from _compare("sample_id", _ids(tables["images"], "sample_id"), _ids(planned, "sample_id"))
        yield from _provenance_problems(tables["images"], planned)
        if status_counts(tables["images"]) != receipt.counts:
            yield "the receipt counts other images than there are"
    for name in tables.keys() & {"predictions", "features"}:
        predicted = _ids(tables[name], "sample_id")
        if stage[0] != "train" and (images := _image_ids(run, shard)) is not None:
            yield from _compare("sample_id", predicted, images)
        elif repeated := len(predicted) - len(set(predicted)):
            yield f"sample_id: {repeated:,} twice"


def _ids(table: pa.Table, key: str) -> list[str]:
    ids: list[str] = table.column(key).to_pylist()
    return ids


def _image_ids(run: RunFolder, shard: str) -> list[str] | None:
    """Return the ids of a shard's images; None if they were only rendered for models, or cannot be read."""
    if not run.store.has_receipt(GENERATE, shard):
        return None
    with contextlib.suppress(DamagedError, Rejected, OSError, pa.ArrowException):  # reported for the images' own shard
        images = run.store.shard_table(GENERATE, "images", shard, ["sample_id", "status"])
        return _ids(images.filter(pc.equal(images.column("status"), schema.OK)), "sample_id")
    return None


def _compare(key: str, ids: Sequence[str], planned: Sequence[str]) -> Iterator[str]:
    if ids == planned:
        return
    missing, extra = len(set(planned) - set(ids)), len(set(ids) - set(planned))
    counts = {"missing": missing, "not planned": extra, "twice": len(ids) - len(set(ids))}
    differences = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    yield f"{key}: {differences or 'in another order'}"


def _provenance_problems(images: pa.Table, plan: pa.Table) -> Iterator[str]:
    """Compare what images were made with, as far as it was recorded, with what PLAN says of them."""
    planned = {row["sample_id"]: row for row in plan.to_pylist()}
    counts: Counter[str] = Counter()
    for row in images.select(["sample_id", "provenance", "status"]).to_pylist():
        if row["status"] == schema.OK and row["sample_id"] in planned:
            counts.update(_differences(json.loads(row["provenance"]), planned[row["sample_id"]]))
    for name, count in counts.items():
        yield f"{name}: {count:,} {'image is' if count == 1 else 'images are'} not of the one that is planned"


def _differences(made: Mapping[str, Any], planned: Mapping[str, Any]) -> Iterator[str]:
    for name in ("seed", "prompt", "place"):
        if made.get(name, planned[name]) != planned[name]:
            yield name
    settings = json.loads(planned["settings"])  # an image that is reused may have been made when there were fewer
    if any(settings.get(name, value) != value for name, value in made.get("settings", {}).items()):
        yield "settings"
    donors = (planned["donor_id"], *(spare["donor_id"] for spare in planned.get("donor_spares") or ()))
    if made.get("donor") is not None and made["donor"] not in donors:
        yield "donor"


def _image_problems(table: pa.Table) -> Iterator[str]:
    """Decode the images and masks of IMAGES or MASKS."""
    key = "sample_id" if "sample_id" in table.column_names else "image_id"
    for row in table.to_pylist():
        try:
            detail = _image_problem(row)
        except (Rejected, ValueError) as error:
            detail = str(error)
        if detail:
            yield f"{row[key]}: {detail}"


def _patch_problems(run: RunFolder, batch: str, table: pa.Table) -> Iterator[str]:
    """Decode the patches of REMOVED, and compare them with their rows and with the sizes of the photographs."""
    sizes = {row["image_id"]: (row["width"], row["height"]) for row in run.plan.batch(batch).to_pylist()}
    for row in table.to_pylist():
        if row["image_id"] in sizes and (detail := _patch_problem(row, *sizes[row["image_id"]])):
            yield f"{row['image_id']}: {detail}"


def _patch_problem(row: Mapping[str, Any], width: int, height: int) -> str | None:
    if row["patch"] is None:
        return "there is no patch" if row["status"] == schema.OK else None
    try:
        patch = Patch.decode(row["patch"]["bytes"], row["x"], row["y"])
    except DamagedError as error:
        return str(error)
    if not patch.fits(width, height):
        return f"a patch of shape {patch.rgba.shape[:2]} at ({patch.x}, {patch.y}), the photograph is {width}×{height}"
    area = patch.replaced / (width * height)
    return None if abs(area - row["area"]) < 1e-6 else f"the patch replaces {area:.2%}, its row says {row['area']:.2%}"


def _image_problem(row: Mapping[str, Any]) -> str | None:
    mask = decode_mask(row["mask"]["bytes"]) if row["mask"] else None
    if row.get("image") is None:
        return "there is no image" if row["status"] == schema.OK and mask is None else None
    data = row["image"]["bytes"]
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return "the image does not match the hash in its row"
    shape = decode(data, ANY).image.shape[:2]
    if mask is None:
        without = json.loads(row["provenance"]).get("mask_origin") is None  # a scenario that needs none
        return None if without else "it has no mask"
    return None if mask.shape == shape else f"the mask has shape {mask.shape}, the image {shape}"
