from __future__ import annotations

import numpy as np
import pytest

from xray.core.complexity import complexity
from xray.core.compositing import crop_to_size
from xray.core.errors import Rejected
from xray.core.plugins import available
from xray.core.types import Photo
from xray.scenarios.worlds.base import World
from xray.scenarios.worlds.donor import Donor

PHOTO = Photo(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), bool))


def test_donor_is_cropped_to_the_photograph():
    donor = np.random.default_rng(2).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    around = Donor().render(PHOTO, 5, donor)
    expected, window = crop_to_size(donor, 30, 20, 5)
    np.testing.assert_array_equal(around.image, expected)
    assert around.sampled == {"donor_window": list(window)}


def test_the_complexity_of_what_is_shown_is_recorded_where_donors_are_chosen_by_it():
    donor = np.zeros((40, 30, 3), np.uint8)
    donor[:10] = np.random.default_rng(2).integers(0, 256, (10, 30, 3), dtype=np.uint8)  # beside any lower window
    shown = [Donor(complexity="high").render(PHOTO, seed, donor) for seed in range(8)]
    assert [around.sampled["complexity"] for around in shown] == [complexity(around.image) for around in shown]
    assert len({around.sampled["complexity"] for around in shown}) > 1


def test_without_a_donor():
    with pytest.raises(Rejected, match="no_donor"):
        Donor().render(PHOTO, 5)


@pytest.mark.parametrize("category", ["any", "same", "other", "next"])
@pytest.mark.parametrize("complexity", [None, "low", "median", "high"])
@pytest.mark.parametrize("shown", ["removed", "whole"])
def test_settings_decide_rule_and_phrase(category, complexity, shown):
    world = Donor(category=category, complexity=complexity, object=shown)
    rule = world.donor_rule
    assert (rule.category, rule.complexity, rule.removed) == (category, complexity, shown == "removed")
    others = {Donor(category="any").phrase, Donor(category="same", complexity="low").phrase}
    assert "{" not in world.phrase
    assert len({world.phrase, *others}) >= 2


def test_every_world_says_what_it_is():
    worlds = available(World)
    assert {"removed", "donor", "tiled", "painted", "colour", "noise"} <= set(worlds)
    assert all(world.summary for world in worlds.values())
