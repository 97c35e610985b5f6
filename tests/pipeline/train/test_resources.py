from __future__ import annotations

import pytest

from xray.core.errors import XrayError
from xray.pipeline.train.resources import Layout
from xray.runs.training import Training


def layout(cluster: dict[str, float], *, streams: bool = False, **changes: object) -> Layout:
    return Layout.of(Training(models=["reduced:resnet"], **changes), cluster, streams=streams)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cluster", "changes", "streams", "at_once", "gpus"),
    [
        ({"CPU": 4}, {}, False, 4, 0),
        ({"CPU": 4}, {}, True, 2, 0),
        ({"CPU": 4}, {"workers": 2}, False, 2, 0),
        ({"CPU": 16, "GPU": 4}, {}, False, 4, 1),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0.25}, False, 16, 0.25),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0.4}, False, 8, 0.4),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0}, False, 16, 0),
        ({"CPU": 16, "GPU": 4}, {"workers": 4}, False, 1, 1),
        ({"CPU": 3, "GPU": 4}, {}, False, 3, 1),
    ],
)
def test_as_many_trials_as_fit(
    cluster: dict[str, float], changes: dict[str, object], streams: bool, at_once: int, gpus: float
) -> None:
    made = layout(cluster, streams=streams, **changes)
    assert (made.at_once, made.gpus) == (at_once, gpus)
    asked = made.share["cpu"] * made.at_once
    assert asked <= cluster["CPU"]


def test_workers_that_train_together_leave_nothing_to_the_process_that_waits_for_them() -> None:
    share = layout({"CPU": 4}, workers=2).share
    assert share["cpu"] == share.get("gpu", 0) == 0


@pytest.mark.parametrize(
    ("cluster", "changes", "streams", "said"),
    [
        ({"CPU": 1}, {"workers": 2}, False, "one trial wants 2 CPUs, and the cluster has 1 CPUs and 0 GPUs"),
        ({"CPU": 1}, {}, True, "2 CPUs, one of them to decode images"),
        ({"CPU": 4}, {"gpus": 1}, False, "1 CPUs and 1 × 1 GPUs, and the cluster has 4 CPUs and 0 GPUs"),
        ({"CPU": 4, "GPU": 1}, {"workers": 2}, False, "2 CPUs and 2 × 1 GPUs"),
    ],
)
def test_a_cluster_that_is_too_small_is_refused(
    cluster: dict[str, float], changes: dict[str, object], streams: bool, said: str
) -> None:
    with pytest.raises(XrayError, match=said):
        layout(cluster, streams=streams, **changes)
