"""Curves, maps, controls and pairs that a recipe's scenarios make."""

from __future__ import annotations

from xray.runs.factors import (
    complexity_levels,
    curve_levels,
    edit_controls,
    grid_scenarios,
    position_maps,
    same_but,
)
from xray.runs.recipe import recipe_from, recipe_values


def values(scenarios):
    return recipe_values(recipe_from({"source": "shapes", "scenarios": scenarios}))


CELLS = [(row, column) for row in range(3) for column in range(3)]


def grid(worlds=("removed",)):
    return {
        f"grid-{row}{column}-{rate}-{world}": {
            "kind": "edit",
            "size": rate,
            "position": {"cell": [row, column]},
            "world": world,
        }
        for row, column in CELLS
        for rate in (0.1, 0.05)
        for world in worlds
    }


def test_sizes_are_a_curve_whose_smallest_is_the_most_severe():
    sizes = {f"size-{rate}": {"kind": "edit", "size": rate} for rate in (0.05, 0.2, 0.1)}
    levels = curve_levels(
        values({"original": "original", "pasted": "edit", "fit": {"kind": "edit", "size": "fit"}, **sizes})
    )
    assert {level.curve for level in levels} == {"size"}
    assert [(level.level, level.severity) for level in levels] == [(0.2, 0), (0.1, 1), (0.05, 2)]
    assert all(level.ordered for level in levels)


def test_angles_are_a_curve_without_an_order_of_severity_and_without_the_control():
    angles = {f"turned-{angle}": {"kind": "edit", "direction": angle} for angle in (1, -30, 30)}
    levels = curve_levels(values({"original": "original", **angles}))
    assert [(level.curve, level.level, level.ordered) for level in levels] == [
        ("angle", -30.0, False),
        ("angle", 30.0, False),
    ]


def test_complexity_is_a_curve_of_ordered_words():
    ladder = {
        name: {"kind": "edit", "world": {"kind": "donor", "complexity": name}} for name in ("high", "low", "median")
    }
    levels = curve_levels(values({"original": "original", **ladder}))
    assert [(level.factor, level.level, level.label) for level in levels] == [
        ("complexity", 0.0, "low"),
        ("complexity", 1.0, "median"),
        ("complexity", 2.0, "high"),
    ]


def test_curves_of_one_factor_are_told_apart_by_the_other_settings():
    levels = curve_levels(values({"original": "original", **grid(worlds=("removed", "noise"))}))
    sizes = [level for level in levels if level.factor == "size"]
    curves = {level.curve for level in sizes}
    assert len(curves) == 18
    assert {sum(level.curve == curve for level in sizes) for curve in curves} == {2}


def test_variants_do_not_split_a_curve():
    blurs = {f"b{sigma}": {"kind": "blur_background", "sigma": sigma, "variants": sigma} for sigma in (1, 3)}
    assert [level.level for level in curve_levels(values({"original": "original", **blurs}))] == [1.0, 3.0]


def test_position_maps_are_complete_or_absent():
    maps = position_maps(values({"original": "original", **grid()}))
    assert len(maps) == 2
    assert {len(cells) for cells in maps.values()} == {9}
    assert next(iter(maps.values()))[2, 1] == "grid-21-0.1-removed"
    partial = dict(list(grid().items())[:16])
    assert not position_maps(values({"original": "original", **partial}))


def test_grid_needs_size_and_position():
    assert len(grid_scenarios(values({"original": "original", **grid()}))) == 18
    assert not grid_scenarios(values({"original": "original", "small": {"kind": "edit", "size": 0.1}}))


