"""Recipe entries that stand for several scenarios."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.core.yaml import dump
from xray.runs.recipe import parse_recipe, recipe_from, recipe_values
from xray.runs.vary import label

SOURCE = "source: {kind: imagefolder, root: photos}\n"


@pytest.mark.parametrize(
    "entry",
    [
        "  blur: {kind: blur_background, variants: 2, bleed: true, vary: {kernel: [9, 21], sigma: [0.5, 3]}}",
        "  - {name: blur, kind: blur_background, variants: 2, bleed: true, vary: {kernel: [9, 21], sigma: [0.5, 3]}}",
    ],
)
def test_one_scenario_for_each_combination(entry: str) -> None:
    recipe = parse_recipe(f"{SOURCE}scenarios:\n{entry}\n")
    assert list(recipe.scenarios) == ["blur-9-0.5", "blur-9-3", "blur-21-0.5", "blur-21-3"]
    found = {(entry.scenario.kernel, entry.scenario.sigma) for entry in recipe.scenarios.values()}  # type: ignore[attr-defined]
    assert found == {(9, 0.5), (9, 3), (21, 0.5), (21, 3)}
    assert all(entry.variants == 2 and entry.scenario.bleed for entry in recipe.scenarios.values())  # type: ignore[attr-defined]
    again = recipe_from({**recipe_values(recipe), "categories": {"ball": [430]}})
    assert again.scenarios == recipe.scenarios
    assert "vary" not in dump(recipe_values(recipe))


def test_presets_apply_to_every_combination() -> None:
    recipe = parse_recipe(
        f"{SOURCE}preset: ximagenet12\nscenarios: [{{kind: blur_background, vary: {{sigma: [2, 4]}}}}]\n"
    )
    assert [entry.scenario.bleed for entry in recipe.scenarios.values()] == [True, True]  # type: ignore[attr-defined]


def test_values_of_a_type_that_yaml_has() -> None:
    entry = "{kind: random_background, vary: {category: [any, null]}}"
    recipe = parse_recipe(f"{SOURCE}scenarios: [{entry}]\n")
    assert list(recipe.scenarios) == ["random_background-any", "random_background-null"]


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        ("vary: 3", "b.vary"),
        ("vary: {}", "b.vary"),
        ("vary: [sigma]", "b.vary"),
        ("vary: {sigma: 3}", "b.vary.sigma"),
        ("vary: {sigma: []}", "b.vary.sigma"),
        ("vary: {sgima: [1]}", "did you mean 'sigma'"),
        ("vary: {kind: [original]}", "b.vary.kind"),
        ("vary: {variants: [1, 2]}", "b.vary.variants"),
        ("sigma: 1, vary: {sigma: [1]}", "b.vary.sigma"),
        ("vary: {sigma: [1, -3]}", r"b.vary.sigma.1.*-3"),
        ("vary: {sigma: [1, big]}", r"b.vary.sigma.1.*big"),
        ("vary: {sigma: [1, 1]}", "'b-1'"),
        (f"vary: {{sigma: {list(range(1, 40))}, kernel: {list(range(1, 99, 2))}}}", "1,911"),
        ("sigma: -1, vary: {kernel: [9]}", "b.sigma"),
    ],
)
def test_what_cannot_vary_is_refused_with_its_line(rest: str, where: str) -> None:
    with pytest.raises(ConfigError, match=rf"line 4: scenarios\.b.*{where.removeprefix('b.')}"):
        parse_recipe(f"{SOURCE}scenarios:\n  original: original\n  b: {{kind: blur_background, {rest}}}\n")


def test_settings_within_others_vary() -> None:
    entry = "{kind: edit, size: {enlarge: false}, world: {kind: donor, complexity: low}, vary: {VARY}}"
    vary = "size.rate: [0.1, fit], world.category: [same, any], position.where: [centre]"
    recipe = parse_recipe(f"{SOURCE}scenarios: {{e: {entry.replace('VARY', vary)}}}\n")
    assert list(recipe.scenarios) == ["e-0.1-same-centre", "e-0.1-any-centre", "e-fit-same-centre", "e-fit-any-centre"]
    entries = [recipe_values(recipe)["scenarios"][name] for name in recipe.scenarios]
    assert [one["size"]["rate"] for one in entries] == [0.1, 0.1, "fit", "fit"]
    assert [one["world"]["category"] for one in entries] == ["same", "any", "same", "any"]
    assert {one["size"]["enlarge"] for one in entries} == {False}
    assert {one["world"]["complexity"] for one in entries} == {"low"}
    assert {one["position"]["where"] for one in entries} == {"centre"}
    again = recipe_from({**recipe_values(recipe), "categories": {"ball": [430]}})
    assert again.scenarios == recipe.scenarios


def test_worlds_vary_by_their_kind() -> None:
    recipe = parse_recipe(f"{SOURCE}scenarios: {{e: {{kind: edit, vary: {{world.kind: [tiled, noise]}}}}}}\n")
    assert [entry.scenario.world.name for entry in recipe.scenarios.values()] == ["tiled", "noise"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("vary: {wrld.category: [any]}", r"vary\.wrld\.category: .*did you mean 'world'"),
        ("vary: {world.category: [any]}", "needs `kind`"),
        ("world: donor, vary: {world.category: [any]}", r"vary\.world\.category: .*`world: donor`.*`world: {"),
        ("size: 0.1, vary: {size.enlarge: [true]}", r"vary\.size\.enlarge: .*`size: 0\.1`"),
        ("size: {rate: 0.1}, vary: {size.rate: [0.1]}", r"vary\.size\.rate: .*is set"),
        ("vary: {size: [0.1], size.enlarge: [true]}", r"vary\.size\.enlarge: .*`size`"),
        ("vary: {size.rate: [0.1, -3]}", r"vary\.size\.rate\.1.*-3"),
        ("vary: {size.rte: [0.1]}", r"vary\.size\.rte.*did you mean 'rate'"),
        ("vary: {size.rate.big: [0.1]}", r"vary\.size\.rate\.big"),
        ("vary: {size..rate: [0.1]}", r"vary\.size\.\.rate"),
        ("vary: {.: [0.1]}", r"vary\.\."),
        ("vary: {3: [0.1]}", r"vary\.3"),
        ("world: {kind: donor}, vary: {world.category: [any, nxt]}", r"vary\.world\.category\.1.*'next'.*nxt"),
        ("world: {kind: donor}, vary: {world.categry: [any]}", r"vary\.world\.categry.*did you mean 'category'"),
        ("vary: {size.rate: [-1], size.enlarge: [true]}", r"vary\.size\.rate\.0.*-1"),
    ],
)
def test_settings_within_others_that_cannot_vary(rest: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"line 4: scenarios\.b.*{said}"):
        parse_recipe(f"{SOURCE}scenarios:\n  original: original\n  b: {{kind: edit, {rest}}}\n")


@pytest.mark.parametrize("kind", ["", "kind: nothing,", "kind: [original],", "kind: {a: 1},"])
def test_an_entry_without_a_scenario_to_vary(kind: str) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_recipe(f"{SOURCE}scenarios: {{a: {{{kind} vary: {{sigma: [1]}}}}}}\n")


def test_names_of_combinations_are_unique_in_the_recipe() -> None:
    with pytest.raises(ConfigError, match=r"line 4.*'blur-1'"):
        parse_recipe(
            f"{SOURCE}scenarios:\n  blur-1: original\n  blur: {{kind: blur_background, vary: {{sigma: [1]}}}}\n"
        )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_labels_are_safe_in_names_of_files(value: object) -> None:
    text = label(value)
    assert text.isascii()
    assert not set(text) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-")
