import pytest

from xray.report.text import phrase


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "image_grey", "region": "image"}, "the whole image"),
        ({"kind": "segmented", "fill": "white"}, "white"),
        ({"kind": "random_background", "compose": "additive"}, "added"),
        ({"kind": "my.module:Fog"}, "“fog”"),
    ],
)
def test_phrases_name_the_settings(settings, expected):
    assert expected in phrase("fog", settings)


def test_every_scenario_has_a_phrase():
    from xray.core.plugins import available
    from xray.scenarios.base import Scenario

    assert [kind for kind, scenario in available(Scenario).items() if scenario.phrase == Scenario.phrase] == []