def test_controls_of_edits():
    recipe = values(
        {
            "original": "original",
            "pasted": "edit",
            "resampled": {"kind": "edit", "direction": 1},
            "small": {"kind": "edit", "size": 0.1},
            "turned": {"kind": "edit", "direction": 20},
            "moved": {"kind": "edit", "position": "random"},
            "same": {"kind": "edit", "world": {"kind": "donor", "category": "same"}},
            "random": {"kind": "random_background"},
            "whole": {"kind": "random_background", "donor": "whole"},
            "grey": "image_grey",
        }
    )
    assert edit_controls(recipe) == {
        "small": "resampled", "turned": "resampled", "moved": "pasted", "same": "pasted", "random": "pasted",
    }  # fmt: skip
    del recipe["scenarios"]["resampled"]
    assert edit_controls(recipe)["small"] == "pasted"
    del recipe["scenarios"]["pasted"]
    assert edit_controls(recipe) == {}


def test_pairs_differ_in_one_setting_only():
    worlds = {
        f"{category}-{complexity}": {
            "kind": "edit",
            "world": {"kind": "donor", "category": category, "complexity": complexity},
        }
        for category in ("same", "any", "next")
        for complexity in (None, "low")
    }
    pairs = same_but(values({"original": "original", **worlds}), "edit", "world.category", ["same", "any"])
    assert sorted(pairs) == [("same-None", "any-None"), ("same-low", "any-low")]


def test_guided_inpainting_belongs_to_the_unguided_one():
    def guided(strength, **settings):
        guide = {"kind": "adversarial", "surrogate": "lite:efficientnet-lite0", "strength": strength}
        return {"painter": {"kind": "sdxl", "guide": guide, **settings}}

    scenarios = {
        "original": "original",
        "pasted": "edit",
        "misled": {"kind": "generated_background", **guided(0.1)},
        "plain": {"kind": "generated_background", **guided(0)},
        "other": {"kind": "generated_background", **guided(0.1, steps=7)},
        "small": {"kind": "edit", "size": 0.1, "world": {"kind": "painted", **guided(0.1)}},
        "small_plain": {"kind": "edit", "size": 0.1, "world": {"kind": "painted", **guided(0)}},
        "large": {"kind": "edit", "size": 0.2, "world": {"kind": "painted", **guided(0.1)}},
        "large_plain": {"kind": "edit", "size": 0.2, "world": "painted"},
    }
    recipe = values(scenarios)
    controls = {"misled": "plain", "small": "small_plain", "large": "large_plain"}
    assert edit_controls(recipe) == {**controls, "small_plain": "pasted", "large_plain": "pasted"}
    levels = [level for level in curve_levels(recipe) if level.factor == "guide strength"]
    assert [(level.scenario, level.ordered) for level in levels] == [
        ("plain", False), ("misled", False), ("small_plain", False), ("small", False),
    ]  # fmt: skip


def test_levels_of_complexity_are_those_of_donors_and_of_guides_by_complexity():
    def painted(kind, strength):
        guide = {"kind": kind, "strength": strength}
        guide |= {"surrogate": "lite:efficientnet-lite0"} if kind == "adversarial" else {}
        return {"kind": "edit", "world": {"kind": "painted", "painter": {"kind": "sdxl", "guide": guide}}}

    donors = {
        f"{category}-{word}": {"kind": "edit", "world": {"kind": "donor", "category": category, "complexity": word}}
        for category in ("same", "any")
        for word in ("high", "low")
    }
    guided = {
        f"{kind}-{strength}": painted(kind, strength) for kind in ("complexity", "adversarial") for strength in (0.1, 0)
    }
    sizes = {"large": {"kind": "edit", "size": 0.2}, "small": {"kind": "edit", "size": 0.1}}
    levels = complexity_levels(values({"original": "original", **donors, **guided, **sizes}))
    assert list(levels.values()) == [
        ["same-low", "same-high"],
        ["any-low", "any-high"],
        ["complexity-0", "complexity-0.1"],
    ]
    assert complexity_levels(values({"original": "original", **sizes})) == {}


def test_labels_of_levels_are_short_numbers():
    turned = {f"turned-{angle}": {"kind": "edit", "direction": {"angle": float(angle)}} for angle in (-45, 15)}
    assert [level.label for level in curve_levels({"scenarios": turned})] == ["-45", "15"]
