"""Several hosts on one machine: network namespaces, each with its own processes and its own `/tmp/ray`.

They share the file system. All processes of a host end with its first one, which ends when its standard input is
closed, so that nothing is left behind. Needs Linux, root, `unshare` and `nsenter` (util-linux), and `ip` (iproute2).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.support.clusters import RAY

GCS = "10.77.0.1:6379"
DASHBOARD = "http://10.77.0.1:8265"
NOTICED_SOON = '--system-config={"health_check_period_ms": 1000, "health_check_failure_threshold": 3}'
SPACES = ("--net", "--pid", "--mount", "--uts")
BEGIN = """
hostname xray-$0 && ip link set lo up && mount -t tmpfs none /tmp/ray && echo ready
exec 3<&0
cat <&3 & wait $!
"""


@dataclass(frozen=True)
class Host:
    """A simulated machine.

    Args:
        number: 1 for the head.
        first: its first process.
        environment: of its programs.
    """

    number: int
    first: psutil.Process
    environment: dict[str, str] = field(repr=False)

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program on the host."""
        inside = ["nsenter", f"--target={self.first.pid}", *SPACES, f"--wd={Path.cwd()}", *command]
        return subprocess.Popen(inside, env=self.environment, text=True, **options)

    def ip(self, *words: str) -> None:
        """Run `ip` on the host."""
        if code := self.start("ip", *words).wait():
            raise OSError(f"ip {' '.join(words)} ended with {code}")

    def join(self, *options: str) -> None:
        """Start a Ray node with as many CPUs as the host's number and one logical GPU; `options` go to `ray start`."""
        where = ("--head", "--port=6379", "--include-dashboard=false") if self.number == 1 else (f"--address={GCS}",)
        what = (f"--node-ip-address=10.77.0.{self.number}", f"--num-cpus={self.number}", "--num-gpus=1")
        begun = self.start(*RAY, "start", *where, *what, *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = begun.communicate()
        if begun.returncode:
            raise OSError(said)

    def xray(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `xray …` on the host, in the cluster."""
        return self.start(sys.executable, "-c", "from xray.cli.main import main; main()", *arguments, **options)

    def lose(self) -> None:
        """Kill all processes of the host, and its network."""
        self.first.kill()
        self.first.wait()


@contextmanager
def host(number: int) -> Iterator[Host]:
    """Create a host without Ray."""
    mine = {name: value for name, value in os.environ.items() if name != "RAY_BACKEND_LOG_LEVEL"}
    mine["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), mine["PATH"]])  # a job's `python` is this one
    Path("/tmp/ray").mkdir(exist_ok=True)
    begin = ["unshare", *SPACES, "--mount-proc", "--fork", "--kill-child", "sh", "-ec", BEGIN, str(number)]
    process = subprocess.Popen(begin, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise OSError("a host could not be made")
        (first,) = psutil.Process(process.pid).children()
        yield Host(number, first, mine | {"RAY_ADDRESS": GCS})
    finally:
        process.communicate()


def cable(head: Host, other: Host) -> str:
    """Connect a host to the head; return the name of the interface on both sides."""
    name = f"cable{other.number}"
    ends = [(name, "netns", str(one.first.pid)) for one in (head, other)]
    subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
    for one in (head, other):
        one.ip("address", "add", f"10.77.0.{one.number}/32", "dev", name)
        one.ip("link", "set", name, "up")
    head.ip("route", "add", f"10.77.0.{other.number}", "dev", name)
    other.ip("route", "add", "10.77.0.0/24", "dev", name)
    return name


def lacking() -> str:
    """Return the reason why hosts cannot be created here, or an empty text."""
    missing = [name for name in ("unshare", "nsenter", "ip") if not shutil.which(name)]
    if missing:
        return f"no {' nor '.join(missing)} here"
    tried = subprocess.run(["unshare", *SPACES, "--fork", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()
