from __future__ import annotations

import pytest

from xray.backgrounds.places import Places
from xray.core import schema
from xray.core.errors import ConfigError
from xray.runs.recipe import recipe_from, recipe_values
from xray.sources.stamps import Stamps

FORMER = {
    "source": {"kind": "stamps", "size": 256, "background_seed": 0, "cache": None},
    "backgrounds": {"kind": "places", "longest": 1024, "cache": None},
    "categories": {"fruit": {"indices": [948]}},
}


def test_recipes_of_earlier_runs_can_be_read() -> None:
    recipe = recipe_from(FORMER)
    assert (recipe.source, recipe.backgrounds) == (Stamps(), Places())
    assert recipe_values(recipe)["source"] == FORMER["source"]


def test_new_plans_are_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match="kind: animals"):
        Stamps().candidates([])
    with pytest.raises(ConfigError, match="kind: animals"):
        Stamps().categories()
    with pytest.raises(ConfigError, match="kind: monuments"):
        Places().candidates(schema.SOURCE.empty_table())
