"""A run's photographs without their objects, as notebooks look at them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from xray.core.errors import ConfigError, Rejected
from xray.core.patches import Patch, apply_patch
from xray.core.schema import OK
from xray.core.types import Pixels
from xray.masks.photographs import read_photo
from xray.runs.folder import RunFolder
from xray.runs.receipts import REMOVE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RemovedPhotos:
    """The photographs of a run without their objects, as far as they are made; read on demand.

    Args:
        folder: of the run.
    """

    folder: RunFolder

    @property
    def table(self) -> pa.Table:
        """REMOVED: what is replaced of each photograph, or why there is nothing."""
        return self.folder.store.table("removed")

    def __len__(self) -> int:
        return len(self.folder.store.table("removed", ["image_id"]))

    def __iter__(self) -> Iterator[tuple[str, Pixels, Pixels]]:
        """Yield the id of each photograph, the photograph, and the same without its object; RGB, shape (H, W, 3).

        Photographs whose object could not be removed, or whose file cannot be read now, are left out.
        """
        for batch in sorted(self.folder.store.done(REMOVE)):
            for position, source in enumerate(self.folder.plan.batch(batch).to_pylist()):
                row = self.folder.store.removed_row(batch, position)
                if row["status"] == OK:
                    with contextlib.suppress(Rejected):
                        image = read_photo(source, self.folder.recipe.limits).image
                        patch = Patch.decode(row["patch"]["bytes"], row["x"], row["y"])
                        yield row["image_id"], image, apply_patch(image, patch)

    def show(self, n: int = 6) -> Figure:
        """Draw the first `n` photographs as a figure: as taken above, without their objects below.

        Raises:
            ConfigError: there is none.
        """
        from matplotlib.figure import Figure

        if not (shown := list(itertools.islice(self, n))):
            raise ConfigError(f"no photograph without its object in {self.folder.uri}: run `xray remove` first")
        figure = Figure(figsize=(3 * len(shown), 5), layout="constrained")
        for column, (image_id, *pictures) in enumerate(shown):
            for row, picture in enumerate(pictures):
                axes = figure.add_subplot(2, len(shown), row * len(shown) + column + 1)
                axes.imshow(picture)
                axes.set_title("" if row else image_id, fontsize=8, parse_math=False)
                axes.set_axis_off()
        return figure
