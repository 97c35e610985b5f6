"""A verb as a job of a Ray cluster: the same command, with one JSON object of what it did in the last line."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

from xray.core.errors import Rejected, XrayError

JOB = "{job}"
"""Stands in a job's arguments for its submission id: who submits the same id again goes on with the same run."""


def run_verb(verb: str) -> None:
    """Do as `xray VERB …` does with this process's arguments, and end with its exit code.

    The last line of standard output is one JSON object: verb, exit code, seconds, error, and what `told_of_run` says.
    Arguments may hold `{job}`, the id that the job was submitted with.

    Args:
        verb: a command of xray.
    """
    from xray.cli.app import main

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
    except Exception as unexpected:  # noqa: BLE001 - whatever it is, it is told before the last line
        error = f"{type(unexpected).__name__}: {unexpected}"
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        told = {"verb": verb, "exit": code, "seconds": round(time.monotonic() - started, 1), "error": error or None}
        print(json.dumps(told | told_of_run(verb, arguments)), flush=True)
    sys.exit(code)


def with_job_id(arguments: list[str]) -> list[str]:
    """Arguments with the job's id in the place of `{job}`.

    Raises:
        XrayError: there is a `{job}`, and this is no submitted job.

    >>> with_job_id(["recipe.yaml", "runs/mine"])
    ['recipe.yaml', 'runs/mine']
    """
    if not any(JOB in argument for argument in arguments):
        return arguments
    metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("metadata") or {}
    if (name := metadata.get("job_submission_id")) is None:
        raise XrayError(f"{JOB} stands for the id of a job, and this was not submitted as one: name the run")
    return [argument.replace(JOB, name) for argument in arguments]


def told_of_run(verb: str, arguments: list[str]) -> dict[str, Any]:
    """What has become of the run that a command names.

    Returns:
        Its URI, and how many images are planned, done, ok, rejected and failed; predictions by model, and trainings by
        what has become of them. Nothing if there is no such run.
    """
    from typer.main import get_command

    from xray.cli.app import app
    from xray.pipeline.status import status
    from xray.runs.run import Run

    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    named = command.make_context(verb, [*arguments], resilient_parsing=True).params.get("run")
    if named is None:
        return {}
    try:
        run = Run.open(named)
        seen = status(run)
    except (XrayError, Rejected):  # the command has said so
        return {}
    columns = ("planned", "done", "ok", "rejected", "failed")
    counts = dict(zip(columns, map(sum, list(zip(*seen.table, strict=True))[1:]), strict=True))
    return {"run": run.uri, **counts, "predictions": dict(seen.predicted), "trials": dict(seen.trials)}
