"""Plug-ins: frozen dataclasses of settings, selected by name or by import path.

A plug-in is a class with a `name` that derives from the base class of its kind and is defined in the same package
(`xray/scenarios/`, `xray/sources/`, …), or in the one that the base class names as its `package`. A plug-in from
elsewhere is selected as `package.module:Class`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import itertools
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic_core import ErrorDetails, PydanticCustomError

from xray.core.errors import ConfigError, XrayError, unknown
from xray.core.text import printable

T = TypeVar("T")

_SHOWN = 400
"""Characters of a value that an error shows."""
_imports: ContextVar[bool] = ContextVar("imports", default=True)
_process = {"trusts": False}
UNKNOWN_KEY = "unexpected_keyword_argument"
"""Pydantic's type of error for a key that settings do not have."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def settings(cls: type[T]) -> type[T]:
    """Turn a class into a frozen dataclass that validates its fields and refuses unknown arguments."""
    return validated_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)  # type: ignore[return-value]


def available(base: type[T]) -> dict[str, type[T]]:
    """Return the plug-ins of one kind by name: the named subclasses of `base` in its package."""
    by_name: Any = _available
    return dict(by_name(base))


@functools.cache
def _available(base: Any) -> dict[str, Any]:
    package = importlib.import_module(vars(base).get("package") or base.__module__.rpartition(".")[0])
    classes: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for member in members.values():
            if inspect.isclass(member) and issubclass(member, base) and "name" in vars(member):
                classes[vars(member)["name"]] = member
    return dict(sorted(classes.items()))


def trust_plugins() -> None:
    """Let this process import the plug-ins that runs name: it does their work, or its user trusts them."""
    _process["trusts"] = True


@contextlib.contextmanager
def reading_run() -> Iterator[None]:
    """Import no plug-in in this block, which handles what a run names, unless the process trusts runs."""
    token = _imports.set(_process["trusts"])
    try:
        yield
    finally:
        _imports.reset(token)


def find(kind: str, base: type[T], name: Any) -> type[T]:
    """Return the plug-in class with a name, or at the import path `package.module:Class`; `kind` is for messages.

    Raises:
        XrayError: the plug-in does not exist, is of another kind, or would have to be imported where that is not
            allowed (see `reading_run`).
    """
    if not isinstance(name, str):
        raise ConfigError(f"`kind` is the name of a {kind}, one of {', '.join(available(base))}; got {name!r}")
    if ":" not in name:
        try:
            return available(base)[name]
        except KeyError:
            raise unknown(kind, name, available(base)) from None
    module, _, attribute = name.partition(":")
    if module not in sys.modules and not _imports.get():
        raise ConfigError(
            f"the {kind} {name!r} is code that the run names, and is not imported. If you trust the run, use --trust "
            f"(in Python `xray.open(RUN, trust=True)`, or `import {module}` first)"
        )
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        raise ConfigError(f"cannot import {kind} {name!r}: {error}") from error
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise ConfigError(f"{kind} {name!r} is not a subclass of {base.__module__}.{base.__name__}")
    return cls


def build(kind: str, base: type[T], spec: str | Mapping[str, Any]) -> T:
    """Build a plug-in from its recipe entry: `"name"`, or `{"kind": "name", setting: value, …}`.

    Where the class has `presets`, the entry may name one as `preset`; the entry's own settings win.

    Raises:
        XrayError: the plug-in, its preset or one of its settings does not exist.
        pydantic.ValidationError: a setting is out of range.
    """
    if not isinstance(spec, str | Mapping):
        raise ConfigError(f"a {kind} is a name, or a mapping with `kind`; got {spec!r}")
    fields = {"kind": spec} if isinstance(spec, str) else dict(spec)
    if "kind" not in fields:
        raise ConfigError(f"a {kind} needs `kind`, one of {', '.join(available(base))}")
    name = fields.pop("kind")
    cls = find(kind, base, name)
    presets: Any = getattr(cls, "presets", None)
    if presets is not None and (preset := fields.pop("preset", None)) is not None:
        if not presets:
            raise ConfigError(f"{kind} {name!r} has no presets: remove `preset: {preset}`", where=("preset",))
        if not isinstance(preset, str) or preset not in presets:
            raise ConfigError(str(unknown(f"preset of {kind} {name!r}", preset, presets)), where=("preset",))
        fields = {**presets[preset], **fields}
    choices = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in fields:
        if key not in choices:
            raise ConfigError(str(unknown(f"setting of {kind} {name!r}", key, choices)), where=(key,))
    try:
        return TypeAdapter(cls).validate_python(fields)
    except ValidationError as error:
        # A misspelt key is the reason why another one is missing.
        for details in error.errors():
            if details["type"] == UNKNOWN_KEY:
                raise ConfigError(unknown_key(cls, details), where=details["loc"]) from error
        raise


