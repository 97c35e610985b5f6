from __future__ import annotations

import pytest

from xray.cluster.metrics import Meters, _ascii
from xray.runs.counts import Progressed

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize("name", ["röd", "as taken, 100 %", "犬\n\\x"])
def test_names_may_be_anything(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    meters = Meters(f"file:///{name}", "generate", 2)
    told: list[dict[str, str]] = []
    count = meters._images.inc
    monkeypatch.setattr(meters._images, "inc", lambda value, tags: (told.append(tags), count(value, tags)))
    meters.committed(Progressed({name: {"ok": 2}}, bytes=10, seconds=0.5, shards=1))
    meters.done()
    assert [(tags["run"], tags["scenario"]) for tags in told] == [(f"file:///{_ascii(name)}", _ascii(name))]


def test_different_names_stay_different() -> None:
    assert [_ascii(name) for name in ("as taken", "röd", "rød")] == ["as taken", r"r\xf6d", r"r\xf8d"]
