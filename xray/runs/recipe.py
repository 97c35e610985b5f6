"""The recipe of a run: a YAML file, validated, with errors that name file, line and key."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from xray.backgrounds.base import Bank
from xray.backgrounds.filtering.settings import Filter
from xray.backgrounds.own_photos import OwnPhotos
from xray.backgrounds.removal.base import Remover
from xray.core import yaml
from xray.core.errors import ConfigError, Rejected, XrayError, unknown
from xray.core.files import read_bytes
from xray.core.images import Format, Limits
from xray.core.plugins import (
    UNKNOWN_KEY,
    available,
    checked,
    dump,
    explain,
    field_of,
    path_to,
    settings,
    settings_of,
    unknown_key,
)
from xray.core.text import decode_text
from xray.core.uri import to_uri
from xray.masks import Annotations, Gates, Refiner
from xray.masks.formats.from_source import FromSource
from xray.masks.given import Given
from xray.models.registry import is_folder, models_by_name, parse_model
from xray.runs.resources import Pools
from xray.runs.training import Training, training_fields
from xray.runs.vary import variations
from xray.scenarios import Scenario, build_scenario
from xray.sources.base import Source
from xray.sources.categories import Category, load_categories
from xray.sources.groups import Groups, groups_of

T = TypeVar("T")


Level = Annotated[int, Field(ge=0, le=255)]


@settings
class ScenarioEntry:
    """One scenario of a recipe.

    Args:
        scenario: the scenario with its settings.
        variants: images per photograph, ≥ 1; they differ if the scenario depends on the seed.
    """

    scenario: Annotated[Scenario, PlainValidator(lambda value: value), PlainSerializer(dump(Scenario))]
    variants: Annotated[int, Field(ge=1, le=1000)] = 1


def _scenario_entries(value: Any) -> dict[str, ScenarioEntry]:
    """Convert a list of names and mappings, or a mapping by name, to entries by name."""
    entries: dict[str, ScenarioEntry] = {}
    for where, name, item in _named(value):
        for name_of_one, entry in _checked_at((where,), functools.partial(_entries_of, name), item):
            if name_of_one in entries:
                raise ConfigError(f"two scenarios are named {name_of_one!r}; give one of them another `name`", (where,))
            entries[name_of_one] = entry
    if not entries:
        raise ConfigError("`scenarios` needs at least one scenario, such as [original, blur_background]")
    return entries


def _named(value: Any) -> Iterator[tuple[str | int, str, Any]]:
    """Yield the key or index, the name and the content of each entry."""
    if isinstance(value, Mapping):
        yield from ((name, str(name), item) for name, item in value.items())
    for index, item in enumerate(value if isinstance(value, list) else ()):
        fields = {"kind": item} if isinstance(item, str) else item
        yield index, str(fields.get("name", fields.get("kind")) if isinstance(fields, dict) else None), fields


def _entries_of(name: str, value: Any) -> list[tuple[str, ScenarioEntry]]:
    """Return the scenarios of one entry by name: several if it has `vary`."""
    if isinstance(value, ScenarioEntry):
        return [(name, value)]
    value = {"kind": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise ConfigError(f"a scenario must be a name, or a mapping with `kind`; got {value!r}")
    fields = {key: setting for key, setting in value.items() if key not in ("name", "variants")}
    entries = []
    for one in variations(name, fields):
        try:
            scenario = checked(build_scenario)(one.fields)
        except PydanticCustomError as error:
            context = error.context or {}
            raise ConfigError(context["message"], one.locate(tuple(context["where"]))) from error
        entries.append((one.name, ScenarioEntry(scenario=scenario, variants=value.get("variants", 1))))
    return entries


def _checked_at(where: tuple[str | int, ...], make: Callable[[Any], T], value: Any) -> T:
    try:
        return checked(make)(value)
    except PydanticCustomError as error:
        context = error.context or {}
        raise ConfigError(context["message"], (*where, *context["where"])) from error


def _dump_scenarios(entries: dict[str, ScenarioEntry]) -> dict[str, Any]:
    write = dump(Scenario)
    return {name: {**write(entry.scenario), "variants": entry.variants} for name, entry in entries.items()}


def _category_table(value: Any) -> tuple[Category, ...]:
    return value if isinstance(value, tuple) else load_categories(value)


def _dump_categories(categories: tuple[Category, ...] | None) -> dict[str, Any] | None:
    if categories is None:
        return None
    return {
        category.name: {key: value for key, value in settings_of(category).items() if key != "name" and value}
        for category in categories
    }


@settings
class Images:
    """The file format of generated images.

    Args:
        format: `jpeg` (4:4:4), or lossless `png`; transparent images are always PNG.
        quality: JPEG quality, 1–100.
    """

    format: Format = "jpeg"
    quality: Annotated[int, Field(ge=1, le=100)] = 95


@settings
class Masks:
    """Origin, refinement and acceptance of masks.

    Args:
        annotations: format and location of the given masks or boxes; default: those of the source.
        refine: the refiner that computes the final masks from them.
        gates: conditions that an accepted mask meets.
    """

    annotations: Annotated[Annotations, *field_of("annotation format", Annotations)] = FromSource()
    refine: Annotated[Refiner, *field_of("mask refiner", Refiner)] = Given()
    gates: Gates = Gates()

    @property
    def refiner(self) -> Refiner:
        """What makes the masks: `refine`, behind a detector if the annotations are words.

        Raises:
            ConfigError: the annotations and `refine` do not fit together.
        """
        return self.annotations.combine(self.refine)


@settings
class Recipe:
    """The complete definition of a run.

    Args:
        source: the photographs.
        name: a name for reports.
        seed: determines, together with the ids, everything random.
        categories: accepted class indices of each category, by name; None: from the names of the source's folders.
        groups: a table of the photographs that belong together, or the keys below; None: only copies of a file do.
        masks: where masks come from.
        backgrounds: background photographs for `random_background`.
        remover: fills the area of removed objects; None: `patchmatch` where it is installed, else `telea`.
        scenarios: the scenarios, by name; default: every classical one.
        filter: checks of inpainted images.
        pools: actors for models of refinement, removal and inpainting.
        images: file format of generated images.
        limits: limits on photographs, checked before they are decoded.
        shard_size: photographs per shard.
        bad_rows: share of rows, 0–1, that may be rejected or failed before the run stops.
        transparent_on: background colour (RGB) on which models see transparent images.
        models: model strings by name, see `xray list models`.
        training: what `xray sweep` trains, and how; None: nothing.
    """

    source: Annotated[Source, *field_of("source", Source)]
    name: str = "xray"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    categories: Annotated[
        tuple[Category, ...] | None, BeforeValidator(checked(_category_table)), PlainSerializer(_dump_categories)
    ] = None
    groups: Annotated[Groups | None, BeforeValidator(groups_of)] = None
    masks: Masks = Masks()
    backgrounds: Annotated[Bank, *field_of("background pool", Bank)] = OwnPhotos()
    remover: Annotated[Remover | None, *field_of("remover", Remover, optional=True)] = None
    scenarios: Annotated[
        dict[str, ScenarioEntry], PlainValidator(checked(_scenario_entries)), PlainSerializer(_dump_scenarios)
    ] = Field(default_factory=lambda: _scenario_entries(list(default_scenarios())))
    filter: Filter = Filter()
    pools: Pools = Pools()
    images: Images = Images()
    limits: Limits = Limits()
    shard_size: Annotated[int, Field(ge=1, le=4096)] = 32
    bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.01
    transparent_on: tuple[Level, Level, Level] = (0, 0, 0)
    models: Annotated[dict[str, str], BeforeValidator(checked(models_by_name))] = Field(default_factory=dict)
    training: Annotated[Training | None, BeforeValidator(checked(training_fields))] = None

    @property
    def needs_masks(self) -> bool:
        """Whether a scenario looks at masks, or a segmenter is trained; otherwise none are read or made."""
        trained = self.training.models.values() if self.training else ()
        segmenters = (spec for spec in trained if not is_folder(spec) and parse_model(spec).task == "segmentation")
        shown = any(entry.scenario.needs_mask for entry in self.scenarios.values()) or self.needs_removed
        return shown or any(segmenters)

    @property
    def needs_removed(self) -> bool:
        """Whether a scenario shows a photograph without its object, so that objects are removed."""
        scenarios = [entry.scenario for entry in self.scenarios.values()]
        return any(one.needs_removed for one in scenarios) or self.removes_donors

    @property
    def removes_donors(self) -> bool:
        """Whether donors are photographs of the run that are shown without their objects."""
        rules = (entry.scenario.donor_rule for entry in self.scenarios.values())
        return self.backgrounds.shows_objects and any(rule is not None and rule.removed for rule in rules)


_MAX_BYTES = 10_000_000
"""Of a recipe; see `xray.core.yaml` for characters and values."""


def default_scenarios() -> tuple[str, ...]:
    """Return the names of the scenarios of a recipe that names none, `original` first."""
    names = [name for name, scenario in available(Scenario).items() if scenario.by_default]
    return ("original", *(name for name in names if name != "original"))


def recipe_from(value: Mapping[str, Any], preset: str | None = None) -> Recipe:
    """Build a recipe from plain values.

    Args:
        value: the content of a recipe file.
        preset: preset of every scenario that has it and names no other, and of the remover, unless the recipe names
            one; `preset` in `value` overrides it.

    Raises:
        pydantic.ValidationError: a key is unknown, or a value is out of range.
        XrayError: the preset is unknown.
    """
    fields = dict(value)
    preset = fields.pop("preset", preset)
    if preset is not None:
        plugins: list[type[Scenario] | type[Remover]] = [*available(Scenario).values(), *available(Remover).values()]
        presets = {name for plugin in plugins for name in plugin.presets}
        if not isinstance(preset, str) or preset not in presets:
            raise ConfigError(str(unknown("preset", preset, presets)), ("preset",))
        removers = [name for name, remover in available(Remover).items() if preset in remover.presets]
        if removers and fields.get("remover") is None:
            fields["remover"] = {"kind": removers[0], "preset": preset}
        scenarios = fields.get("scenarios", list(default_scenarios()))
        fields["scenarios"] = _map_entries(scenarios, functools.partial(_with_preset, preset))
    return TypeAdapter(Recipe).validate_python(fields)


def _map_entries(scenarios: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(scenarios, Mapping):
        return {name: change(entry) for name, entry in scenarios.items()}
    return [change(entry) for entry in scenarios] if isinstance(scenarios, list) else scenarios


def _with_preset(preset: str, entry: Any) -> Any:
    """Add the preset to an entry whose scenario has it. Invalid entries stay: building them raises the error."""
    fields = {"kind": entry} if isinstance(entry, str) else entry
    scenario = available(Scenario).get(str(fields.get("kind"))) if isinstance(fields, Mapping) else None
    return {"preset": preset, **fields} if scenario is not None and preset in scenario.presets else entry


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain JSON values, including all defaults; `recipe_from` is the inverse."""
    values: dict[str, Any] = TypeAdapter(Recipe).dump_python(recipe, mode="json")
    return values


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Parse a recipe from YAML.

    Args:
        text: the YAML text.
        name: file name, for messages.

    Raises:
        XrayError: the recipe is invalid; the message names file, line, key, value and choices.
    """
    values, lines = yaml.load(text, name)
    if not isinstance(values, dict):
        raise ConfigError(
            f"{name}, line 1: a recipe must be a mapping such as `source: {{kind: imagefolder, root: photos}}`"
        )
    try:
        recipe = recipe_from(values)
        _check_models(recipe)
    except ValidationError as error:
        raise ConfigError("\n".join(_located(details, error, lines, name) for details in error.errors())) from error
    except XrayError as error:
        raise ConfigError(f"{name}, line {lines[error.where]}: {error}") from error
    return recipe


def _check_models(recipe: Recipe) -> None:
    """Refuse model strings that mean no model anywhere. A folder may exist on the machines of a cluster only."""
    for where, models in (("models",), recipe.models), (("training",), recipe.training and recipe.training.models):
        for spec in (models or {}).values():
            if not is_folder(spec):
                try:
                    parse_model(spec)
                except ConfigError as error:
                    raise ConfigError(str(error), where) from error


def load_recipe(location: str) -> Recipe:
    """Read a recipe from a YAML file, by path or URI.

    Raises:
        XrayError: the file cannot be read, or the recipe is invalid; see `parse_recipe`.
    """
    try:
        text = decode_text(read_bytes(to_uri(location), _MAX_BYTES))
    except Rejected as verdict:
        if verdict.reason == "missing_file":
            raise ConfigError(f"no recipe {location!r}; `xray init PHOTOS` writes one") from verdict
        raise ConfigError(f"cannot read the recipe {location!r}: {verdict.detail}") from verdict
    except ValueError as error:
        raise ConfigError(f"{location}: {error}") from error
    return parse_recipe(text, location)


def _located(details: ErrorDetails, error: ValidationError, lines: yaml.Lines, name: str) -> str:
    path = path_to(details)
    known = next(path[:end] for end in range(len(path), -1, -1) if path[:end] in lines)
    where = ".".join(str(part) for part in path)
    return f"{name}, line {lines[known]}: {where}: {_explain(details, error)}"


def _explain(details: ErrorDetails, error: ValidationError) -> str:
    """Return pydantic's message with the value, or with the choices if a key is unknown."""
    if details["type"] == "missing":
        return "is missing"
    return unknown_key(Recipe, details) if details["type"] == UNKNOWN_KEY else explain(details, error)
