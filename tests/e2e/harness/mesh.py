"""Mesh: Keelson on the cluster of a scenario: its images and chart, who is enrolled, what its agents say."""
import contextlib
import json
import os
import pathlib
import re
import tempfile

from harness import apps, crds, images, wire
from harness.command import attempt
from harness.image import contents
from harness.programs import cache_folder
from harness.trouble import Trouble
from harness.versions import ROOT

CHART, RELEASE, NAMESPACE = ROOT / "charts" / "keelson", "keelson", "keelson-system"
IMAGES = ROOT / "build" / "images"
LABEL = "keelson.dev/mesh"
START_UP_TAINT = "keelson.dev/agent-not-ready"
GRACE_SECONDS = 5
VALUES = (f"enrolmentGraceSeconds={GRACE_SECONDS}", "l7.drainSeconds=10")
INSTALL_SECONDS_MAX, ENROL_SECONDS_MAX = 120, 60


def archives():
    """Of `make images`."""
    paths = [IMAGES / f"{name}.tar" for name in contents.IMAGES]
    if missing := [path.name for path in paths if not path.exists()]:
        raise Trouble(f"{IMAGES} lacks {', '.join(missing)}: make images")
    return paths


def image_tag():
    return re.search(r'(?m)^appVersion: "?([^"\s]+)', (CHART / "Chart.yaml").read_text()).group(1)


