"""The command line: one command per verb."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import typer

from xray.cli import list, weights
from xray.cli.evaluate import evaluate
from xray.cli.generate import generate, mask
from xray.cli.init import init
from xray.cli.options import SeveralWords
from xray.cli.pipeline import pipeline
from xray.cli.plan import plan
from xray.cli.regress import regress
from xray.cli.score import realism, report, score
from xray.cli.signals import ending_on_signals
from xray.cli.status import status
from xray.cli.sweep import sweep
from xray.cli.verify import verify
from xray.core.errors import Rejected, XrayError

app = typer.Typer(
    name="xray",
    help="X-rays vision models: what a model looks at when it should look at the object.",
    epilog="From photos to a report: xray init PHOTOS, then xray pipeline recipe.yaml runs/mine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_SEVERAL_WORDS = (sweep, regress)
_COMMANDS: tuple[Callable[..., None], ...] = (
    init, plan, mask, generate, evaluate, sweep, score, report, regress, realism, pipeline, status, verify,
)  # fmt: skip
for _command in _COMMANDS:
    app.command(cls=SeveralWords if _command in _SEVERAL_WORDS else None)(_command)
app.command("list")(list.list_plugins)
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run the command line. Errors that the user can fix are one line without a traceback, and exit code 2.

    SIGINT ends it with 130, SIGTERM with 143.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("xray").setLevel(logging.INFO)
    try:
        with ending_on_signals():
            app()
    except (XrayError, Rejected) as error:
        print(f"xray: {error}", file=sys.stderr)
        raise SystemExit(2) from error
