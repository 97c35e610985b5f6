from __future__ import annotations

import pytest

from xray.core.errors import XrayError
from xray.runs.roles import reference_scenario


def test_the_reference_is_found_by_its_kind() -> None:
    assert reference_scenario({"scenarios": {"x": {"kind": "image_grey"}, "y": {"kind": "original"}}}) == "y"
    with pytest.raises(XrayError, match=r"original.*has grey"):
        reference_scenario({"scenarios": {"grey": {"kind": "image_grey"}}})
