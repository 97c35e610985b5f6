"""The link between two hosts is cut for a while, for `chaos.py`: two network namespaces with a Ray node each.

A host has a network, processes and a `/tmp/ray` of its own; it shares the file system with the other, and a pair of
virtual network cards. All of it goes with its first process, which goes when its standard input is closed: so nothing
is left behind, however this ends. It takes Linux, root, `unshare` and `nsenter` (util-linux), and `ip` (iproute2).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from chaos_field import Field, Outcome

from xray.stages import GENERATE

GCS = "10.77.0.1:6379"
NOTICED_SOON = '--system-config={"health_check_period_ms": 1000, "health_check_failure_threshold": 3}'
PATIENCE = 300
"""Seconds that a command may take once the link is back."""
SPACES = ("--net", "--pid", "--mount", "--uts")
BEGIN = """
hostname xray-$0 && ip link set lo up && mount -t tmpfs none /tmp/ray && echo ready
exec 3<&0
cat <&3 & wait $!
"""
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


@dataclass(frozen=True)
class Host:
    """A machine of its own, as far as Ray can tell.

    Args:
        number: 1 for the head, 2 for the other.
        first: id of its first process.
        environment: of its programs.
    """

    number: int
    first: int
    environment: dict[str, str]

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program there."""
        inside = ["nsenter", f"--target={self.first}", *SPACES, *command]
        return subprocess.Popen(inside, env=self.environment, text=True, **options)

    def ip(self, *words: str) -> None:
        """Change its network."""
        if code := self.start("ip", *words).wait():
            raise OSError(f"ip {' '.join(words)} ended with {code}")

    def join(self, *options: str) -> None:
        """Start its Ray node."""
        where = ("--head", "--port=6379", "--include-dashboard=false") if self.number == 1 else (f"--address={GCS}",)
        what = (f"--node-ip-address=10.77.0.{self.number}", f"--num-cpus={self.number}", "--num-gpus=1")
        ray = (sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start")
        begun = self.start(*ray, *where, *what, *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = begun.communicate()
        if begun.returncode:
            raise OSError(said)

    def xray(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """`xray …` there, in the cluster."""
        return self.start(sys.executable, "-c", "from xray.cli import main; main()", *arguments, **options)


@contextmanager
def host(number: int) -> Iterator[Host]:
    """A host without Ray."""
    mine = {name: value for name, value in os.environ.items() if name != "RAY_BACKEND_LOG_LEVEL"}
    Path("/tmp/ray").mkdir(exist_ok=True)
    begin = ["unshare", *SPACES, "--mount-proc", "--fork", "--kill-child", "sh", "-ec", BEGIN, str(number)]
    process = subprocess.Popen(begin, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise OSError("a host could not be made")
        (first,) = psutil.Process(process.pid).children()
        yield Host(number, first.pid, mine | {"RAY_ADDRESS": GCS})
    finally:
        process.communicate()


@contextmanager
def linked() -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other."""
    with host(1) as head, host(2) as far:
        ends = [("veth", "netns", str(one.first)) for one in (head, far)]
        subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
        for one in (head, far):
            one.ip("address", "add", f"10.77.0.{one.number}/24", "dev", "veth")
            one.ip("link", "set", "veth", "up")
        yield head, far


def alive(log: Path) -> list[tuple[float, int]]:
    """When how many nodes were alive, as `WATCH` wrote it down."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(float(when), int(nodes)) for when, nodes in map(str.split, lines)] or [(0.0, 0)]


def ended(process: subprocess.Popen[str], said: Path, patience: float) -> str:
    """How a command ended, and what it said of that; one that hangs is killed."""
    try:
        code = process.wait(patience)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.wait()
        return "hung"
    lines = said.read_text().strip().splitlines() or [""]
    told = next((line for line in lines if line.startswith("xray: ")), lines[-1])
    return "ended with 0" if code == 0 else f"ended with {code} ({told})"


def lacking() -> str:
    """What hosts cannot be made for the lack of."""
    missing = [name for name in ("unshare", "nsenter", "ip") if not shutil.which(name)]
    if missing:
        return f"no {' nor '.join(missing)} here"
    tried = subprocess.run(["unshare", *SPACES, "--fork", "true"], capture_output=True, text=True)
    return tried.stderr.strip()


def of_links(field: Field, seeds: range) -> Iterator[Outcome]:
    """Cuts of the link: by turns the driver is on the head or on the far host, and nodes are missed late or soon."""
    if lack := lacking():
        print(f"links are left out: {lack}", file=sys.stderr)
        return
    for actors in {seed // 4 % 2 for seed in seeds}:
        field.undisturbed(actors)
    for seed in seeds:
        field.clear()
        with linked() as (head, far):
            yield cut(field, head, far, seed)


def cut(field: Field, head: Host, far: Host, seed: int) -> Outcome:
    """Make a run while the link is cut, and go on with it if that ended it."""
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
    after, pause = draw.randrange(1, len(run.shards()) // 2), draw.random() * 0.3
    while len(run.done(GENERATE)) < after and driver.poll() is None:
        time.sleep(0.005)
    time.sleep(pause)
    at = time.time()
    far.ip("link", "set", "veth", "down")
    before = field.done_by("xray-2")
    mending = threading.Timer(field.cut, far.ip, ("link", "set", "veth", "up"))
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
    told = f"driver on the {where}, health checks {checks}, after {after} receipts: {how}; nodes {nodes}"
    outcome = field.judged(run, actors, seed, told, [at], 2 + seed % 2)
    return replace(outcome, recovery=round(max(run.committed(GENERATE).values()) - at, 2))
