"""The pictures of a run that passed, and the originals to compare them with, read shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from xray.core import schema
from xray.core.errors import Rejected, XrayError
from xray.core.images import ANY, Pixels, decode, encode
from xray.core.uri import open_store
from xray.masks import decode_mask
from xray.pipeline.generate.photo import photograph
from xray.runs.receipts import GENERATE, Receipt, unit_of
from xray.scenarios import Photo
from xray.scenarios.original import Original

if TYPE_CHECKING:
    from xray.runs.run import Run

_BATCH = 8
"""Pictures that are decoded at once."""


@dataclass(frozen=True)
class Seen:
    """A picture that passed.

    Args:
        sample_id: of IMAGES.
        image_id: of its photograph.
        picture: its pixels, and where the object is in it.
        prompt: what was painted; None: nothing.
        encoded_original: of its photograph; None where there is none, or none was asked for.
    """

    sample_id: str
    image_id: str
    picture: Photo
    prompt: str | None
    encoded_original: bytes | None

    def original(self) -> Pixels | None:
        """The original, decoded."""
        return None if self.encoded_original is None else _pixels(self.encoded_original)


class Passed:
    """The pictures of a run with another world around the object.

    Originals are the pictures of the run's scenario of kind `original`. Without one they are the source photographs,
    encoded as the recipe says, so that both sides went through the same codec.

    Args:
        run: with images.

    Raises:
        XrayError: there are no images yet, or no scenario that puts another world around the object.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._receipts = run.receipts(GENERATE)
        if not self._receipts:
            raise XrayError(f"{run.uri} has no images yet; make them by `xray generate`")
        self._scenarios = {name: entry.scenario for name, entry in run.recipe_object.scenarios.items()}
        if not self.worlds:
            raise XrayError(
                "no scenario puts another world around the object, such as generated_background; "
                f"the recipe has {', '.join(self._scenarios)}"
            )
        names = [name for name, scenario in self._scenarios.items() if isinstance(scenario, Original)]
        self._original = names[0] if names else None
        self._kept_originals = {unit_of(receipt.shard): receipt for name in names[:1] for receipt in self._having(name)}

    @property
    def worlds(self) -> dict[str, bool]:
        """The recipe's scenarios with another world around the object, and whether it is painted."""
        return {
            name: scenario.paints
            for name, scenario in self._scenarios.items()
            if scenario.paints or scenario.needs_donor
        }

    def kind(self, scenario: str) -> str:
        """What kind of scenario it is."""
        return self._scenarios[scenario].name

    def count(self, scenario: str) -> int:
        """How many pictures of a scenario passed."""
        counts = (receipt.counts.get(scenario, {}) for receipt in self._receipts)
        return sum(n for count in counts for key, n in count.items() if key.partition(" ")[0] == schema.OK)

    def pictures(self, scenario: str, *, originals: bool = False) -> Iterator[list[Seen]]:
        """The pictures of a scenario, a few at a time; never of two shards together.

        Args:
            scenario: the recipe's name.
            originals: whether to bring the originals along.
        """
        for receipt in self._having(scenario):
            found = self._originals_of(unit_of(receipt.shard)) if originals else {}
            prompts = self._prompts(receipt.shard) if self._scenarios[scenario].paints else {}
            for rows in _parts(self._rows(receipt, scenario, ["sample_id", "image_id", "image", "mask"])):
                yield [
                    Seen(
                        row["sample_id"],
                        row["image_id"],
                        Photo(_pixels(row["image"]["bytes"]), decode_mask(row["mask"]["bytes"])),
                        prompts.get(row["sample_id"]),
                        found.get(row["image_id"]),
                    )
                    for row in rows
                ]

    @property
    def n_originals(self) -> int:
        """How many originals there are, at most: a photograph may be unreadable by now."""
        if self._original is not None:
            return self.count(self._original)
        status: list[str] = self._run.table("source", ["status"]).column("status").to_pylist()
        return status.count(schema.OK)

    def originals(self) -> Iterator[list[tuple[str, Pixels]]]:
        """All originals with the ids of their photographs, a few at a time."""
        units = (
            {unit_of(receipt.shard) for receipt in self._receipts} if self._original is None else self._kept_originals
        )
        for unit in sorted(units):
            for part in _parts(list(self._originals_of(unit).items())):
                yield [(image_id, _pixels(data)) for image_id, data in part]

    def _originals_of(self, unit: str) -> dict[str, bytes]:
        """The originals of a unit of photographs, encoded."""
        if self._original is None:
            return dict(self._photographs(unit))
        if unit not in self._kept_originals:
            return {}
        rows = self._rows(self._kept_originals[unit], self._original, ["image_id", "image"])
        return {row["image_id"]: row["image"]["bytes"] for row in rows}

    def _photographs(self, unit: str) -> Iterator[tuple[str, bytes]]:
        recipe = self._run.recipe_object
        for source in self._run.unit(unit).to_pylist():
            try:
                image = photograph(source, recipe.limits).image
            except Rejected:
                continue
            yield source["image_id"], encode(image, recipe.images.format, recipe.images.quality)

    def _prompts(self, shard: str) -> dict[str, str]:
        plan = self._run.shard(shard).plan
        return dict(zip(*(plan.column(name).to_pylist() for name in ("sample_id", "prompt")), strict=True))

    def _having(self, scenario: str) -> list[Receipt]:
        return [receipt for receipt in self._receipts if scenario in receipt.counts]

    def _rows(self, receipt: Receipt, scenario: str, columns: list[str]) -> list[dict[str, Any]]:
        """Rows of a scenario that passed; of the shard's file only its row group is read."""
        store, path = open_store(self._run.path(*receipt.files["images"]["path"]))
        passed = (pc.field("scenario") == scenario) & (pc.field("status") == schema.OK)
        table = pq.read_table(path, columns=columns, filters=passed, filesystem=store, partitioning=None)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


def _pixels(data: bytes) -> Pixels:
    return decode(data, ANY).image
