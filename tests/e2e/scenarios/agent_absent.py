"""Agent absent: a pod outside the exempt namespaces does not start and says why; what runs serves on; all heals."""
import contextlib
import json

from harness import apps
from harness.mesh import NAMESPACE, Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 240
NODE, EXEMPT_NAMESPACE, EXEMPT_POD = "node2", "kube-system", "e2e-agent-absent"
SAYS = ("keelson-cni: pod ", "not started", "the node's keelson-agent must run before pods outside the exempt "
        "namespaces start")
ELSEWHERE = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [NODE]}]}]}}}


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    server = next(pod for pod in scenario.pods("app=web") if pod["spec"]["nodeName"] == NODE)
    try:
        with without_agent(scenario, mesh):
            scenario.apply(apps.client("waiting", node=NODE))
            scenario.apply(apps.client(EXEMPT_POD, node=NODE), namespace=EXEMPT_NAMESPACE)
            scenario.ready(f"pod/{EXEMPT_POD}", seconds_max=40, namespace=EXEMPT_NAMESPACE)
            scenario.eventually("an event of the other pod says why it does not start", lambda: says_why(scenario),
                                seconds_max=60)
            scenario.expect("it has not started", *has_not_started(scenario))
            scenario.expect("a meshed pod of the node answers without the agent", *answers(scenario, server))
    finally:
        scenario.kubectl("-n", EXEMPT_NAMESPACE, "delete", "pod", EXEMPT_POD, "--ignore-not-found", "--wait=false")
    scenario.ready("pod/waiting")
    mesh.wait_until(scenario.namespace, "ready")
    code, output = scenario.curl("waiting", f"http://web.{scenario.namespace}")
    scenario.expect("the pod that waited calls a service", code == 0 and " on node" in output, output)


@contextlib.contextmanager
def without_agent(scenario, mesh):
    """While the block lasts NODE has no agent. Those of other nodes are left alone, also on the way back: the template
    is then what they were made from."""
    try:
        patch(scenario, "OnDelete", ELSEWHERE)
        scenario.eventually(f"no agent is on {NODE}", lambda: is_gone(scenario), seconds_max=60)
        yield
    finally:
        patch(scenario, "RollingUpdate", None)
        mesh.part_ready("agent")


def patch(scenario, strategy, affinity):
    change = {"spec": {"updateStrategy": {"type": strategy}, "template": {"spec": {"affinity": affinity}}}}
    scenario.kubectl("-n", NAMESPACE, "patch", "daemonset", "keelson-agent", "--type=merge", "-p", json.dumps(change))


def is_gone(scenario):
    left = [pod["metadata"]["name"] for pod in scenario.pods("app.kubernetes.io/component=agent", NAMESPACE)
            if pod["spec"].get("nodeName") == NODE]
    return not left, left


def says_why(scenario):
    events = scenario.kubectl.json("-n", scenario.namespace, "get", "events", "--field-selector",
                                   "involvedObject.kind=Pod,involvedObject.name=waiting,reason=FailedCreatePodSandBox")
    notes = [event["message"] for event in events["items"]]
    return any(all(words in note for words in SAYS) for note in notes), notes


def has_not_started(scenario):
    status = scenario.kubectl.json("-n", scenario.namespace, "get", "pod", "waiting")["status"]
    return status["phase"] == "Pending" and "podIP" not in status, status


def answers(scenario, server):
    code, output = scenario.curl("client", f"http://{server['status']['podIP']}:{apps.PORT}")
    return code == 0 and f" on {NODE}" in output, output
