"""The resources of trials: how many train at once, and what each gets of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from xray.core.errors import ResourceError
from xray.runs.training import Training

_ROUNDING = 1 + 1e-6
_MINIMAL = {"cpu": 0.0, "memory": 1.0}
"""Ray Tune refuses an empty request, hence one byte; 0.01 CPUs would keep a whole CPU from the workers."""


@dataclass(frozen=True)
class TrialResources:
    """The resources of trials.

    Args:
        gpus: share of a GPU for each worker; 0: they train on CPUs.
        per_trial: what Ray Tune reserves for a trial's own process. Several workers reserve their own resources.
        concurrent: number of trials that train at once.
    """

    gpus: float
    per_trial: Mapping[str, float]
    concurrent: int

    @classmethod
    def of(cls, training: Training, cluster: Mapping[str, float], *, streams: bool) -> Self:
        """Choose the resources of trials on a cluster; decoding images during training takes one more CPU per trial.

        Raises:
            ResourceError: too few CPUs or GPUs for one trial.
        """
        total_gpus = float(cluster.get("GPU", 0))
        gpus = training.gpus if training.gpus is not None else float(total_gpus >= 1)
        cpus = training.cpus * training.workers + float(streams)
        concurrent = int(cluster.get("CPU", 0) / cpus * _ROUNDING)
        if gpus:  # a share of one GPU cannot be assembled from two
            concurrent = min(concurrent, int(total_gpus) * int(_ROUNDING / gpus) // training.workers)
        if not concurrent:
            needed = f"{cpus:g} CPUs" + (f" and {training.workers} × {gpus:g} GPUs" if gpus else "")
            decoding = ", one of them to decode images (`feed: hold` needs none)" if streams else ""
            raise ResourceError(
                f"one trial needs {needed}{decoding}, and the cluster has {cluster.get('CPU', 0):g} CPUs and "
                f"{total_gpus:g} GPUs; lower `workers`, `cpus` or `gpus` of `training:`"
            )
        return cls(gpus, {"cpu": training.cpus, "gpu": gpus} if training.workers == 1 else _MINIMAL, concurrent)
