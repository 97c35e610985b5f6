"""The command `xray regress`."""

from __future__ import annotations

from typing import Annotated

import typer

from xray.cli.output import out


def regress(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="CSV, TSV, text of a spreadsheet (also .gz) or Parquet; or a run.")
    ],
    response: Annotated[str, typer.Option(help="Column to explain.")] = "accuracy",
    factors: Annotated[
        list[str] | None,
        typer.Option(help="Columns that explain it; several words.", show_default="model scenario category"),
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(metavar="FACTOR=LEVEL", help="Level that the others are compared with.")
    ] = None,
    interactions: Annotated[list[str] | None, typer.Option(metavar="A:B", help="Pairs of factors.")] = None,
    weights: Annotated[str | None, typer.Option(help="Column of weights, above 0.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column that identifies dependent rows: image_id.")] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    unit: Annotated[
        str, typer.Option(help="The response is a fraction (0 to 1), in percent, or any number.")
    ] = "fraction",
    missing: Annotated[str, typer.Option(help="Rows with empty cells: error, or drop.")] = "error",
    glm: Annotated[
        bool,
        typer.Option("--glm", help="Also fit a binomial regression of counts; --cluster holds for its errors, too."),
    ] = False,
    correct: Annotated[str, typer.Option(help="For --glm: column of correct answers.")] = "correct",
    n: Annotated[
        str, typer.Option("--n", help="For --glm: column of all answers; 1 if each row is one answer, correct or not.")
    ] = "n",
    mixed: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Also fit a mixed model: each value of COLUMN, each photograph for example, has a level of its own "
            "(a random intercept). It says which share of the variance is between them.",
        ),
    ] = None,
    folder: Annotated[str | None, typer.Option("--out", metavar="DIR", help="Folder for tables and figures.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files in DIR that xray regress did not write.")
    ] = False,
) -> None:
    """Fit a multiple linear regression to a run or any table of accuracies, and print it as GraphPad Prism does.

    Of a run, models that are pretrained or trained on the original count. The response may be accuracy or p_true;
    --cluster image_id (or group) regresses single predictions instead of means.
    """
    from xray.core.progress import step
    from xray.pipeline.regress import FACTORS, RegressionSpec, parse_references
    from xray.pipeline.regress import regress as regress_table
    from xray.report.regression import files, interpretations, write

    spec = RegressionSpec(
        response, factors, parse_references(reference or [], factors or FACTORS),
        [pair.split(":") for pair in interactions or []], weights, cluster, confidence, unit, missing,
    )  # fmt: skip
    with step("fitting"):
        fitted = regress_table(table, spec, (correct, None if n == "1" else n) if glm else None, mixed)
    out.print(str(fitted.linear), markup=False)
    for name, reading in interpretations(fitted.binomial, fitted.mixed).items():
        out.print(f"\n{name}\n\n{reading}", markup=False)
    if folder is None:
        out.print("\nnothing written: --out DIR saves tables, figures and the interpretation")
        return
    contents = files(fitted.linear, cluster, fitted.binomial, fitted.mixed)
    write(contents, folder, force)
    out.print(f"\n{len(contents)} files in {folder}; start with reading.md", markup=False)