class Mesh:
    def __init__(self, scenario):
        self._scenario, self._kubectl, self._cluster = scenario, scenario.kubectl, scenario.cluster

    def ensure(self):
        """Installs the release if it is not there; returns when every part is ready."""
        if not self._cluster.helm("list", "-n", NAMESPACE, "-q", "--filter", f"^{RELEASE}$").strip():
            self.import_images()
            self.install()
        self.ready()
        return self

    def import_images(self):
        layout = self._cluster.layout
        load = images.build_load(layout.images, layout.programs / "etcd")
        self._cluster.import_images([*archives(), load])

    def install(self, *values):
        self._kubectl.apply(crds.istio_security(cache_folder()))
        self.helm("install", *values)
        self._scenario.tell("ok: helm install")

    def upgrade(self, *values):
        self.helm("upgrade", *values)

    def helm(self, verb, *values):
        sets = [word for value in (*VALUES, *values) for word in ("--set", value)]
        where = ["-n", NAMESPACE, *(["--create-namespace"] if verb == "install" else [])]
        self._cluster.helm(verb, RELEASE, CHART, *where, *sets)

    def ready(self):
        self._scenario.ready("deployment/keelson-ca", seconds_max=INSTALL_SECONDS_MAX, namespace=NAMESPACE)
        for part in ("hold", "agent", "l7"):
            self.part_ready(part, INSTALL_SECONDS_MAX)

    def part_ready(self, part, seconds_max=60):
        """Every node has this part as it is wanted now; hold's pods are only replaced when they are deleted."""
        if part == "hold":
            self._scenario.eventually("hold is ready on every node", self._has_hold, seconds_max)
        else:
            self._scenario.ready(f"daemonset/keelson-{part}", seconds_max=seconds_max, namespace=NAMESPACE)

    def _has_hold(self):
        status = self._kubectl.json("-n", NAMESPACE, "get", "daemonset", "keelson-hold")["status"]
        return 0 < status["desiredNumberScheduled"] == status.get("numberReady", 0), status

    def pod(self, part, node):
        """Name of the newest pod of agent, l7 or hold on a node."""
        pods = [pod for pod in self._scenario.pods(f"app.kubernetes.io/component={part}", NAMESPACE)
                if pod["spec"].get("nodeName") == node and "deletionTimestamp" not in pod["metadata"]]
        if not pods:
            raise Trouble(f"no pod of {part} on {node}")
        return max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["name"]

    def ctl(self, node, *arguments):
        """Exit status and output of keelsonctl in the agent's pod of a node."""
        return self._kubectl.exec(NAMESPACE, self.pod("agent", node), "keelsonctl", *arguments)

    def ctl_json(self, node, *arguments):
        command = ("exec", "-n", NAMESPACE, self.pod("agent", node), "--", "keelsonctl", *arguments, "-o", "json")
        code, out, err = self._kubectl.attempt(*command)
        try:
            return json.loads(out)
        except ValueError:
            said = f"status {code}: {out}{err}".strip()
            raise Trouble(f"keelsonctl {' '.join(arguments)} on {node} says no JSON, {said}") from None

    def outside(self, *arguments):
        """Exit status and output of `kubectl keelson`, as somebody calls it who has only the API server."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "kubectl-keelson").symlink_to(ROOT / "build" / "release" / "bin" / "keelsonctl")
            path = f"{self._cluster.layout.bin}:{folder}:{os.environ['PATH']}"
            code, out, err = attempt("kubectl", "keelson", *arguments, environment=dict(os.environ, PATH=path))
        return code, out + err

    def status(self, node):
        return self.ctl_json(node, "status")

    def is_at_ease(self):
        """Whether no agent has anything to complain of, and what they have."""
        findings = {node.name: [finding for finding in self.status(node.name)["findings"]
                                if finding["severity"] != "info"] for node in self._cluster.layout.nodes}
        return not any(findings.values()), findings

    @contextlib.contextmanager
    def undisturbed(self):
        """While the block lasts no node refuses anything, and nothing goes from pod to pod in plain between nodes."""
        before = self.refusals()
        with wire.watching(self._cluster.layout, "-") as counts:
            yield
        self._scenario.expect("the capture saw the tunnels", counts["tunnel"] > 0 and not counts["lost"], counts)
        self._scenario.expect("nothing went in plain between the nodes", counts["between_pods"] == 0, counts)
        after = self.refusals()
        self._scenario.expect("nothing was refused", after == before, (before, after))

    def refusals(self):
        """{(node, reason): count} of what the nodes refused so far."""
        return {(node.name, entry["reason"]): entry["count"] for node in self._cluster.layout.nodes
                for entry in self.status(node.name)["refusals"] if entry["count"]}

    def enrol(self, namespace=None, seconds_max=ENROL_SECONDS_MAX):
        """Labels the namespace and waits until every node lists its pods as ready."""
        namespace = namespace or self._scenario.namespace
        self._kubectl("label", "--overwrite", "namespace", namespace, f"{LABEL}=enabled")
        self.wait_until(namespace, "ready", seconds_max)

    def leave(self, namespace=None):
        namespace = namespace or self._scenario.namespace
        self._kubectl("label", "namespace", namespace, f"{LABEL}-")
        self.wait_until(namespace, "unmeshed")

    def wait_until(self, namespace, state, seconds_max=ENROL_SECONDS_MAX):
        def all_are():
            try:
                seen = self.states(namespace)
            except Trouble as trouble:  # an agent that is starting
                return False, trouble
            missing = self._running(namespace) - set(seen)
            return bool(seen) and not missing and set(seen.values()) == {state}, (seen, missing)

        self._scenario.eventually(f"all pods of {namespace} are {state}", all_are, seconds_max)

    def _running(self, namespace):
        pods = self._kubectl.json("-n", namespace, "get", "pods")["items"]
        return {f"{pod['spec']['nodeName']} {namespace}/{pod['metadata']['name']}" for pod in pods
                if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]}

    def edge(self, node, caller):
        """The paths ("direct", "mtls", ...) by which `caller` ("shop/web") was seen to call on a node; may be none."""
        return {path for edge in self.status(node)["edges"] if edge["from"] == caller and edge["allowed"]
                for path in edge["paths"]}

    def states(self, namespace):
        """{"node1 shop/cart-0": "ready"} of a namespace's pods."""
        return {f"{node.name} {pod['pod']}": pod["state"] for node in self._cluster.layout.nodes
                for pod in self.status(node.name)["workloads"] if pod["pod"].startswith(namespace + "/")}


def shop(scenario, app="web"):
    """A fast web server on every node with its Service, and a client on node1; returns when all are ready."""
    scenario.apply(apps.fast_web_daemon_set(app), apps.service(app), apps.client(node="node1"))
    scenario.ready(f"daemonset/{app}", "pod/client")
