from __future__ import annotations

import pickle

import pytest
from support.paths import ROOT

from xray.core.errors import XrayError
from xray.core.plugins import available, build, settings_of
from xray.scenarios import Scenario, build_scenario

from .strategies import EVERY

DOCS = ROOT / "docs/scenarios.md"
DIFFERS = {
    "blur_background": {"bleed": True},
    "generated_background": {"prompts": "fig14"},
    "random_background": {"compose": "additive", "donor": "whole"},
    "transparent": {"under_alpha": "kept"},
}
UNPUBLISHED = {"bright_object", "edit", "image_grey", "no_object", "noise"}


def test_presets():
    presets = {name: cls.presets for name, cls in available(Scenario).items()}
    published = presets.keys() - UNPUBLISHED
    expected = {name: {"ximagenet12": DIFFERS.get(name, {})} if name in published else {} for name in presets}
    assert presets == {**expected, "edit": {"imagenet_e": {"as_released": True}}}


@pytest.mark.parametrize("name", available(Scenario))
def test_presets_can_be_built(name):
    for preset, fields in available(Scenario)[name].presets.items():
        built = build_scenario({"kind": name, "preset": preset})
        assert {key: getattr(built, key) for key in fields} == fields


def test_explicit_settings_override_the_preset():
    spec = {"kind": "random_background", "preset": "ximagenet12", "compose": "alpha"}
    assert build_scenario(spec) == build_scenario({"kind": "random_background", "donor": "whole"})
    assert spec == {"kind": "random_background", "preset": "ximagenet12", "compose": "alpha"}


@pytest.mark.parametrize(
    ("spec", "message", "where"),
    [
        ({"kind": "transparent", "preset": "ximagenet21"}, "did you mean 'ximagenet12'", ("preset",)),
        ({"kind": "no_object", "preset": "ximagenet12"}, "'no_object' has no presets", ("preset",)),
        ({"kind": "blur_backgrond"}, "did you mean 'blur_background'", ()),
        ({"preset": "ximagenet12"}, "needs `kind`", ()),
        ({"kind": "blur_object", "sigm": 3}, "did you mean 'sigma'", ("sigm",)),
    ],
)
def test_invalid_entries_are_refused(spec, message, where):
    with pytest.raises(XrayError, match=message) as refused:
        build_scenario(spec)
    assert refused.value.where == where


@pytest.mark.parametrize("scenario", EVERY, ids=repr)
def test_recipe_and_pickle_round_trip(scenario):
    assert build("scenario", Scenario, {"kind": scenario.name, **settings_of(scenario)}) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario


@pytest.mark.parametrize("name", available(Scenario))
def test_every_scenario_and_setting_is_documented(name):
    cls = available(Scenario)[name]
    assert cls.summary
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{name}`"))
    assert [key for key in settings_of(cls()) if f"`{key}`" not in row] == []
