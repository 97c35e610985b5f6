"""A strict subset of YAML: no tags, no aliases, no duplicate keys; every value has its line number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from xray.core.errors import ConfigError
from xray.core.text import printable

Path = tuple[str | int, ...]
Lines = dict[Path, int]

_SCALARS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}
_MAX_DEPTH = 20
_TOO_DEEP = f"nested more than {_MAX_DEPTH} levels deep"
_MAX_CHARACTERS, _MAX_VALUES = 1_000_000, 100_000
"""A `data.yaml` that names ImageNet's 21,841 classes has 0.5 million characters."""
_MAX_BITS, _MAX_DIGITS = 64, 400
_SHOWN = 60
# The parser in Python takes seconds for what libyaml takes milliseconds; nearly all builds of PyYAML have both.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, name: str) -> tuple[Any, Lines]:
    """Parse a YAML document into its value and the line (from 1) of every key and item; `name` is for errors.

    Raises:
        ConfigError: the YAML is invalid, or uses what recipes must not; names the line.

    >>> load("a: {b: 2}", "recipe")
    ({'a': {'b': 2}}, {(): 1, ('a',): 1, ('a', 'b'): 1})
    """
    if len(text) > _MAX_CHARACTERS:
        raise ConfigError(f"{name} has {len(text):,} characters, at most {_MAX_CHARACTERS:,} are read as YAML")
    try:
        _check_events(yaml.parse(text, Loader=_Loader), name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = _TOO_DEEP if "nesting depth" in str(error.problem) else error.problem  # libyaml looks ahead
        raise ConfigError(f"{name}, line {line}: {problem}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"{name}: {' '.join(str(error).split())}") from error
    if node is None:
        raise ConfigError(f"{name} is empty")
    lines: Lines = {(): 1}
    return _value(node, (), lines, name), lines


def dump(value: Any) -> str:
    """Write a document that `load` reads back, its keys in the given order."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def quote(text: str) -> str:
    r"""Quote text so that `load` reads it back, whatever characters it has, with readable letters of all languages.

    >>> print(quote("Füchse\n\x7f"))
    "Füchse\n\u007f"
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[^ -~\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]", _escape, quoted)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _check_events(events: Iterable[yaml.Event], name: str) -> None:
    depth = 0
    for count, event in enumerate(events):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ConfigError(f"{name}, line {line}: {_TOO_DEEP}")
        if count > _MAX_VALUES:
            raise ConfigError(f"{name}, line {line}: more than {_MAX_VALUES:,} values")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError(f"{name}, line {line}: anchors and aliases (& and *) are not allowed")
        if tag := getattr(event, "tag", None):
            raise ConfigError(f"{name}, line {line}: tags such as {tag!r} are not allowed")


def _value(node: yaml.Node, path: Path, lines: Lines, name: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)  # of a value in a mapping, the line of its key
    if isinstance(node, yaml.ScalarNode):
        _check_characters(node, name)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines, name) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, name)
    if node.tag not in _SCALARS:  # dates and the like are the text they are
        return node.value
    line, shown = node.start_mark.line + 1, printable(repr(node.value[: 2 * _MAX_DIGITS]), _SHOWN)
    if len(node.value) > _MAX_DIGITS and not node.tag.endswith(":str"):  # 1:59:59 is a number, to the base of 60
        raise ConfigError(f"{name}, line {line}: the number {shown} has {len(node.value):,} characters")
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(f"{name}, line {line}: {shown} is not a number: {error}") from error
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ConfigError(f"{name}, line {line}: the number {shown} has more than {_MAX_BITS} bits; text needs quotes")
    return value


def _check_characters(node: yaml.ScalarNode, name: str) -> None:
    """Refuse escapes such as backslash-ud800 and backslash-0, which no file name and no table can hold."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in node.value):
        where, shown = f"{name}, line {node.start_mark.line + 1}", printable(repr(node.value), _SHOWN)
        raise ConfigError(f"{where}: {shown} has characters that no file name and no table can hold")


def _mapping(node: yaml.MappingNode, path: Path, lines: Lines, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{name}, line {line}: a key must be plain text")
        _check_characters(key_node, name)
        key = key_node.value
        if key in values:
            raise ConfigError(f"{name}, line {line}: {key!r} appears twice (first in line {lines[(*path, key)]})")
        lines[(*path, key)] = line
        values[key] = _value(value_node, (*path, key), lines, name)
    return values
