"""What deploys: by the validation of Ray's launcher, by Kubernetes' schemas, and by what we promise beyond them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.docker import docker_start_cmds
from ray.autoscaler._private.util import prepare_config, validate_config
from support.paths import ROOT

LAUNCHERS = ("cluster.yaml", "deploy/gcp.yaml", "deploy/onprem.yaml")
MANIFESTS = ("deploy/kuberay/raycluster.yaml", "deploy/kuberay/rayjob.yaml")
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
HOME = re.search(r"HOME=(\S+)", DOCKERFILE)[1]
HADOLINT = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
UID, GONE = 1000, object()
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|\b[0-9a-fA-F]{32,}\b|\bhf_\w{20,}|(?i:secret_?access|passwo?r?d)\w*\s*[:=]\s*\S|AUTH_TOKEN"
)


def read(name: str) -> list[dict[str, Any]]:
    return json.loads(json.dumps(list(yaml.safe_load_all((ROOT / name).read_text()))))


def launcher_faults(config: dict[str, Any]) -> Iterator[str]:
    config = prepare_config(config)
    try:
        validate_config(config)
    except jsonschema.ValidationError as error:
        yield error.message
    types, docker, start = config["available_node_types"], config["docker"], " ".join(config["head_start_ray_commands"])
    if not (types[config["head_node_type"]]["resources"].get("CPU") == 0 or "--num-cpus=0" in start):
        yield "the head runs tasks"
    if "--dashboard-host=127.0.0.1" not in start:
        yield "the dashboard is open"
    setups = {who: [config[f"{who}_setup_commands"]] for who in ("head", "worker")}
    setups["worker"] += filter(None, (machine.get("worker_setup_commands") for machine in types.values()))
    for who, commands in setups.items():
        options = [*docker["run_options"], *docker.get(f"{who}_run_options", [])]
        run = docker_start_cmds("me", docker["image"], config["file_mounts"], "x", options, "x", HOME, "docker")
        if " -e RAY_AUTH_MODE=token " not in run:
            yield f"{who} without token mode"
        if f":{HOME}/.ray/auth_token " not in run:
            yield f"{who} without token"
        if any("chmod 600 ~/.ray/auth_token" not in some for some in commands):
            yield f"{who} with a token for everybody"
    if not any(f"-o {UID} -g {UID}" in command for command in config["initialization_commands"]):
        yield "the container cannot write /data"
    if config["provider"]["type"] == "local":
        (machine,) = types.values()
        if machine["min_workers"] != len(config["provider"]["worker_ips"]):
            yield "workers that nobody ever asks for"  # Ray learns what a machine has when it joins
        return
    if not config["provider"].get("use_internal_ips"):
        yield "public addresses"
    if not any("fs.copy_files" in command for command in types["gpu"]["worker_setup_commands"]):
        yield "no weights"
    for name, machine in types.items():
        node = machine["node_config"]
        market = {**node.get("InstanceMarketOptions", {}), **node.get("scheduling", {})}
        if name == "gpu" and not {"spot", "SPOT"} & {*market.values()}:
            yield "GPUs are not spot"
        if machine["min_workers"]:
            yield f"{name} does not come and go"
        if any("accessConfigs" in network for network in node.get("networkInterfaces", [])):
            yield f"{name} has a public address"


def closed(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required.split(), "properties": properties}


TEXT, COUNT, ANY = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}, {"type": "object"}
TEXTS, POD = {"type": "object", "additionalProperties": TEXT}, {"apiVersion": "v1", "kind": "PodTemplate"}
CLUSTER = closed(
    "rayVersion authOptions enableInTreeAutoscaling autoscalerOptions headGroupSpec workerGroupSpecs",
    rayVersion=TEXT, authOptions=closed("mode", mode={"const": "token"}), enableInTreeAutoscaling={"const": True},
    autoscalerOptions=closed("idleTimeoutSeconds", idleTimeoutSeconds=COUNT, resources=ANY, securityContext=ANY),
    headGroupSpec=closed(
        "serviceType rayStartParams template", serviceType={"const": "ClusterIP"}, template=ANY,
        rayStartParams={**TEXTS, "properties": {"num-cpus": {"const": "0"}}, "required": ["num-cpus"]},
    ),
    workerGroupSpecs={"type": "array", "minItems": 2, "items": closed(
        "groupName minReplicas maxReplicas rayStartParams template",
        groupName=TEXT, replicas={"const": 0}, minReplicas={"const": 0}, maxReplicas={"type": "integer", "minimum": 1},
        rayStartParams=TEXTS, template=ANY,
    )},
)  # fmt: skip
JOB = closed(
    "entrypoint rayClusterSpec shutdownAfterJobFinishes ttlSecondsAfterFinished submitterPodTemplate",
    entrypoint=TEXT, rayClusterSpec=CLUSTER, shutdownAfterJobFinishes={"const": True}, ttlSecondsAfterFinished=COUNT,
    backoffLimit=COUNT, submitterPodTemplate=ANY,
)  # fmt: skip
LOCKED = {"runAsNonRoot": True, "runAsUser": UID, "allowPrivilegeEscalation": False}
LOCKED |= {"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}


def manifest_faults(manifest: dict[str, Any]) -> Iterator[str]:
    spec = JOB if manifest["kind"] == "RayJob" else CLUSTER
    schema = closed("metadata", apiVersion={"const": "ray.io/v1"}, kind=TEXT, metadata=ANY, spec=spec)
    yield from (error.json_path for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest))
    spec = manifest["spec"].get("rayClusterSpec", manifest["spec"])
    templates = [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    boxes = [{"name": "autoscaler", **spec["autoscalerOptions"]}]
    for template in filter(None, [*templates, manifest["spec"].get("submitterPodTemplate")]):
        try:
            kubernetes_validate.validate({**POD, "template": template}, "1.33", strict=True)
        except kubernetes_validate.ValidationError as error:
            yield error.message
        boxes += [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
        for volume in template["spec"].get("volumes", []):
            if "emptyDir" not in volume or (volume["name"] == "shm") != (volume["emptyDir"].get("medium") == "Memory"):
                yield f"volume {volume['name']}"
    for box in boxes:
        if {**(context := box.get("securityContext", {})), **LOCKED} != context:
            yield f"{box['name']} is not locked"
        if box["resources"]["requests"]["memory"] != box["resources"]["limits"]["memory"]:
            yield f"{box['name']} may be killed for memory"
    if not any("nvidia.com/gpu" in box["resources"]["limits"] for box in boxes):
        yield "no GPUs"


def stages(dockerfile: str) -> dict[str, list[tuple[str, str]]]:
    """Instructions by stage, after those of the stage that it is made from; those before the first are in ''."""
    found, name = {"": list[tuple[str, str]]()}, ""
    for line in re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE)).splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "FROM":
            source, _, name = rest.partition(" AS ")
            found[name] = list(found.get(source, []))
        found[name].append((kind, " ".join(rest.split())))
    return found


def image_faults(dockerfile: str) -> Iterator[str]:
    found = stages(dockerfile)
    for target in ("cpu", "cuda"):
        steps = found.get(target, [])
        if [rest for kind, rest in steps if kind == "USER"][-1:] != [f"{UID}:{UID}"]:
            yield f"{target} runs as root"
        if not any("ray[default]==${RAY_VERSION}" in rest and "[all]" in rest for _, rest in steps):
            yield f"{target} is not whole"
        if not any("openssh-client rsync" in rest for _, rest in steps):
            yield f"{target} cannot start workers"
    (python,) = re.findall(r"^ARG PYTHON=(\S+)", dockerfile, flags=re.MULTILINE)
    for source in re.findall(r"^FROM (\S+)", dockerfile.replace("${PYTHON}", python), flags=re.MULTILINE):
        if source not in found and not re.fullmatch(r"[\w/.-]+:\d+\.\d+\.\d+-[\w-]+", source):
            yield f"{source} is not pinned"


@pytest.mark.parametrize("name", [*LAUNCHERS, *MANIFESTS])
def test_a_file_is_valid_and_keeps_its_promises(name: str) -> None:
    *accounts, config = read(name)
    for account in accounts:
        kubernetes_validate.validate(account, "1.33", strict=True)
    assert list(manifest_faults(config) if name in MANIFESTS else launcher_faults(config)) == []
    used = {*re.findall(r"serviceAccountName: (\S+)", (ROOT / name).read_text())}
    assert used == {account["metadata"]["name"] for account in accounts}


def nameless(documents: list[Any]) -> str:
    """Without what tells the accounts of the one from those of the other."""
    return json.dumps(documents).replace("xray-job-", "xray-")


def test_a_job_runs_on_the_same_cluster_with_what_is_in_the_image() -> None:
    (*accounts, cluster), (*others, job) = map(read, MANIFESTS)
    assert len(accounts) == len(others) == 2
    names = {account["metadata"]["name"] for account in (*accounts, *others)}
    assert len(names) == 4  # whoever deletes the one takes nothing from under the other
    assert nameless([*accounts, cluster["spec"]]) == nameless([*others, job["spec"]["rayClusterSpec"]])
    assert {*re.findall(r"RAY_VERSION=(\S+)", DOCKERFILE)} == {version := cluster["spec"]["rayVersion"]}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert version in Requirement(extras["ray"][0]).specifier
    _, script, recipe, _ = job["spec"]["entrypoint"].split()
    assert all((ROOT / file).is_file() and file.startswith("jobs/") for file in (script, recipe))
    assert all(("COPY", "jobs jobs") in stages(DOCKERFILE)[target] for target in ("cpu", "cuda"))


NODES, GPU = "available_node_types", "spec workerGroupSpecs 1 template spec"
UNKNOWN = "Additional properties are not allowed ('{}' was unexpected)"
BROKEN: list[tuple[str, Any, str]] = [
    ("idle_timeout_minuts", 5, UNKNOWN.format("idle_timeout_minuts")),
    ("docker run_option", [], UNKNOWN.format("run_option")),
    (f"{NODES} head resources", {}, "the head runs tasks"),
    ("head_start_ray_commands", GONE, "the dashboard is open"),  # as it is by Ray's own defaults
    ("docker run_options 0", "-e RAY_AUTH_MODE=disabled", "worker without token mode"),
    ("file_mounts", {}, "worker without token"),
    ("setup_commands", [], "head with a token for everybody"),
    (f"{NODES} gpu worker_setup_commands 0", "true", "worker with a token for everybody"),
    (f"{NODES} gpu worker_setup_commands 1", "true", "no weights"),
    ("initialization_commands", [], "the container cannot write /data"),
    ("provider use_internal_ips", False, "public addresses"),
    (f"{NODES} gpu node_config InstanceMarketOptions", GONE, "GPUs are not spot"),
    (f"{NODES} gpu min_workers", 1, "gpu does not come and go"),
    ("spec authOptions", GONE, "$.spec"),
    ("spec authOptions mode", "disabled", "$.spec.authOptions.mode"),
    ("spec idleTimeout", 60, "$.spec"),
    ("spec headGroupSpec serviceType", "LoadBalancer", "$.spec.headGroupSpec.serviceType"),
    ("spec headGroupSpec rayStartParams num-cpus", 0, "$.spec.headGroupSpec.rayStartParams['num-cpus']"),
    (f"{GPU} nodeSelektor", {}, UNKNOWN.format("nodeSelektor")),
    (f"{GPU} containers 0 securityContext", GONE, "ray-worker is not locked"),
    (f"{GPU} initContainers 0 securityContext runAsUser", 0, "weights is not locked"),
    ("spec autoscalerOptions securityContext capabilities", {}, "autoscaler is not locked"),
    (f"{GPU} containers 0 resources requests memory", "1Gi", "ray-worker may be killed for memory"),
    (f"{GPU} containers 0 resources limits nvidia.com/gpu", GONE, "no GPUs"),
    (f"{GPU} volumes 0", {"name": "data", "hostPath": {"path": "/"}}, "volume data"),
    (f"{GPU} volumes 1 emptyDir medium", GONE, "volume shm"),
]


@pytest.mark.parametrize(("path", "value", "fault"), BROKEN)
def test_what_is_broken_is_seen(path: str, value: Any, fault: str) -> None:
    name, faults = (MANIFESTS[0], manifest_faults) if path.startswith("spec ") else (LAUNCHERS[0], launcher_faults)
    at = config = read(name)[-1]
    *steps, last = [int(step) if step.isdigit() else step for step in path.split()]
    for step in steps:
        at = at[step]
    at[last] = value
    if value is GONE:
        del at[last]
    assert fault in faults(config)


def test_workers_that_would_never_come_are_seen() -> None:
    (config,) = read("deploy/onprem.yaml")
    assert "workers that nobody ever asks for" in launcher_faults({**config, "min_workers": 0})


def test_a_broken_image_is_seen() -> None:
    assert list(image_faults(DOCKERFILE)) == []
    for before, after, fault in (
        ("3.11.14-slim-bookworm", "latest", "python:latest is not pinned"),
        ("USER 1000:1000", "USER root", "cpu runs as root"),
        ("AS cuda", "AS gpu", "cuda is not whole"),
        ("==${RAY_VERSION}", "", "cuda is not whole"),
        ("rsync wget", "wget", "cuda cannot start workers"),
    ):
        assert fault in image_faults(DOCKERFILE.replace(before, after))


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint")
def test_hadolint_has_nothing_to_say() -> None:
    subprocess.run([str(HADOLINT), ROOT / "deploy/Dockerfile"], check=True)


def test_no_file_has_a_secret() -> None:
    files = [ROOT / "cluster.yaml", *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    assert {"cluster.yaml", "Dockerfile", "rayjob.yaml", "xray.json"} <= {path.name for path in files}
    assert not [path.name for path in files if SECRET.search(path.read_text())]
    for secret in ("-e RAY_AUTH_TOKEN=x", "AKIAABCDEFGHIJKLMNOP", "password: x", "0123456789abcdef" * 2):
        assert SECRET.search(secret)
