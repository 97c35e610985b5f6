"""The command `xray evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from xray.cli.options import BadRows, RunPath
from xray.cli.output import out, print_outcomes

Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="A model such as timm:resnet50; may be repeated. Default: the recipe's."),
]


def evaluate(
    run: RunPath,
    model: Models = None,
    from_plan: Annotated[
        bool, typer.Option("--from-plan", help="Render the images again; store predictions only.")
    ] = False,
    bad_rows: BadRows = None,
    actors: Annotated[int | None, typer.Option(min=1, help="Processes that each hold all models.")] = None,
    gpus: Annotated[float | None, typer.Option(min=0, help="Share of a GPU for each of them.")] = None,
) -> None:
    """Evaluate models on every image; several models share the decoding of an image."""
    from xray.models.registry import models_by_name
    from xray.pipeline.evaluate.encoding import encoding_lines
    from xray.pipeline.evaluate.evaluate import evaluate as evaluate_models
    from xray.runs.folder import RunFolder

    folder = RunFolder.open(run, trust=True)
    models = models_by_name(model) if model else folder.recipe.models
    counts = evaluate_models(folder, models, from_plan=from_plan, bad_rows=bad_rows, actors=actors, gpus=gpus)
    for name, by_model in counts.items():
        out.print(f"{name}: {by_model.ok:,} predictions", markup=False)
        if from_plan:
            print_outcomes("images", by_model.by_outcome())
    for line in encoding_lines(folder, list(models)):
        out.print(line, markup=False)
