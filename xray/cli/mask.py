"""The command `xray mask`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xray.cli.options import BadRows, RunPath
from xray.cli.output import out, print_outcomes, print_pools

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState


def mask(run: RunPath, bad_rows: BadRows = None) -> None:
    """Make the masks of all photographs, to look at before backgrounds are inpainted; `generate` includes this."""
    from xray.pipeline.generate.masks import mask as make_masks
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run)
    pools: dict[str, PoolState] = {}
    counts = make_masks(folder, bad_rows=bad_rows, watch=pools.update)
    print_outcomes("photographs", counts)
    print_pools(pools)
    out.print(f"{sum(counts.values()):,} masks: {folder.uri}")
