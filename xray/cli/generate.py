"""The command `xray generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.options import BadRows, DryRun, RunPath
from xray.cli.output import out, print_masks_page, print_needs, print_outcomes, print_planned, print_pools

if TYPE_CHECKING:
    from xray.cluster.placement import PoolState


def generate(
    run: RunPath,
    dry_run: DryRun = False,
    bad_rows: BadRows = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Shards rendered at the same time. Default: one per CPU.")
    ] = None,
) -> None:
    """Generate all missing planned images. Interrupted runs resume with the same command."""
    from xray.core.progress import readable_bytes
    from xray.core.uri import location
    from xray.pipeline.generate.estimate import forecast
    from xray.pipeline.generate.generate import generate as generate_images
    from xray.pipeline.generate.retry import images_to_remake
    from xray.runs.counts import RowCounts
    from xray.runs.examples import examples
    from xray.runs.folder import RunFolder
    from xray.runs.receipts import GENERATE

    folder = RunFolder.open(run, trust=True)
    retried = images_to_remake(folder)
    done = RowCounts.of(receipt for receipt in folder.store.receipts(GENERATE) if receipt.shard not in retried)
    planned = folder.plan.planned_rows()
    if dry_run or done.rows < planned:
        more = f" ({len(retried):,} shards again: files that could not be read, and now can)" if retried else ""
        out.print(f"{planned:,} images planned, {done.rows:,} done, {planned - done.rows:,} to do{more}")
    if dry_run:
        print_planned(folder, done.counts)
        print_needs(forecast(folder), folder.recipe.pools.price_per_gpu_hour)
        return
    pools: dict[str, PoolState] = {}
    counts = generate_images(folder, bad_rows=bad_rows, workers=workers, watch=pools.update)
    print_outcomes("images", counts.by_outcome(), examples(folder, GENERATE, folder.store.receipts(GENERATE)))
    print_pools(pools)
    if folder.recipe.needs_masks and folder.recipe.masks.refiner.name != "given":
        print_masks_page(folder)
    out.print(f"{counts.rows:,} images, {readable_bytes(counts.bytes)}: {location(folder.uri)}", markup=False)
