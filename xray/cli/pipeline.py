"""The command `xray pipeline`."""

from __future__ import annotations

from xray.cli.evaluate import evaluate
from xray.cli.generate import generate
from xray.cli.options import BadRows, RecipePath, RunPath
from xray.cli.plan import plan
from xray.cli.score import report, score
from xray.cli.sweep import sweep
from xray.core.errors import extra


def pipeline(recipe: RecipePath, run: RunPath, bad_rows: BadRows = None) -> None:
    """Run all steps: plan, generate, evaluate, sweep, score, report. Interrupted runs resume with the same command."""
    from xray.runs.folder import RunFolder

    with extra("ray"):
        from xray.cluster.session import connected

    plan(recipe, run)
    with connected():
        generate(run, bad_rows=bad_rows)
        evaluate(run)
        if RunFolder.open(run).recipe.training is not None:
            sweep(run)
    score(run)
    report(run)
