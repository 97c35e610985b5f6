from __future__ import annotations

import pytest
import ray

from xray.cluster import session
from xray.core.errors import XrayError


def test_a_cluster_that_cannot_be_reached_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**options: object) -> None:
        raise ConnectionError(f"Failed to connect to Ray cluster at {options['address']}")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", unreachable)
    told = r"no Ray at RAY_ADDRESS=10\.0\.0\.1:6379, or it cannot be reached: Failed to"
    with pytest.raises(XrayError, match=told), session.connected():
        pass
