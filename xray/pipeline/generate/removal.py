"""The worker that removes the objects of photo batches: SOURCE and MASKS in, REMOVED out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xray.backgrounds.removal.base import RemovalInput
from xray.backgrounds.removal.without_weights import Result, WithoutWeights
from xray.core import schema
from xray.core.device import DeviceModel, load_on
from xray.core.errors import ConfigError, Rejected
from xray.core.types import Pixels
from xray.masks.photographs import mask_seed, read_photo
from xray.models.weights import check_pinned
from xray.pipeline.generate.photo import Row, masked_photo, removed_row, row_without_removed
from xray.pipeline.generate.photo_batches import Job, PhotoBatchWorker
from xray.pipeline.generate.shows import remover_of
from xray.runs.receipts import REMOVE


class RemoveWorker(PhotoBatchWorker[RemovalInput, Pixels]):
    """Removes the objects from photo batches and commits the result; the masks must exist."""

    stage, row_schema, table, pool, plugin = REMOVE, schema.REMOVED, "removed", "remove", "remover"

    def load_model(self) -> DeviceModel[RemovalInput, Pixels]:
        """Load the remover."""
        remover = remover_of(self.recipe)
        if not remover.accelerated:
            return WithoutWeights(remover, _spread) if self.batch > 1 else WithoutWeights(remover)
        check_pinned(self.run.plan.pins(remover.weights()))
        return load_on(remover.load, self.device)

    def masks(self, batch: str) -> pa.Table:
        """Return the masks of a photo batch."""
        masks = self.run.store.masks(batch)
        assert masks is not None, f"no masks for {batch}"
        return masks

    def row_groups(self, count: int) -> list[int]:
        """Return one row group for each photograph, so that a donor is read without its neighbours."""
        return [1] * count

    def settings(self) -> dict[str, Any]:
        """See `PhotoBatchWorker.settings`; of several photographs at a time, seconds are not those of one core."""
        several = isinstance(self.model, WithoutWeights) and self.batch > 1
        return super().settings() | ({"at_once": self.batch} if several else {})

    def read(self, job: Job[RemovalInput]) -> RemovalInput:
        """Read the photograph with its mask."""
        assert job.mask is not None, f"no mask of {job.source['image_id']}"
        masked = masked_photo(read_photo(job.source, self.recipe.limits), job.mask)
        if masked.refusal is not None:
            raise masked.refusal
        return RemovalInput(masked.photo, mask_seed(job.source))

    def row(self, job: Job[RemovalInput], input: RemovalInput, output: Pixels) -> Row:
        """Return the row of REMOVED."""
        image, name = input.photo.image, remover_of(self.recipe).name
        if output.shape != image.shape or output.dtype != np.uint8:
            raise ConfigError(
                f"remover {name!r} returned {output.dtype} of shape {output.shape} for a photograph of shape "
                f"{image.shape}: a bug of the remover"
            )
        return removed_row(job.source, image, output, name)

    def row_without(self, source: Row, verdict: Rejected) -> Row:
        """See `row_without_removed`."""
        return row_without_removed(source, remover_of(self.recipe).name, verdict)


def _spread(function: Callable[[RemovalInput], Result], items: Sequence[RemovalInput]) -> list[Result]:
    from xray.cluster.spread import spread  # imports Ray

    return spread(function, items)
