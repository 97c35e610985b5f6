from __future__ import annotations

import pytest

from xray.core.errors import ResourceError
from xray.pipeline.train.resources import TrialResources
from xray.runs.training import Training


def choose(cluster: dict[str, float], *, streams: bool = False, **changes: object) -> TrialResources:
    return TrialResources.of(Training(models=["reduced:resnet"], **changes), cluster, streams=streams)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cluster", "changes", "streams", "concurrent", "gpus"),
    [
        ({"CPU": 4}, {}, False, 4, 0),
        ({"CPU": 4}, {}, True, 2, 0),
        ({"CPU": 4}, {"workers": 2}, False, 2, 0),
        ({"CPU": 16, "GPU": 4}, {}, False, 4, 1),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0.4}, False, 8, 0.4),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0}, False, 16, 0),
        ({"CPU": 16, "GPU": 4}, {"workers": 4}, False, 1, 1),
        ({"CPU": 3, "GPU": 4}, {}, False, 3, 1),
    ],
)
def test_as_many_trials_as_fit(
    cluster: dict[str, float], changes: dict[str, object], streams: bool, concurrent: int, gpus: float
) -> None:
    resources = choose(cluster, streams=streams, **changes)
    assert (resources.concurrent, resources.gpus) == (concurrent, gpus)
    assert resources.per_trial["cpu"] * resources.concurrent <= cluster["CPU"]


def test_several_workers_leave_no_cpu_to_the_waiting_process() -> None:
    per_trial = choose({"CPU": 4}, workers=2).per_trial
    assert per_trial["cpu"] == per_trial.get("gpu", 0) == 0


@pytest.mark.parametrize(
    ("cluster", "changes", "streams", "needed"),
    [
        ({"CPU": 1}, {"workers": 2}, False, "needs 2 CPUs, .* has 1 CPUs and 0 GPUs"),
        ({"CPU": 1}, {}, True, "needs 2 CPUs, one of them to decode"),
        ({"CPU": 4, "GPU": 1}, {"workers": 2}, False, "2 CPUs and 2 × 1 GPUs"),
    ],
)
def test_a_cluster_that_is_too_small(
    cluster: dict[str, float], changes: dict[str, object], streams: bool, needed: str
) -> None:
    with pytest.raises(ResourceError, match=needed):
        choose(cluster, streams=streams, **changes)
