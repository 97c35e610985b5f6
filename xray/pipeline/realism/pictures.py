"""The accepted images of a run with a replaced background, and the originals to compare them with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.images import ANY, decode, encode
from xray.core.types import Photo, Pixels
from xray.masks import decode_mask
from xray.masks.photographs import read_photo
from xray.runs.counts import outcomes
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, Receipt

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

_BATCH = 8
"""Number of images that are decoded together."""


@dataclass(frozen=True)
class PassedImage:
    """An image with status ok.

    Args:
        sample_id: of IMAGES.
        image_id: of its photograph.
        photo: its pixels and mask.
        prompt: what was inpainted; None if nothing was.
        encoded_original: of its photograph; None if there is none, or originals were not requested.
    """

    sample_id: str
    image_id: str
    photo: Photo
    prompt: str | None
    encoded_original: bytes | None

    def original(self) -> Pixels | None:
        """Decode the original."""
        return None if self.encoded_original is None else _pixels(self.encoded_original)


class PassedImages:
    """The images of a run with a replaced background and status ok, read shard by shard.

    Originals are the images of the run's first scenario with the role `reference`. Without one they are the source
    photographs, encoded as the recipe says, so that both sides went through the same codec.

    Attributes:
        inpainted: by scenario with a replaced background, whether it is inpainted.

    Raises:
        ConfigError: there are no images yet, or no scenario replaces the background.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._receipts = run.store.receipts(GENERATE)
        if not self._receipts:
            raise ConfigError(f"{run.location} has no images yet; run `xray generate` first")
        self._scenarios = {name: entry.scenario for name, entry in run.recipe.scenarios.items()}
        self.inpainted: Mapping[str, bool] = {
            name: scenario.inpaints
            for name, scenario in self._scenarios.items()
            if scenario.inpaints or scenario.donor_rule
        }
        if not self.inpainted:
            raise ConfigError(
                "no scenario replaces the background, such as generated_background; "
                f"the recipe has {', '.join(self._scenarios)}"
            )
        references = (name for name, scenario in self._scenarios.items() if scenario.role == "reference")
        self._original = next(references, None)
        receipts = self._receipts_with(self._original) if self._original else ()
        self._original_receipts: dict[str, Receipt] = {ShardId(receipt.shard).batch: receipt for receipt in receipts}

    def kind(self, scenario: str) -> str:
        """Return the kind of a scenario."""
        return self._scenarios[scenario].name

    def count(self, scenario: str) -> int:
        """Return the number of images of a scenario."""
        counts = (receipt.counts.get(scenario, {}) for receipt in self._receipts)
        return sum(n for count in counts for outcome, n in outcomes(count) if outcome.ok)

    def batches(self, scenario: str, *, originals: bool = False) -> Iterator[list[PassedImage]]:
        """Yield the images of a scenario, a few at a time and never of two shards together."""
        for receipt in self._receipts_with(scenario):
            originals_by_id = self._encoded_originals(ShardId(receipt.shard).batch) if originals else {}
            prompts = self._prompts(receipt.shard) if self._scenarios[scenario].inpaints else {}
            for rows in _chunks(self._rows(receipt, scenario, ["sample_id", "image_id", "image", "mask"])):
                yield [
                    PassedImage(
                        row["sample_id"],
                        row["image_id"],
                        _photo(row),
                        prompts.get(row["sample_id"]),
                        originals_by_id.get(row["image_id"]),
                    )
                    for row in rows
                ]

    @property
    def n_originals(self) -> int:
        """The maximum number of originals: a photograph may have become unreadable."""
        if self._original is not None:
            return self.count(self._original)
        status: list[str] = self._run.store.table("source", ["status"]).column("status").to_pylist()
        return status.count(schema.OK)

    def originals(self) -> Iterator[list[tuple[str, Pixels]]]:
        """Yield all originals with the ids of their photographs, a few at a time."""
        batches = {ShardId(receipt.shard).batch for receipt in self._receipts}
        for batch in sorted(batches):
            for chunk in _chunks(list(self._encoded_originals(batch).items())):
                yield [(image_id, _pixels(data)) for image_id, data in chunk]

    def _encoded_originals(self, batch: str) -> dict[str, bytes]:
        """Return the encoded originals of a photo batch by the ids of their photographs."""
        if self._original is None:
            return dict(self._encoded_photographs(batch))
        if batch not in self._original_receipts:
            return {}
        rows = self._rows(self._original_receipts[batch], self._original, ["image_id", "image"])
        return {row["image_id"]: row["image"]["bytes"] for row in rows}

    def _encoded_photographs(self, batch: str) -> Iterator[tuple[str, bytes]]:
        recipe = self._run.recipe
        for source in self._run.plan.batch(batch).to_pylist():
            try:
                image = read_photo(source, recipe.limits).image
            except Rejected:
                continue
            yield source["image_id"], encode(image, recipe.images.format, recipe.images.quality)

    def _prompts(self, shard: str) -> dict[str, str]:
        plan = self._run.plan.shard(shard).plan
        return dict(zip(*(plan.column(name).to_pylist() for name in ("sample_id", "prompt")), strict=True))

    def _receipts_with(self, scenario: str) -> list[Receipt]:
        return [receipt for receipt in self._receipts if scenario in receipt.counts]

    def _rows(self, receipt: Receipt, scenario: str, columns: list[str]) -> list[dict[str, Any]]:
        """Read a scenario's rows with status ok; of the shard's file only its row group is read."""
        where = (pc.field("scenario") == scenario) & (pc.field("status") == schema.OK)
        rows: list[dict[str, Any]] = self._run.store.receipt_table(receipt, "images", columns, where).to_pylist()
        return rows


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _photo(row: Mapping[str, Any]) -> Photo:
    """Return an image with its mask, which marks nothing where the scenario needed none."""
    image = _pixels(row["image"]["bytes"])
    return Photo(image, decode_mask(row["mask"]["bytes"]) if row["mask"] else np.zeros(image.shape[:2], bool))


def _pixels(data: bytes) -> Pixels:
    return decode(data, ANY).image
