from __future__ import annotations

import pytest

from xray.cluster.metrics import Metrics, _ascii
from xray.runs.counts import RowCounts

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize("name", ["röd", "as taken, 100 %", "犬\n\\x"])
def test_names_may_have_any_characters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(f"file:///{name}", "generate", 2)
    labels: list[dict[str, str]] = []
    increase = metrics._images.inc

    def log(value: float, tags: dict[str, str]) -> None:
        labels.append(tags)
        increase(value, tags)

    monkeypatch.setattr(metrics._images, "inc", log)
    metrics.committed(RowCounts({name: {"ok": 2}}, bytes=10, seconds=0.5, shards=1))
    metrics.done()
    assert [(tags["run"], tags["scenario"]) for tags in labels] == [(f"file:///{_ascii(name)}", _ascii(name))]


def test_different_names_stay_different() -> None:
    assert [_ascii(name) for name in ("as taken", "röd", "rød")] == ["as taken", r"r\xf6d", r"r\xf8d"]
