"""The worker that makes the masks of photo batches: SOURCE in, MASKS out."""

from __future__ import annotations

from xray.core import schema
from xray.core.device import DeviceModel, load_on
from xray.core.errors import Rejected
from xray.masks import RefinedMask, RefinerInput, select_mask
from xray.masks.photographs import hint_of, mask_seed, read_photo
from xray.masks.without_weights import WithoutWeights
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Row, mask_row, row_without_mask
from xray.pipeline.generate.photo_batches import Job, PhotoBatchWorker
from xray.runs.receipts import MASK


class MaskWorker(PhotoBatchWorker[RefinerInput, RefinedMask]):
    """Refines and commits the masks of photo batches."""

    stage, row_schema, table, pool, plugin = MASK, schema.MASKS, "masks", "refine", "refiner"

    def load_model(self) -> DeviceModel[RefinerInput, RefinedMask]:
        """Load the refiner."""
        refiner = self.recipe.masks.refiner
        if not refiner.accelerated:
            return WithoutWeights(refiner)
        check_pinned(self.run.plan.pins(refiner.weights()))
        return load_on(refiner.load, self.device)

    def is_done(self, batch: str) -> bool:
        """See `PhotoBatchWorker.is_done`; the first shard of a batch may have made its masks."""
        made_apart = self.run.store.is_current(MASK, batch)
        return super().is_done(batch) if made_apart else self.run.store.has_masks(batch)

    def read(self, job: Job[RefinerInput]) -> RefinerInput:
        """Read the photograph and its hint."""
        decoded = read_photo(job.source, self.recipe.limits)
        hint, job.notes = hint_of(job.source, decoded, self.recipe.masks.annotations, self.recipe.limits)
        return RefinerInput(decoded, hint, mask_seed(job.source))

    def row(self, job: Job[RefinerInput], input: RefinerInput, output: RefinedMask) -> Row:
        """Return the row of MASKS; raises `Rejected` if the mask does not pass the gates."""
        refined, statistics = select_mask(output, input.hint.mask, self.recipe.masks.gates)
        return mask_row(job.source, refined, statistics, job.notes)

    def row_without(self, source: Row, verdict: Rejected) -> Row:
        """See `row_without_mask`."""
        return row_without_mask(source, verdict)
