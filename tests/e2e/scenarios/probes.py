"""Probes of every kind pass under STRICT and a policy that denies everybody, while callers are refused."""
import time

from harness import apps
from harness.mesh import Mesh

STAGE = "mesh"
SECONDS_MAX = 180
TIMEOUT_SECONDS, WATCH_SECONDS = 5, 20
HEALTH_PORT = 2379
KINDS = {"http": {"httpGet": {"path": "/", "port": apps.PORT}}, "tcp": {"tcpSocket": {"port": apps.PORT}},
         "exec": {"exec": {"command": ["true"]}}, "grpc": {"grpc": {"port": HEALTH_PORT}}}


def run(scenario):
    mesh = Mesh(scenario).ensure()
    for node in ("node1", "node2"):
        scenario.apply(*(pod(kind, node) for kind in KINDS))
    names = [f"pod/{kind}-{node}" for kind in KINDS for node in ("node1", "node2")]
    scenario.apply(apps.client(node="node1"))
    scenario.ready(*names, "pod/client")
    mesh.enrol()
    target = scenario.kubectl.json("-n", scenario.namespace, "get", "pod", "http-node2")["status"]["podIP"]
    scenario.eventually("a caller is answered", lambda: is_answered(scenario, target))
    scenario.apply(strict(), deny_all())
    scenario.eventually("callers are refused", lambda: is_refused(scenario, target))
    before = ready_since(scenario)
    time.sleep(WATCH_SECONDS)  # long enough for three probes in a row that nobody answers: one restart
    for kind in KINDS:
        for node in ("node1", "node2"):
            status = scenario.kubectl.json("-n", scenario.namespace, "get", "pod", f"{kind}-{node}")["status"]
            state = status["containerStatuses"][0]
            scenario.expect(f"{kind} probes of {node} pass", state["ready"] and state["restartCount"] == 0, state)
    scenario.expect("no pod was unready in between", ready_since(scenario) == before, (before, ready_since(scenario)))


def ready_since(scenario):
    """{pod: when its Ready condition last changed}."""
    return {pod["metadata"]["name"]: condition["lastTransitionTime"] for pod in scenario.pods("app=probed")
            for condition in pod["status"]["conditions"] if condition["type"] == "Ready"}


def is_answered(scenario, ip):
    code, output = scenario.curl("client", f"http://{ip}:{apps.PORT}")
    return code == 0 and " on node" in output, output


def is_refused(scenario, ip):
    code, output = scenario.curl("client", f"http://{ip}:{apps.PORT}")
    return code in (7, 52, 56), output  # could not connect, no answer, reset


def pod(kind, node):
    made = apps.web_template("probed")
    serving = made["spec"]["containers"][0]
    if kind == "grpc":
        address = f"http://0.0.0.0:{HEALTH_PORT}"
        serving.update(image=apps.LOAD_IMAGE, command=[
            "etcd", "--data-dir=/tmp/etcd", f"--listen-client-urls={address}", f"--advertise-client-urls={address}"])
    probe = {**KINDS[kind], "periodSeconds": 1, "timeoutSeconds": TIMEOUT_SECONDS, "failureThreshold": 3}
    serving.update(readinessProbe=probe, livenessProbe={**probe, "initialDelaySeconds": 10})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{kind}-{node}", "labels": {"app": "probed"}},
            "spec": {**made["spec"], "nodeName": node}}


def strict():
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "strict"},
            "spec": {"mtls": {"mode": "STRICT"}}}


def deny_all():
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "deny-all"},
            "spec": {}}
