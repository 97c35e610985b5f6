"""The command `xray pipeline`."""

from __future__ import annotations

from xray.cli.evaluate import evaluate
from xray.cli.generate import generate
from xray.cli.options import BadRows, First, RecipePath, RunPath
from xray.cli.plan import plan
from xray.cli.score import report, score
from xray.cli.sweep import sweep
from xray.core.errors import extra


def pipeline(recipe: RecipePath, run: RunPath, bad_rows: BadRows = None, first: First = None) -> None:
    """Run all steps: plan, generate, evaluate, sweep, score, report. Interrupted runs resume with the same command.

    With --first, models are not trained: later trainings use all photographs.
    """
    from xray.runs.folder import RunFolder

    plan(recipe, run, first=first)
    with extra("ray"):
        from xray.cluster.session import connected
    with connected():
        generate(run, bad_rows=bad_rows)
        evaluate(run)
        folder = RunFolder.open(run, trust=True)
        if folder.recipe.training is not None and folder.plan.first is None:
            sweep(run)
    score(run)
    report(run)
