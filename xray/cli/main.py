"""The command line: one command per verb."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from xray.cli import list, weights
from xray.cli.evaluate import evaluate
from xray.cli.generate import generate
from xray.cli.init import init
from xray.cli.mask import mask
from xray.cli.options import SeveralWords
from xray.cli.pipeline import pipeline
from xray.cli.plan import plan
from xray.cli.regress import regress
from xray.cli.remove import remove
from xray.cli.score import realism, report, score
from xray.cli.signals import ending_on_signals
from xray.cli.status import status
from xray.cli.sweep import sweep
from xray.cli.verify import verify
from xray.core.errors import Rejected, XrayError

app = typer.Typer(
    name="xray",
    help="X-rays vision models: what a model looks at when it should look at the object.",
    epilog="From photos to a report: xray init PHOTOS, then xray pipeline recipe.yaml runs/mine --first 2",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_OF_FILES = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EROFS)
"""Errors of the operating system that the user can fix: the path is wrong, or its permissions."""
_SEVERAL_WORDS = (sweep, regress)
_COMMANDS: tuple[Callable[..., None], ...] = (
    init, plan, mask, remove, generate, evaluate, sweep, score, report, regress, realism, pipeline, status, verify,
)  # fmt: skip


def _print_version(wanted: bool) -> None:
    if wanted:
        from xray.cli.version import version

        typer.echo(version())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show versions of xray, Python, Ray and torch.",
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


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
        _refuse(error, str(error))
    except OSError as error:
        if error.errno not in _OF_FILES or error.filename is None:
            raise
        _refuse(error, f"{os.fsdecode(error.filename)!r}: {error.strerror}")


def _refuse(error: Exception, message: str) -> NoReturn:
    print(f"xray: {message}", file=sys.stderr)
    raise SystemExit(2) from error
