"""Write the reference of all recipe keys, `recipe.md`, from the settings classes and their docstrings.

python docs/recipe.py
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from xray.core.plugins import available
from xray.runs.recipe import Recipe
from xray.runs.training import PRESETS as TRAINING_PRESETS

INTRODUCTION = """# Recipe reference

Every key of a recipe, with its type, default, range and meaning. `python docs/recipe.py` writes this page from the
settings classes and their docstrings, and a test compares the two. `xray init PHOTOS` writes a recipe to start from;
[jobs/recipes/](../jobs/recipes/) holds complete ones.

```yaml
source: {kind: imagefolder, root: photos, split: val}
masks: {annotations: {kind: png, root: masks}}
scenarios:
  - original
  - {kind: blur_background, sigma: 5}
  - {kind: image_r, name: red_object, region: object, variants: 3}
models: ["timm:resnet50", "lite:efficientnet-lite0"]
```

- **A plug-in** (source, annotation format, refiner, background pool, remover, scenario, inpainter) is written as its
  name, or as a mapping with `kind` and its settings. `kind: package.module:Class` names one from your own package.
- **A preset** fills in what the entry leaves out. `preset: ximagenet12` at the top of a recipe applies to every
  scenario that has it and names no other; scenarios, inpainters and `training` also take a `preset` of their own.
- **An unknown key or a value out of range** is an error that names the file, the line, the key and the choices.
- `null` is YAML's "no value". A key whose default is “required” has none.
"""

SCENARIOS = """A list of names and mappings, or a mapping by name. Besides the settings of its `kind`, an entry takes:

| key | type | default | range | meaning |
|---|---|---|---|---|
| `kind` | text | required |  | The scenario. |
| `name` | text | its `kind` | unique | Its name in tables and figures. |
| `preset` | text | none |  | A named set of settings; written settings win. |
| `variants` | {type} | {default} | {range} | {meaning} |
| `vary` | mapping of settings to lists of values | none |  | A scenario for each combination: `NAME-VALUE-…`. |

Settings within others have dotted keys in `vary`: `world.category`. [scenarios.md](scenarios.md) says
what each one shows and which region it preserves."""
NOTES = {
    "source": "Choose one by `kind`; `xray list sources` prints them.",
    "categories": "The name of a built-in set (`imagenet1k`, `ximagenet12`, `animals`); a list of labels "
    "(`[dog, red fox]`); or a mapping from each category's name to its classes, or to the keys below. Classes are "
    "ImageNet-1k indices (`277`), ranges (`151-268`), WordNet ids (`n02084071`) and words (`dog`), alone or in a list: "
    "`pet: [dog, tabby, 282]`. A word or id above the classes means all classes below it. Ambiguous and unknown words "
    "are refused with choices. An empty list is a line that somebody must still decide, and is refused too; an empty "
    "mapping, `widget: {}`, is a category that ImageNet does not have. `xray list categories dog` searches.",
    "masks.annotations": "Choose one by `kind`; `xray list masks` prints them.",
    "backgrounds": "Choose one by `kind`; `xray list backgrounds` prints them.",
    "remover": "Choose one by `kind`; `xray list removers` prints them. What each leaves: [editing.md](editing.md).",
}
TYPES = {
    "categories.indices": "integers, ranges, ids and words",
    "models": "list of texts, or mapping of names to texts",
    "training.models": "list of texts, or mapping of names to texts",
    "pools.refine.actors": "integer, or list of 2 integers, or null",
}
"""Types of keys that are converted before they are checked, so that more is allowed than the type hint says."""
PATHS = {
    "painter": "scenarios: generated_background: painter",
    "guide": "scenarios: generated_background: painter: sdxl: guide",
    "detector": "masks.annotations: text: detector",
}
"""Headings of plug-ins that are settings of other plug-ins; below the first of those."""


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([INTRODUCTION, *_settings("Recipe", Recipe)]) + "\n"


def _settings(heading: str, cls: type, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the section of a settings class, then those of the settings and plug-ins that its keys hold."""
    yield from (f"## {heading}", "", NOTES.get(heading, _summary(cls)), "")
    yield from _table(cls, heading, skip)
    if heading == "training":
        yield from _presets(TRAINING_PRESETS)
    hints = get_type_hints(cls, include_extras=True)
    seen: dict[type, str] = {}
    for field in dataclasses.fields(cls):
        path = _path(heading, field.name)
        for part in _parts(hints[field.name]):
            if part in seen:
                yield from (f"## {path}", "", f"The keys are those of [{seen[part]}](#{anchor(seen[part])}).", "")
            elif _is_plugin(part):
                yield from _plugins(path, part)
            elif part.__name__ == "ScenarioEntry":
                yield from _scenarios(path, part)
            elif dataclasses.is_dataclass(part):
                skipped = ("name",) if path == "categories" else ()
                yield from _settings(path, part, skipped)
            seen.setdefault(part, path)


