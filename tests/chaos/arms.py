"""The arms of `kills.py`: CPU workers, GPU actors, the second node, the driver, a link."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from chaos.field import Field, Outcome
from chaos.links import of_links
from xray.pipeline.generate.generate import generate
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE

FILE_POINTS = ("open", "torn", "whole", "between", "receipt", "committed")


def workers_of(root: psutil.Process) -> list[psutil.Process]:
    """Return the descendants of a process that do a run's work, by the names that Ray gives them."""
    found = []
    for process in root.children(recursive=True):
        try:
            name = process.cmdline()[0] if process.cmdline() else ""
        except psutil.Error:
            continue
        if name.startswith(("ray::Map", "ray::Read", "ray::Heartbeat")):
            found.append(process)
    return found


@contextmanager
def killing(run: RunFolder, draw: random.Random, times: int, killed: list[float]) -> Iterator[None]:
    """Kill workers at random moments during the block."""
    over = threading.Event()
    shards = len(run.plan.shards())
    after = sorted(draw.randrange(shards) for _ in range(times))
    pause = [draw.random() * 0.1 for _ in range(times)]

    def kill() -> None:
        for receipts, seconds in zip(after, pause, strict=True):
            while len(run.store.done(GENERATE)) < receipts and not over.wait(0.005):
                pass
            over.wait(seconds)
            victims: list[psutil.Process] = []
            while not victims and not over.wait(0.005):
                victims = workers_of(psutil.Process())
            if victims and not over.is_set():
                try:
                    draw.choice(victims).kill()
                    killed.append(time.time())
                except psutil.NoSuchProcess:
                    pass

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def taken(field: Field) -> list[float]:
    """Return the time at which the order was carried out, if it was."""
    path = field.desk / "order-taken"
    return [float(path.read_text())] if path.exists() and path.read_text() else []


def disturbed(
    field: Field, run: RunFolder, draw: random.Random, points: tuple[str, ...], seed: int
) -> tuple[str, list[float]]:
    """Make a run while its workers are killed: at random for even seeds, else at a named point."""
    killed: list[float] = []
    if seed % 2 == 0:
        times = draw.randint(1, 3)
        with killing(run, draw, times, killed):
            generate(run)
        return f"{len(killed)} at random", killed
    point = points[seed // 2 % len(points)]
    nth = 1 if point == "load" else draw.randint(1, 4)
    field.order(point, nth, draw.randint(1, 20_000))
    generate(run)
    return f"at {point} {nth}", taken(field)


def of_workers(field: Field, seeds: range) -> Iterator[Outcome]:
    """Kill CPU workers."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    field.undisturbed(0)
    for seed in seeds:
        field.clear()
        run = field.planned(f"workers-{seed}", 0)
        how, killed = disturbed(field, run, random.Random(f"workers {seed}"), FILE_POINTS, seed)
        yield field.judged(run, 0, seed, how, killed, len(killed))


def of_actors(field: Field, seeds: range) -> Iterator[Outcome]:
    """Kill GPU actors, in pools of one and of two."""
    import ray

    ray.init(
        address="local", num_cpus=6, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    for actors in {1 + seed // 2 % 2 for seed in seeds}:
        field.undisturbed(actors)
    for seed in seeds:
        field.clear()
        actors = 1 + seed // 2 % 2
        run = field.planned(f"actors-{seed}", actors)
        points = ("load", "picture", *FILE_POINTS)
        how, killed = disturbed(field, run, random.Random(f"actors {seed}"), points, seed)
        yield field.judged(run, actors, seed, f"pools of {actors}, {how}", killed, len(killed))


def of_nodes(field: Field, seeds: range) -> Iterator[Outcome]:
    """Kill the second node's raylet."""
    import ray
    from ray.cluster_utils import Cluster

    noticed_soon = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": noticed_soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    field.undisturbed(0)
    for seed in seeds:
        draw = random.Random(f"nodes {seed}")
        field.clear()
        node = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        run = field.planned(f"nodes-{seed}", 0)
        after, pause = draw.randrange(len(run.plan.shards())), draw.random() * 0.3
        killed: list[float] = []

        losing = threading.Thread(target=lose, args=(node, run, after, pause, killed))
        losing.start()
        generate(run)
        losing.join()
        cluster.remove_node(node, allow_graceful=False)
        yield field.judged(run, 0, seed, f"raylet after {after} receipts", killed, 2)
    ray.shutdown()
    cluster.shutdown()


def lose(node: Any, run: RunFolder, after: int, pause: float, killed: list[float]) -> None:
    """Kill a node's raylet a little after some receipts are committed."""
    while len(run.store.done(GENERATE)) < after:
        time.sleep(0.005)
    time.sleep(pause)
    node.kill_raylet(check_alive=False)
    killed.append(time.time())


def of_drivers(field: Field, seeds: range) -> Iterator[Outcome]:
    """Kill the driver: `xray plan` or `xray generate`, in its own session or on a cluster."""
    import ray
    import yaml

    context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    field.undisturbed(0)
    recipe = field.folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(field.values(0)))
    for seed in seeds:
        draw = random.Random(f"drivers {seed}")
        field.clear()
        run = RunFolder(str(field.folder / f"drivers-{seed}"))
        address = context.address_info["gcs_address"] if seed % 2 else None
        killed: list[float] = []
        if seed % 5 == 0:
            seconds = draw.random() * 1.5
            kill_after(command("plan", str(recipe), run.uri), seconds, killed)
            how = f"plan after {seconds:.2f} s"
        else:
            command("plan", str(recipe), run.uri).wait()
            driver = command("generate", run.uri, address=address)
            how = kill_driver(field, run, driver, draw, seed, killed)
        for again in (("plan", str(recipe), run.uri), ("generate", run.uri)):
            if (code := command(*again, address=address).wait()) != 0:
                how += f"; {again[0]} ended with {code}"
        where = "a cluster" if address else "its own Ray"
        yield field.judged(run, 0, seed, f"{how}, in {where}", killed, 2)


def kill_driver(
    field: Field, run: RunFolder, driver: subprocess.Popen[bytes], draw: random.Random, seed: int, killed: list[float]
) -> str:
    """Kill `xray generate` after some receipts, or when a worker reaches a named point."""
    if seed % 5 in (1, 2):
        after, pause = draw.randrange(len(run.plan.shards())), draw.random() * 0.2
        while len(run.store.done(GENERATE)) < after and driver.poll() is None:
            time.sleep(0.005)
        time.sleep(pause)
        driver.kill()
        driver.wait()
        killed.append(time.time())
        return f"generate after {after} receipts"
    points = [point for point in FILE_POINTS if point != "torn"]
    point, nth = points[seed // 5 % len(points)], draw.randint(1, 4)
    field.order(point, nth, 0, driver.pid)
    driver.wait()
    killed += taken(field)
    return f"generate at {point} {nth}"


def kill_after(process: subprocess.Popen[bytes], seconds: float, killed: list[float]) -> None:
    """Kill a process, unless it has ended by then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        killed.append(time.time())


def command(*arguments: str, address: str | None = None) -> subprocess.Popen[bytes]:
    """Start `xray …`, in its own session or on a cluster."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"RAY_ADDRESS": address} if address else {}
    return subprocess.Popen(
        [sys.executable, "-c", "from xray.cli.main import main; main()", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


ARMS: Mapping[str, Callable[[Field, range], Iterator[Outcome]]] = {
    "workers": of_workers,
    "actors": of_actors,
    "nodes": of_nodes,
    "drivers": of_drivers,
    "links": of_links,
}
