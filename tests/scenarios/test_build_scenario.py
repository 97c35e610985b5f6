from __future__ import annotations

import doctest
import importlib
import pickle
import pkgutil

import pytest
from support.paths import ROOT

import xray.scenarios
from xray.core.errors import XrayError
from xray.core.plugins import available, build, settings_of
from xray.scenarios import Scenario, build_scenario

from .strategies import EVERY

DOCS = ROOT / "docs/scenarios.md"
DIFFERS = {
    "blur_background": {"bleed": True},
    "generated_background": {"prompts": "fig14"},
    "random_background": {"compose": "additive"},
    "transparent": {"under_alpha": "kept"},
}
UNPUBLISHED = {"bright_object", "image_grey", "no_object"}


def test_the_preset_of_every_scenario():
    presets = {name: cls.presets for name, cls in available(Scenario).items()}
    published = presets.keys() - UNPUBLISHED
    assert presets == {name: {"ximagenet12": DIFFERS.get(name, {})} if name in published else {} for name in presets}


@pytest.mark.parametrize("name", available(Scenario))
def test_presets_are_settings_that_can_be_built(name):
    for preset, fields in available(Scenario)[name].presets.items():
        built = build_scenario({"kind": name, "preset": preset})
        assert {key: getattr(built, key) for key in fields} == fields


def test_written_settings_win_over_the_preset():
    spec = {"kind": "random_background", "preset": "ximagenet12", "compose": "alpha"}
    assert build_scenario(spec) == build_scenario("random_background")
    assert spec == {"kind": "random_background", "preset": "ximagenet12", "compose": "alpha"}


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(XrayError, match="'ximagenet21'; did you mean 'ximagenet12'") as refused:
        build_scenario({"kind": "transparent", "preset": "ximagenet21"})
    assert refused.value.where == ("preset",)


@pytest.mark.parametrize("kind", sorted(UNPUBLISHED))
def test_a_preset_of_a_scenario_without_any_is_refused(kind):
    with pytest.raises(XrayError, match=f"'{kind}' has no presets, so not 'ximagenet12'"):
        build_scenario({"kind": kind, "preset": "ximagenet12"})


@pytest.mark.parametrize("preset", [None, "ximagenet12"])
def test_an_unknown_scenario_is_refused_by_name(preset):
    with pytest.raises(XrayError, match="did you mean 'blur_background'"):
        build_scenario({"kind": "blur_backgrond", "preset": preset})


@pytest.mark.parametrize("spec", [{}, {"preset": "ximagenet12"}, {"fill": "black"}])
def test_a_spec_without_a_kind_is_refused(spec):
    with pytest.raises(XrayError, match="needs `kind`"):
        build_scenario(spec)


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(XrayError, match="did you mean 'sigma'") as refused:
        build_scenario({"kind": "blur_object", "sigm": 3})
    assert refused.value.where == ("sigm",)


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
def test_settings_survive_a_recipe_and_a_pickle(scenario):
    assert build("scenario", Scenario, {"kind": scenario.name, **settings_of(scenario)}) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario


@pytest.mark.parametrize("name", available(Scenario))
def test_every_scenario_and_setting_is_documented(name):
    cls = available(Scenario)[name]
    assert cls.summary
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{name}`"))
    assert [key for key in settings_of(cls()) if f"`{key}`" not in row] == []


@pytest.mark.parametrize("module", [name for _, name, _ in pkgutil.iter_modules(xray.scenarios.__path__)])
def test_examples_in_docstrings(module):
    assert doctest.testmod(importlib.import_module(f"xray.scenarios.{module}")).failed == 0


def test_the_example_of_build_scenario():
    results = doctest.testmod(xray.scenarios)
    assert results.attempted > 0
    assert results.failed == 0
