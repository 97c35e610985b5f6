"""Read donors, the photographs that objects are put on: whole, or without their own objects."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from xray.core import schema
from xray.core.errors import ConfigError, Rejected
from xray.core.hash_index import HashIndex
from xray.core.images import decode
from xray.core.types import DonorRule, Pixels
from xray.masks.photographs import read_unchanged
from xray.pipeline.generate.photo import Row, without_object
from xray.pipeline.generate.shows import not_removed
from xray.runs.folder import RunFolder
from xray.runs.photographs import Photographs
from xray.runs.receipts import REMOVE
from xray.runs.recipe import Recipe

_KEPT_BYTES = 64_000_000


class Donor(NamedTuple):
    """A donor as a scenario sees it.

    Args:
        id: of BACKGROUNDS.
        image: RGB, uint8, shape (H, W, 3).
        category: of the object in its photograph, also if that is removed; None: unknown.
    """

    id: str
    image: Pixels
    category: str | None


class Donors:
    """Reads the donors of planned images, and keeps those used last decoded, up to 64 MB.

    Args:
        recipe: of the run.
        run: whose photographs are donors without their objects; None: all donors are whole, as in probes of speed.
    """

    def __init__(self, recipe: Recipe, run: RunFolder | None = None) -> None:
        self.recipe, self.run = recipe, run
        self._kept: dict[tuple[str, str | None], Pixels] = {}
        self._kept_bytes = 0
        self._removed: set[str] = set()

    def of(self, plan: Row, rule: DonorRule) -> Donor:
        """Return the donor of a row of PLAN, or the first of its spares that can be used.

        Raises:
            Rejected: no_donor, donor_unusable, or the reason why a file could not be read now.
            ConfigError: the run's photographs without their objects are not made yet, or the donor is none of them.
        """
        if plan["donor_uri"] is None:
            raise Rejected("no_donor")
        first = {"donor_id": plan["donor_id"], "uri": plan["donor_uri"], "sha256": plan["donor_sha256"]}
        removed = rule.removed and self.recipe.backgrounds.shows_objects  # ids of another bank may be the same
        problems: list[str] = []
        for donor in (first, *(plan.get("donor_spares") or ())):
            try:
                image = self._image(donor, removed=removed)
            except Rejected as verdict:
                if schema.status_of(verdict.reason) == schema.FAILED:
                    raise
                problems.append(str(verdict))
            else:
                return Donor(donor["donor_id"], image, self._category(donor["donor_id"]))
        raise Rejected("donor_unusable", "; ".join(dict.fromkeys(problems)))

    def batches(self, plan: pa.Table) -> set[str]:
        """Return the photo batches of the donors that rows of PLAN may show without their objects."""
        if not self.recipe.removes_donors:
            return set()
        batches = set()
        for row in plan.to_pylist():
            rule = self.recipe.scenarios[row["scenario"]].scenario.donor_rule
            spares = (spare["donor_id"] for spare in row.get("donor_spares") or ())
            names = (row["donor_id"], *spares) if rule is not None and rule.removed else ()
            places = (self._photographs.find(name) for name in names if name is not None)
            batches |= {place[0] for place in places if place is not None}
        return batches

    def without_object(self, source: Row, image: Pixels, removed: Row) -> Pixels:
        """Return a photograph of the run without its object, from its row of REMOVED; donors are the same images.

        Raises:
            Rejected: the row's own reason.
            DamagedError: the row is not as it was written.
        """
        key = source["uri"], source["image_id"]
        pixels = self._find(key)
        if pixels is None:
            pixels = without_object(image, removed)
            if self.recipe.removes_donors:
                self._keep(key, pixels)
        return pixels

    def _image(self, donor: Row, *, removed: bool) -> Pixels:
        key = donor["uri"], donor["donor_id"] if removed else None
        image = self._find(key)
        if image is None:
            image = self._read(donor, self._removed_row(donor["donor_id"]) if removed else None)
            self._keep(key, image)
        return image

    def _find(self, key: tuple[str, str | None]) -> Pixels | None:
        """Return an image that is kept, which makes it the last used one."""
        image = self._kept.pop(key, None)
        if image is not None:
            self._kept[key] = image
        return image

    def _keep(self, key: tuple[str, str | None], image: Pixels) -> None:
        """Keep an image, and no more of those used before than there is room for."""
        self._kept_bytes += image.nbytes
        while self._kept and self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= self._kept.pop(next(iter(self._kept))).nbytes
        self._kept[key] = image

    def _read(self, donor: Row, removed: Row | None) -> Pixels:
        if removed is not None and removed["status"] != schema.OK:  # known before its photograph is read
            raise Rejected(removed["reason"], removed["detail"] or "")
        limits = self.recipe.limits
        image = decode(read_unchanged(donor["uri"], donor["sha256"], "source_changed", limits), limits).image
        return image if removed is None else without_object(image, removed)

    def _removed_row(self, donor_id: str) -> Row | None:
        """The row of REMOVED of a donor; None without a run."""
        if self.run is None:
            return None
        place = self._photographs.find(donor_id)
        if place is not None and not self._is_removed(place[0]):
            raise not_removed(self.run)
        row = self.run.store.removed_row(*place) if place is not None else None
        if row is None or row["image_id"] != donor_id:
            raise ConfigError(
                f"the plan of {self.run.uri} shows {donor_id!r} without its object, and has no such photograph: "
                "`xray plan RECIPE RUN --replan` chooses another one"
            )
        return row

    def _is_removed(self, batch: str) -> bool:
        """Whether the objects of a photo batch are removed; asked once, since donors are in the same ones again."""
        assert self.run is not None
        if batch not in self._removed and self.run.store.is_current(REMOVE, batch):
            self._removed.add(batch)
        return batch in self._removed

    def _category(self, donor_id: str) -> str | None:
        if self.run is None or (position := self._categories[0].find(donor_id)) is None:
            return None
        _, codes, names = self._categories
        name: str | None = names[codes[position]]
        return name

    @functools.cached_property
    def _photographs(self) -> Photographs:
        assert self.run is not None
        return Photographs(self.run.plan)

    @functools.cached_property
    def _categories(self) -> tuple[HashIndex, np.ndarray[Any, Any], list[str | None]]:
        """The donors, the code of each one's category, and the categories by code."""
        assert self.run is not None
        pool = self.run.store.table("backgrounds", ["donor_id", "category"]).combine_chunks()
        encoded = pool.column("category").dictionary_encode(null_encoding="encode").combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):  # without chunks
            return HashIndex(()), np.empty(0, np.int32), []
        index = HashIndex(name for chunk in pool.column("donor_id").chunks for name in chunk.to_pylist())
        return index, encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
