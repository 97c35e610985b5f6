"""How many trials train at a time, and what each gets of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from xray.core.errors import XrayError
from xray.runs.training import Training

_ENOUGH = 1 + 1e-6
_NOTHING = {"cpu": 0.0, "memory": 1.0}
"""Ray Tune wants a trial to ask for something: a byte. A hundredth of a CPU would cost its workers a whole one."""


@dataclass(frozen=True)
class Layout:
    """What trials get.

    Args:
        gpus: share of a GPU for each worker; 0: they train on CPUs.
        share: what a trial's own process gets; where several workers train together, they get theirs, and it nothing.
        at_once: trials at a time.
    """

    gpus: float
    share: Mapping[str, float]
    at_once: int

    @classmethod
    def of(cls, training: Training, cluster: Mapping[str, float], *, streams: bool) -> Self:
        """For a cluster.

        Args:
            training: of the recipe.
            cluster: resources as Ray counts them: CPU, GPU.
            streams: images are decoded while others are trained on, which takes a CPU for each trial.

        Raises:
            XrayError: it has too few CPUs or GPUs for one trial.

        >>> training = Training(models=["timm:resnet50"], gpus=0.5)
        >>> Layout.of(training, {"CPU": 16, "GPU": 2}, streams=False).at_once
        4
        """
        there = float(cluster.get("GPU", 0))
        gpus = training.gpus if training.gpus is not None else float(there >= 1)
        cpus = training.cpus * training.workers + float(streams)
        fit = int(cluster.get("CPU", 0) / cpus * _ENOUGH)
        if gpus:  # a share of one GPU cannot be had from two
            fit = min(fit, int(there) * int(_ENOUGH / gpus) // training.workers)
        if not fit:
            wanted = f"{cpus:g} CPUs" + (f" and {training.workers} × {gpus:g} GPUs" if gpus else "")
            more = ", one of them to decode images (`feed: hold` needs none)" if streams else ""
            raise XrayError(
                f"one trial wants {wanted}{more}, and the cluster has {cluster.get('CPU', 0):g} CPUs and {there:g} "
                "GPUs; lower `workers`, `cpus` or `gpus` of `training:`"
            )
        return cls(gpus, {"cpu": training.cpus, "gpu": gpus} if training.workers == 1 else _NOTHING, fit)
