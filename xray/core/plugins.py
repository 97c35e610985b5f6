"""Plug-ins: frozen dataclasses of settings, found by their name or by an import path.

A plug-in is a class in a file of its noun's folder (`xray/scenarios/`, `xray/sources/`, …) that derives from the
noun's base class and has a `name`. One from elsewhere is named as `package.module:Class`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic_core import PydanticCustomError

from xray.core.errors import ConfigError, XrayError, unknown

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def settings(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose fields are validated and whose unknown arguments are refused."""
    return validated_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)  # type: ignore[return-value]


def available(base: type[T]) -> dict[str, type[T]]:
    """The plug-ins of a noun by name: the named subclasses of `base` in the package that holds it."""
    by_name: Any = _available
    return dict(by_name(base))


@functools.cache
def _available(base: Any) -> dict[str, Any]:
    package = importlib.import_module(base.__module__.rpartition(".")[0])
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for member in members.values():
            if inspect.isclass(member) and issubclass(member, base) and "name" in vars(member):
                found[vars(member)["name"]] = member
    return dict(sorted(found.items()))


def find(kind: str, base: type[T], name: str) -> type[T]:
    """The plug-in class called `name`, or at the import path `package.module:Class`.

    Raises:
        XrayError: no such plug-in, or what was found there is none of this kind.
    """
    if ":" not in name:
        try:
            return available(base)[name]
        except KeyError:
            raise unknown(kind, name, available(base)) from None
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot import {kind} {name!r}: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise ConfigError(f"{kind} {name!r} is not a subclass of {base.__module__}.{base.__name__}")
    return found


def build(kind: str, base: type[T], spec: str | Mapping[str, Any]) -> T:
    """A plug-in from its recipe entry: `"name"`, or `{"kind": "name", setting: value, …}`.

    Raises:
        XrayError: no such plug-in, or it has no such setting.
        pydantic.ValidationError: a setting is out of range.
    """
    fields = {"kind": spec} if isinstance(spec, str) else dict(spec)
    if "kind" not in fields:
        raise ConfigError(f"a {kind} needs `kind`, one of {', '.join(available(base))}")
    name = str(fields.pop("kind"))
    cls = find(kind, base, name)
    choices = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in fields:
        if key not in choices:
            raise ConfigError(str(unknown(f"setting of {kind} {name!r}", key, choices)), where=(key,))
    return TypeAdapter(cls).validate_python(fields)


def settings_of(plugin: object) -> dict[str, Any]:
    """The settings of a plug-in as plain JSON values, the inverse of `build` (without `kind`)."""
    dumped: dict[str, Any] = TypeAdapter(type(plugin)).dump_python(plugin, mode="json")
    return dumped


def checked(make: Callable[[Any], T]) -> Callable[[Any], T]:
    """Turn errors of a part into pydantic's, which know where the part stands in the recipe."""

    def make_checked(value: Any) -> T:
        try:
            return make(value)
        except ValidationError as error:
            first = error.errors()[0]
            context = first.get("ctx", {})
            said = f"{first['msg']} (got {first['input']!r})" if first["type"] != "part" else first["msg"]
            message, where = said, (*first["loc"], *context.get("where", ()))
        except XrayError as error:
            message, where = str(error), error.where
        raise PydanticCustomError("part", "{message}", {"message": message, "where": where})

    return make_checked


def dump(base: type[Any]) -> Callable[[object], dict[str, Any]]:
    """Writes a plug-in of this noun as its recipe entry, every setting spelled out."""

    def write(plugin: object) -> dict[str, Any]:
        cls = type(plugin)
        known = {found: name for name, found in available(base).items()}
        return {"kind": known.get(cls, f"{cls.__module__}:{cls.__qualname__}"), **settings_of(plugin)}

    return write


def field_of(
    kind: str, base: type[T], make: Callable[[Any], T] | None = None
) -> tuple[PlainValidator, PlainSerializer]:
    """Annotations of a settings field that holds a plug-in: read from its recipe entry, and written as one.

    Args:
        kind: of plug-in, for messages.
        base: of its noun.
        make: builds it from its entry; default: `build`.
    """

    def read(value: Any) -> T:
        return value if isinstance(value, base) else make(value) if make else build(kind, base, value)

    return PlainValidator(checked(read)), PlainSerializer(dump(base))