def settings_of(plugin: object) -> dict[str, Any]:
    """Return the settings of a plug-in as plain JSON values, without `kind`: the inverse of `build`."""
    dumped: dict[str, Any] = TypeAdapter(type(plugin)).dump_python(plugin, mode="json")
    return dumped


def checked(make: Callable[[Any], T]) -> Callable[[Any], T]:
    """Convert the errors of a function to pydantic's, which hold the location in the recipe."""

    def make_checked(value: Any) -> T:
        try:
            return make(value)
        except ValidationError as error:
            first = error.errors()[0]
            message, where = explain(first, error), path_to(first)
        except XrayError as error:
            message, where = str(error), error.where
        raise PydanticCustomError("part", "{message}", {"message": message, "where": where})

    return make_checked


def path_to(details: ErrorDetails) -> tuple[str | int, ...]:
    """Return the keys and indices that lead to a faulty value, without pydantic's names for alternatives of types."""
    path = (*details["loc"], *details.get("ctx", {}).get("where", ()))
    return tuple(itertools.takewhile(lambda part: "[" not in str(part), path))


def explain(details: ErrorDetails, error: ValidationError) -> str:
    """Return what is wrong with a value, with the value; for each of the alternatives if its type has several."""
    if details["type"] == "part":
        return details["msg"]
    where = path_to(details)
    same = [details, *(one for one in error.errors() if len(one["loc"]) > len(where) and path_to(one) == where)]
    texts = dict.fromkeys(one["msg"].removeprefix("Value error, ").replace("valid tuple", "list") for one in same)
    return f"{'; or '.join(texts)} (got {printable(repr(details['input']), _SHOWN)})"


def unknown_key(cls: Any, details: ErrorDetails) -> str:
    """Return what is wrong with a key that the settings at some place within the settings `cls` do not have."""
    *outer, key = details["loc"]
    for part in outer:
        hint = get_type_hints(cls)[str(part)]
        cls = next((arg for arg in get_args(hint) if dataclasses.is_dataclass(arg)), hint)  # of `Training | None`
    return str(unknown("key", key, [field.name for field in dataclasses.fields(cls)]))


def dump(base: type[Any]) -> Callable[[object], dict[str, Any]]:
    """Return a function that converts a plug-in of this kind to its recipe entry with all settings."""

    def write(plugin: object) -> dict[str, Any]:
        cls = type(plugin)
        names = {known: name for name, known in available(base).items()}
        return {"kind": names.get(cls, f"{cls.__module__}:{cls.__qualname__}"), **settings_of(plugin)}

    return write


def field_of(kind: str, base: type[T], *, optional: bool = False) -> tuple[PlainValidator, PlainSerializer]:
    """Return the annotations of a settings field with a plug-in, which read and write it as its recipe entry.

    `optional`: the field may be None.
    """
    write = dump(base)

    def read(value: Any) -> T | None:
        if optional and value is None:
            return None
        return value if isinstance(value, base) else build(kind, base, value)

    def dumped(plugin: object) -> dict[str, Any] | None:
        return None if optional and plugin is None else write(plugin)

    return PlainValidator(checked(read)), PlainSerializer(dumped)
