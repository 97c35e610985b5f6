"""The command `xray remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xray.cli.options import RunPath
from xray.cli.output import out, print_outcomes, print_pools

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState


def remove(run: RunPath) -> None:
    """Remove the objects from all photographs, to look at before they are used; `generate` includes this."""
    from xray.core.uri import location
    from xray.pipeline.generate.preparation import remove as remove_objects
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=True)
    pools: dict[str, PoolState] = {}
    counts, examples = remove_objects(folder, watch=pools.update)
    print_outcomes("photographs", counts, examples)
    print_pools(pools)
    out.print(f"look at some: `xray.open({location(folder.uri)!r}).removed().show()` in Python", markup=False)
    out.print(f"{sum(counts.values()):,} photographs without their objects: {location(folder.uri)}", markup=False)
