"""The command `xray mask`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from xray.cli.options import BadRows, RunPath
from xray.cli.output import out, print_masks_page, print_outcomes, print_pools, print_table
from xray.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from xray.cluster.placement import PoolState
    from xray.pipeline.compare_masks import Comparison
    from xray.runs.folder import RunFolder

_WORST = 3


def mask(
    run: RunPath,
    bad_rows: BadRows = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="given|RUN",
            help="Compare the masks with given ones: those that the annotations give, or those of another run of the "
            "same photographs.",
        ),
    ] = None,
) -> None:
    """Make the masks of all photographs, to look at before backgrounds are inpainted; `generate` includes this.

    With --against, also measure them: IoU and boundary F by category, and accuracies on both.
    """
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=True)
    if against is None:
        _make(folder, bad_rows)
        return
    _make(folder, 1.0 if bad_rows is None else bad_rows)
    _compare(folder, against)


def _make(run: RunFolder, bad_rows: float | None) -> None:
    """Make the missing masks, and print how each photograph ended."""
    from xray.core.uri import location
    from xray.pipeline.generate.preparation import mask as make_masks
    from xray.pipeline.generate.preparation import mask_examples

    pools: dict[str, PoolState] = {}
    try:
        counts = make_masks(run, bad_rows=bad_rows, watch=pools.update)
    except ConfigError:
        if run.store.masked():
            print_masks_page(run)
        raise
    print_outcomes("photographs", counts, mask_examples(run))
    print_pools(pools)
    print_masks_page(run)
    out.print(f"{sum(counts.values()):,} masks: {location(run.uri)}", markup=False)


def _compare(run: RunFolder, against: str) -> None:
    from xray.core.progress import Progress
    from xray.core.uri import location
    from xray.pipeline.compare_masks import compare_masks

    with Progress("compare masks", sum(run.plan.rows_by_batch().values()), "photographs") as progress:
        compared = compare_masks(run, against, progress.advance)
    rows = [
        (
            str(row["category"]),
            f"{row['photographs']:,}",
            f"{row['made']:,}",
            _mean(row, "iou"),
            _mean(row, "boundary_f"),
        )
        for row in compared.categories.to_dict("records")
    ]
    print_table(("category", "given", "made", "IoU [95 %]", "boundary F [95 %]"), rows)
    _print_worst(compared)
    _print_accuracies(compared)
    out.print(
        f"{compared.categories['made'].iloc[-1]:,} of {compared.total:,} masks compared with given ones: "
        f"{location(run.store.path('mask_comparison.csv'))}",
        markup=False,
    )


def _mean(row: Mapping[Hashable, float], name: str) -> str:
    if row[name] != row[name]:  # NaN
        return "–"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3f}" + ("" if low != low else f" [{low:.3f}, {high:.3f}]")


def _print_worst(compared: Comparison) -> None:
    rows = compared.worst.head(_WORST).to_dict("records")
    texts = [f"{row['photograph']} (IoU {row['iou']:.2f}, boundary F {row['boundary_f']:.2f})" for row in rows]
    if texts:
        out.print(f"worst: {', '.join(texts)}", markup=False)
    lost = Counter(compared.photographs.loc[compared.photographs["iou"].isna(), "reason"])
    if lost:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in lost.most_common())
        out.print(f"lost: {lost.total():,} of {len(compared.photographs):,} ({reasons})", markup=False)


def _print_accuracies(compared: Comparison) -> None:
    if compared.accuracies.empty:
        return
    rows = [
        (row["model"], row["scenario"], _percent(row["accuracy"]), _percent(row["given_accuracy"]),
         f"{100 * row['difference']:+.1f} [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]",
         f"{row['n_images']:,}")
        for row in compared.accuracies.to_dict("records")
    ]  # fmt: skip
    print_table(("model", "scenario", "these masks", "given masks", "points [95 %]", "photographs"), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
