from __future__ import annotations

import pytest
import ray

from xray.cluster import session
from xray.core.errors import ResourceError


def test_an_unreachable_cluster_is_refused_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**options: object) -> None:
        raise ConnectionError(f"Failed to connect to Ray cluster at {options['address']}")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", unreachable)
    with pytest.raises(ResourceError, match=r"RAY_ADDRESS=10\.0\.0\.1:6379"), session.connected():
        pass
