"""Scenario: what a module of tests/e2e/scenarios gets to work with.

A module has a docstring (its first line is the title), STAGE (one of STAGES, played in this order), SECONDS_MAX,
run(scenario) and, where no request may fail, IS_LOAD (`make e2e-long` plays it often). PROGRAMS names those of
harness/programs.py that it needs beside a cluster's own: they are built before its time runs. It works in a namespace
of its own, which goes afterwards; after a failure it stays to be looked into, until the scenario is played again. It
fails by raising, most often through `expect` or `eventually`; it skips by raising Skip with the reason.
"""
import importlib
import pathlib

from harness import not_ready
from harness.trouble import Trouble

# Without Keelson, its images and chart by themselves, its installation, with it, its end.
STAGES = ("bare", "parts", "install", "mesh", "uninstall")
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenarios"


class Skip(Exception):
    pass


def names(words=()):
    """The scenarios whose name holds one of the words, all without words: by stage, those that may last long first, so
    that clusters which share them end together."""
    found = [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    chosen = [name for name in found if not words or any(word in name for word in words)]
    return sorted(chosen, key=order_of)


def order_of(name):
    module = load(name)
    return STAGES.index(module.STAGE), -module.SECONDS_MAX, name


def namespace_of(name):
    return "e2e-" + name.replace("_", "-")


def load(name):
    return importlib.import_module(f"scenarios.{name}")


class Scenario:
    def __init__(self, name, cluster, progress):
        self.cluster, self.kubectl, self._progress = cluster, cluster.kubectl, progress
        self.namespace = namespace_of(name)

    def tell(self, text):
        self._progress.tell(text)

    def expect(self, what, holds, seen=""):
        if not holds:
            raise Trouble(f"{what}: {seen}" if seen != "" else what)
        self._progress.tell(f"ok: {what}")

    def eventually(self, what, attempt, seconds_max=20):
        """Calls `attempt` until it returns something true, or (value, what was seen instead)."""
        value = self._progress.wait(what, seconds_max, attempt)
        self._progress.tell(f"ok: {what}")
        return value

    def apply(self, *manifests, namespace=None):
        self.kubectl.apply(*manifests, namespace=namespace or self.namespace)

    def ready(self, *pods, seconds_max=60, namespace=None):
        """Waits until every named object ("pod/a", "deployment/b", "daemonset/c") is ready."""
        where = ["-n", namespace or self.namespace]
        for pod in pods:
            wait = ["wait", "--for=condition=Ready"] if pod.startswith("pod/") else ["rollout", "status"]
            code, out, err = self.kubectl.attempt(*where, *wait, pod, f"--timeout={seconds_max}s",
                                                  seconds_max=seconds_max + 5)
            if code != 0:
                said = " ".join([*out.splitlines()[-1:], err.strip()])
                raise Trouble(f"{pod} is not ready: {said}: {self._why_not_ready(where)}")

    def _why_not_ready(self, where):
        try:
            pods, events = (self.kubectl.json(*where, "get", kind)["items"] for kind in ("pods", "events"))
            return not_ready.described(pods, events)
        except Trouble as trouble:
            return trouble

    def api_served(self):
        """Waits until the API server is back, also by its Service.

        A server that ends takes itself out of its Service, and kube-proxy is long in hearing that it is back: 42 s and
        63 s on the two nodes were measured without any mesh.
        """
        self.eventually("the API server is back", self.cluster.is_api_ready, seconds_max=60)
        for node in self.cluster.layout.nodes:
            self.eventually(f"its Service answers on {node.name}", lambda n=node: self.cluster.is_api_served(n),
                            seconds_max=120)

    def pods(self, selector, namespace=None):
        """Pods as objects, by label selector."""
        return self.kubectl.json("-n", namespace or self.namespace, "get", "pods", "-l", selector)["items"]

    def has_no_taint(self, node, key):
        """Whether a node is without that taint, and the keys of those that it has."""
        keys = [taint["key"] for taint in self.kubectl.json("get", "node", node)["spec"].get("taints", [])]
        return key not in keys, keys

    def curl(self, pod, url, *options, namespace=None):
        """Exit status and output of curl in a pod."""
        return self.kubectl.exec(namespace or self.namespace, pod, "curl", "-sS", "-m", "3", *options, url)