def _scenarios(path: str, entry: type) -> Iterator[str]:
    hint = get_type_hints(entry, include_extras=True)["variants"]
    field = next(field for field in dataclasses.fields(entry) if field.name == "variants")
    meaning = _meaning(entry, "variants")
    note = SCENARIOS.format(type=type_of(hint), default=_default(field), range=range_of(hint), meaning=meaning)
    (base,) = _parts(get_type_hints(entry, include_extras=True)["scenario"])
    yield from _plugins(path, base, note)


def _plugins(path: str, base: type, note: str | None = None) -> Iterator[str]:
    """Yield the section of a plug-in noun, and one below it for each of its plug-ins."""
    yield from (f"## {path}", "", note or NOTES.get(path) or "Choose one by `kind`.", "")
    shared = _field_names(base)
    if shared:
        yield from ("Each kind takes these keys, and its own:", "")
        yield from _table(base, path)
    for name, cls in available(base).items():
        yield from (f"### {path}: {name}", "", _summary(cls), "")
        yield from _table(cls, f"{path}: {name}", shared)
        yield from _presets(getattr(cls, "presets", {}))
        hints = get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            for part in _parts(hints[field.name]):
                inner = _path(f"{path}: {name}", field.name)
                if not inner.startswith(f"{path}: {name}"):
                    continue  # it has its section elsewhere
                yield from _plugins(inner, part) if _is_plugin(part) else _settings(inner, part)


