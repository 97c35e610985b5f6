"""The arm of `kills.py` that cuts the link between two hosts: two network namespaces with a Ray node each."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
from support.hosts import NOTICED_SOON, Host, cable, host, lacking

from chaos.field import Field, Outcome
from xray.runs.receipts import GENERATE

PATIENCE = 300
"""Seconds that a command may take after the link is restored."""
WATCH = """
import ray, sys, time
ray.init(log_to_driver=False, logging_level="ERROR")
seen = 0
while True:
    alive = sum(node["Alive"] for node in ray.nodes())
    if alive != seen:
        with open(sys.argv[1], "a") as log:
            print(time.time(), alive, file=log)
    seen = alive
    time.sleep(0.2)
"""


def alive(log: Path) -> list[tuple[float, int]]:
    """Return times and numbers of live nodes, from the log of `WATCH`."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(float(when), int(nodes)) for when, nodes in map(str.split, lines)] or [(0.0, 0)]


def ended(process: subprocess.Popen[str], said: Path, patience: float) -> str:
    """Wait for a command, and describe how it ended; kill it if it hangs."""
    try:
        code = process.wait(patience)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.wait()
        return "hung"
    lines = said.read_text().strip().splitlines() or [""]
    message = next((line for line in lines if line.startswith("xray: ")), lines[-1])
    return "ended with 0" if code == 0 else f"ended with {code} ({message})"


def of_links(field: Field, seeds: range) -> Iterator[Outcome]:
    """Cut the link: the driver is on the head or on the far host, health checks are by default or quick."""
    if lack := lacking():
        print(f"links are left out: {lack}", file=sys.stderr)
        return
    for actors in {seed // 4 % 2 for seed in seeds}:
        field.undisturbed(actors)
    for seed in seeds:
        field.clear()
        with host(1) as head, host(2) as far:
            yield cut(field, head, far, cable(head, far), seed)


def cut(field: Field, head: Host, far: Host, link: str, seed: int) -> Outcome:
    """Make a run while the link is cut, and resume it if that ended it."""
    draw, actors = random.Random(f"links {seed}"), seed // 4 % 2
    run, log = field.planned(f"links-{seed}", actors), field.desk / "nodes"
    head.join(*(NOTICED_SOON,) * (seed // 2 % 2))
    far.join()
    head.start(sys.executable, "-c", WATCH, str(log), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while alive(log)[-1][1] < 2:
        time.sleep(0.1)

    def command() -> subprocess.Popen[str]:
        with said.open("w") as stderr:
            return (head, far)[seed % 2].xray("generate", run.uri, stderr=stderr)

    said = field.desk / "said"
    driver = command()
    after, pause = draw.randrange(1, len(run.plan.shards()) // 2), draw.random() * 0.3
    while len(run.store.done(GENERATE)) < after and driver.poll() is None:
        time.sleep(0.005)
    time.sleep(pause)
    at = time.time()
    far.ip("link", "set", link, "down")
    before = field.done_by("xray-2")
    mending = threading.Timer(field.cut, far.ip, ("link", "set", link, "up"))
    mending.start()
    how = ended(driver, said, field.cut + PATIENCE)
    how += f" {time.time() - at:.0f} s after the cut"
    mending.join()
    how += f", {field.done_by('xray-2') - before} photographs read by the far host since"
    if not how.startswith("ended with 0"):
        if alive(log)[-1][1] < 2:
            far.join()
        how += f"; again {ended(command(), said, PATIENCE)}"
    nodes = ", ".join(f"{count} at {when - at:.0f} s" for when, count in alive(log) if when > at) or "2 throughout"
    where, checks = ("head", "far host")[seed % 2], ("default", "soon")[seed // 2 % 2]
    message = f"driver on the {where}, health checks {checks}, after {after} receipts: {how}; nodes {nodes}"
    outcome = field.judged(run, actors, seed, message, [at], 2 + seed % 2)
    return replace(outcome, recovery=round(max(run.store.committed(GENERATE).values()) - at, 2))
