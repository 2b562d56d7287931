"""The goldens of tests/golden/charts as objects. tools/charts/check keeps them equal to what helm renders."""
import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDENS = ROOT / "tests/golden/charts"
WORKLOADS = ("DaemonSet", "Deployment", "Job", "Pod")


def renderings():
    """{case: [object]}"""
    return {path.name.removesuffix(".golden"): [found for found in yaml.safe_load_all(path.read_text()) if found]
            for path in sorted(GOLDENS.glob("*.golden"))}


def pods(objects):
    """(name of the workload, pod specification, pod metadata)"""
    for found in objects:
        if found["kind"] == "Pod":
            yield found["metadata"]["name"], found["spec"], found["metadata"]
        elif found["kind"] in WORKLOADS:
            yield found["metadata"]["name"], found["spec"]["template"]["spec"], found["spec"]["template"]["metadata"]


def containers(objects):
    """(container, pod specification)"""
    for _, spec, _ in pods(objects):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield container, spec
