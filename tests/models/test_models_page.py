from __future__ import annotations

import re

import pytest
from support.paths import ROOT

from xray.models import parse_model
from xray.models.head import skeleton
from xray.models.reduced import Reduced

PAGE = (ROOT / "docs/models.md").read_text()
ROWS = {
    spec: (float(millions), int(side))
    for spec, millions, side in re.findall(r"^\| [^|]+ \| `(\S+)` \| ([\d.]+) \| (\d+) \|", PAGE, flags=re.MULTILINE)
}
SLOW = ("smp:segformer-mit_b2",)  # it cannot be built without memory for its weights


def test_all_reduced_ones_are_on_the_page() -> None:
    assert {spec for spec in ROWS if spec.startswith("reduced:")} == {f"reduced:{name}" for name in Reduced.choices()}
    assert len(ROWS) == len(re.findall(r"^\| [^|]+ \| `", PAGE, flags=re.MULTILINE)) == 34


@pytest.mark.parametrize("spec", [spec for spec in ROWS if spec not in SLOW])
def test_parameters_and_sides_are_as_the_page_says(spec: str) -> None:
    model = parse_model(spec)
    millions, side = ROWS[spec]
    assert model.side() == side
    module = skeleton(lambda classes: model.trainable(classes).module, 12)
    assert sum(value.numel() for value in module.parameters()) / 1e6 == pytest.approx(millions, abs=0.00501)
