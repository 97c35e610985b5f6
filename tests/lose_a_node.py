"""Goes on with a run on a cluster of three nodes, two of which have a GPU, and loses one of them in the middle.

python lose_a_node.py FOLDER RUN
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import ray
from pooled import logged
from ray.cluster_utils import Cluster

from xray.generate import generate
from xray.run import Run


def lose(cluster: Cluster, node: object, folder: Path) -> None:
    """Both painters are at work: now."""
    while len({pid for pid, _ in logged(folder, "paint")}) < 2:
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)


def main(folder: Path, name: str) -> None:
    noticed_soon = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
    head = {"num_cpus": 4, "num_gpus": 0, "include_dashboard": False, "_system_config": noticed_soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=2, num_gpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    losing = threading.Thread(target=lose, args=(cluster, nodes[1], folder), daemon=True)
    losing.start()
    told = generate(Run(str(folder / name)))
    losing.join()
    print(f"{told.ok} images with {ray.cluster_resources()['GPU']:g} GPU left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
