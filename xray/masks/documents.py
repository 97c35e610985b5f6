"""JSON that others wrote: taken only if it has the expected form."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

Document = TypeVar("Document", bound=BaseModel)


def parse_json(kind: type[Document], data: bytes) -> Document:
    """The document in these bytes.

    Raises:
        ValueError: what is wrong first, and where; never anything else, whatever the bytes are.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