def _presets(presets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if presets:
        yield from ("| preset | sets |", "|---|---|")
        yield from (f"| `{name}` | {_values(fields)} |" for name, fields in presets.items())
        yield ""


def _table(cls: type, heading: str, skip: tuple[str, ...] = ()) -> Iterator[str]:
    hints = get_type_hints(cls, include_extras=True)
    fields = [field for field in dataclasses.fields(cls) if field.name not in skip]
    if not fields:
        yield from ("No settings.", "")
        return
    yield from ("| key | type | default | range | meaning |", "|---|---|---|---|---|")
    for field in fields:
        path, hint = _path(heading, field.name), hints[field.name]
        cells = (f"`{field.name}`", _linked(hint, path), _default(field), range_of(hint), _meaning(cls, field.name))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _path(heading: str, name: str) -> str:
    return name if heading == "Recipe" else PATHS.get(name, f"{heading}.{name}")


def _linked(hint: Any, path: str) -> str:
    """Return the type of a key, linked to its section where it has one of its own."""
    for part in _parts(hint):
        word = "list or mapping" if path == "scenarios" else "plug-in" if _is_plugin(part) else "mapping"
        return f"[{word}](#{anchor(path)})"
    return TYPES.get(path) or type_of(hint)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading.

    >>> anchor("masks.annotations: coco")
    'masksannotations-coco'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _parts(hint: Any) -> list[type]:
    """Return the settings classes and plug-in bases inside a type hint."""
    if inspect.isclass(hint) and get_origin(hint) is None:
        return [hint] if dataclasses.is_dataclass(hint) or _is_plugin(hint) else []
    return [part for inner in get_args(hint) for part in _parts(inner)]


def _is_plugin(cls: type) -> bool:
    own = cls.__module__.startswith("xray.") and "name" in cls.__annotations__
    return own and "name" not in _field_names(cls)


def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


def type_of(hint: Any) -> str:
    """Return a type hint in words.

    >>> type_of(tuple[int, ...] | None), type_of(Literal["jpeg", "png"])
    ('list of integers, or null', '`jpeg`, `png`')
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_of(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        words = [type_of(one) for one in inner if one is not type(None)]
        return " or ".join(words) + (", or null" if type(None) in inner else "")
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of {_plural(type_of(inner[0]))}"
        return f"list of {len(inner)} {_plural(type_of(inner[0]))}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"mapping of text to {type_of(inner[1])}"
    names = {bool: "true, false", int: "integer", float: "number", str: "text", Path: "path"}
    return names.get(hint, "mapping")


def _plural(word: str) -> str:
    return {"text": "texts"}.get(word, f"{word}s")


def range_of(hint: Any) -> str:
    """Return the limits of a type hint, empty if it has none.

    >>> from pydantic import Field
    >>> range_of(Annotated[float, Field(gt=0, le=10)] | None), range_of(Annotated[int, Field(ge=1)])
    ('> 0, ≤ 10', '≥ 1')
    """
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
    limits: list[str] = []
    if get_origin(hint) is Annotated:
        for constraint in _constraints(hint.__metadata__):
            if isinstance(constraint, MinLen):
                limits.append(f"at least {constraint.min_length}" if constraint.min_length > 1 else "not empty")
            elif type(constraint) in signs:
                sign, name = signs[type(constraint)]
                limits.append(f"{sign} {_number(getattr(constraint, name))}")
    for inner in get_args(hint):
        if get_origin(hint) is not Literal and (inside := range_of(inner)) and inside not in limits:
            limits.append(inside)
    return ", ".join(limits)


def _constraints(metadata: Iterable[Any]) -> Iterator[Any]:
    for extra in metadata:
        yield from extra.metadata if isinstance(extra, FieldInfo) else (extra,)


def _number(value: float) -> str:
    return "2⁶³" if value == 2**63 else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if isinstance(value, FieldInfo):
        value = value.get_default(call_default_factory=True)
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "required"
    if field.name == "scenarios" and isinstance(value, dict):
        return "every classical scenario"
    if dataclasses.is_dataclass(value):
        return f"`{value.name}`" if _is_plugin_object(value) else "its defaults"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(_plain, value))}]`"
    return f"`{_plain(value)}`"


def _is_plugin_object(value: object) -> bool:
    return isinstance(getattr(type(value), "name", None), str)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _values(fields: Mapping[str, Any]) -> str:
    text = ", ".join(f"`{key}: {_plain(value)}`" for key, value in fields.items())
    return text or "nothing: the defaults are already its values"


def _summary(cls: type) -> str:
    """Return what a docstring says before its arguments; line breaks inside a paragraph go."""
    text = (inspect.getdoc(cls) or "").partition("\nArgs:")[0]
    text = re.split(r"\n\s*(?:>>>|Raises:|Returns:|Example)", text)[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _meaning(cls: type, key: str) -> str:
    """Return the line of a key in `Args:` of its class, or of the base that declares it.

    Raises:
        LookupError: no docstring has it.
    """
    for base in cls.__mro__:
        arguments = inspect.cleandoc(base.__doc__ or "").partition("\nArgs:\n")[2]
        found = re.search(rf"^    {key}: (.*(?:\n     +.*)*)", arguments, re.MULTILINE)
        if found:
            text = re.sub(r"\bNone\b", "`null`", " ".join(found[1].split()))
            return (text[0].upper() + text[1:]).replace("|", "\\|")
    raise LookupError(f"{cls.__module__}.{cls.__qualname__}: no line for {key!r} in the docstring's Args")


if __name__ == "__main__":
    Path(__file__).with_name("recipe.md").write_text(page(), encoding="utf-8")
