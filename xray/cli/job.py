"""Run a command as a job of a Ray cluster: its last line is one JSON object that summarizes it."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

from xray.core.errors import ConfigError, Rejected, XrayError

JOB = "{job}"
"""Placeholder for the job's submission id: submitting the same id again resumes the same run."""


def run_verb(verb: str) -> None:
    """Run `xray VERB …` with this process's arguments, and exit with its code.

    The last line of standard output is one JSON object: verb, exit code, seconds, error, and `run_summary`. Arguments
    may contain `{job}`, the submission id of the job.
    """
    from xray.cli.main import main

    started = time.monotonic()
    arguments, error, code = sys.argv[1:], "", 1
    try:
        arguments = with_job_id(arguments)
        sys.argv = ["xray", verb, *arguments]
        main()
        code = 0
    except SystemExit as end:
        code, error = int(end.code or 0), str(end.__cause__ or "")
    except XrayError as refused:
        code, error = 2, str(refused)
        print(f"xray: {refused}", file=sys.stderr)
    except Exception as unexpected:  # noqa: BLE001 - report any error before the last line
        error = f"{type(unexpected).__name__}: {unexpected}"
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        summary = {"verb": verb, "exit": code, "seconds": round(time.monotonic() - started, 1), "error": error or None}
        print(json.dumps(summary | run_summary(verb, arguments)), flush=True)
    sys.exit(code)


def with_job_id(arguments: list[str]) -> list[str]:
    """Replace `{job}` in arguments by the job's submission id.

    Raises:
        ConfigError: this process is not a submitted job.

    >>> with_job_id(["recipe.yaml", "runs/mine"])
    ['recipe.yaml', 'runs/mine']
    """
    if not any(JOB in argument for argument in arguments):
        return arguments
    metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("metadata") or {}
    if (name := metadata.get("job_submission_id")) is None:
        raise ConfigError(f"{JOB} is the id of a submitted job, and this process is none: write the run's path instead")
    return [argument.replace(JOB, name) for argument in arguments]


def run_summary(verb: str, arguments: list[str]) -> dict[str, Any]:
    """Return the URI, images, predictions by model and trials by state of the run that a command names.

    Empty if there is no such run.
    """
    from typer.main import get_command

    from xray.cli.main import app
    from xray.pipeline.status import status
    from xray.runs.folder import RunFolder

    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    uri = command.make_context(verb, [*arguments], resilient_parsing=True).params.get("run")
    if uri is None:
        return {}
    try:
        run = RunFolder.open(uri)
        state = status(run)
    except (XrayError, Rejected):  # the command has reported it
        return {}
    columns = ("planned", "done", "ok", "rejected", "failed")
    counts = dict(zip(columns, map(sum, list(zip(*state.table, strict=True))[1:]), strict=True))
    return {"run": run.uri, **counts, "predictions": dict(state.predicted), "trials": dict(state.trials)}
