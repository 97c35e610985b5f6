"""The form of `run.json`, the record of a run: what readers rely on is checked before they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xray.core.errors import DamagedError

Part = Annotated[str, Field(pattern=r"^\d+-\d+$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Entry(_Form):
    kind: str


class _Training(_Form):
    models: dict[str, str]
    scenarios: list[str] | None


class _Recipe(_Form):
    scenarios: Annotated[dict[str, _Entry], Field(min_length=1)]
    categories: dict[str, dict[str, Any]]
    source: _Entry
    models: dict[str, str] = {}
    training: _Training | None = None


class _Record(_Form):
    parts: list[Part]
    replaced: list[Part]
    recipe: _Recipe
    environment: dict[str, Any]
    remarks: list[str]
    files: dict[str, str]
    weights: dict[str, str] = {}
    first: int | None = None
    revoked: list[str] = []


def check_record(record: Mapping[str, Any], name: str) -> None:
    """Check the form of a record; what it may have besides is left alone.

    Args:
        record: its JSON values.
        name: of its file, for the message.

    Raises:
        DamagedError: something that readers need is missing, or of another type.
    """
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(map(str, first["loc"]))
        more = f", and {len(others)} more" if others else ""
        raise DamagedError(
            f"{name} is no record of a run ({where}: {first['msg']}{more}); restore it from a copy"
        ) from None
