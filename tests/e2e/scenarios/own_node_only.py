"""An agent may write of its own node only and takes the start-up taint off it; its Events tell who was enrolled."""
import json
import uuid

from harness import apps
from harness.mesh import LABEL, NAMESPACE, START_UP_TAINT, Mesh

STAGE = "mesh"
SECONDS_MAX = 240
OTHER_TAINT = "e2e.keelson.dev/other"
OWN, OTHER = "node1", "node2"
STATE_REFUSED = "an agent writes the NodeState of its own node only"
NODE_REFUSED = "an agent changes its own node only"
TAINT_REFUSED = "an agent takes off the start-up taint only"
CHANGE_REFUSED = "an agent changes nothing of its node but the start-up taint"


def run(scenario):
    mesh = Mesh(scenario).ensure()
    events(scenario)
    states(scenario)
    owners(scenario)
    try:
        for node in (OWN, OTHER):
            scenario.kubectl("taint", "node", node, f"{START_UP_TAINT}=:NoSchedule", "--overwrite")
        nodes(scenario)
        scenario.kubectl("-n", NAMESPACE, "delete", "pod", mesh.pod("agent", OTHER), "--wait=false")
        scenario.eventually(f"the agent of {OTHER}, started anew, takes the taint off",
                            lambda: scenario.has_no_taint(OTHER, START_UP_TAINT), seconds_max=60)
        is_untainted, seen = scenario.has_no_taint(OWN, START_UP_TAINT)
        scenario.expect("and off no other node", not is_untainted, seen)
        # Told half a minute after the label: until then what is refused may come right.
        scenario.eventually("an Event MeshRefused of the pod in the node's network", lambda: told(
            scenario, "Pod", "on-node", "MeshRefused"), seconds_max=60)
    finally:
        for node in (OWN, OTHER):
            scenario.kubectl.attempt("taint", "node", node, f"{START_UP_TAINT}-")
        mesh.part_ready("agent")


def states(scenario):
    apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=e2e", "-f", "-"]
    decided(scenario, f"NodeState {OWN}", apply, None, stdin=node_state(OWN))
    decided(scenario, f"NodeState {OTHER}", apply, STATE_REFUSED, stdin=node_state(OTHER))
    decided(scenario, f"NodeState {OWN} by a token of no node", apply, STATE_REFUSED, stdin=node_state(OWN),
            token_of=None)


def owners(scenario):
    """Each NodeState goes with its Node, by whose name it is."""
    uids = {node: scenario.kubectl.json("get", "node", node)["metadata"]["uid"] for node in (OWN, OTHER)}
    seen = {node: scenario.kubectl.json("get", "nodestate", node)["metadata"].get("ownerReferences") for node in uids}
    wanted = {node: [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}] for node, uid in uids.items()}
    scenario.expect("each NodeState is owned by its Node", seen == wanted, seen)
    gone = json.loads(node_state("gone"))
    gone["metadata"]["ownerReferences"] = [{**wanted[OWN][0], "name": "gone", "uid": str(uuid.uuid4())}]
    scenario.kubectl.apply(gone)
    scenario.eventually("that of a Node which is gone goes", lambda: "/gone\n" not in scenario.kubectl(
        "get", "nodestate", "-o", "name"), seconds_max=60)


def nodes(scenario):
    """What the agent of OWN may do with nodes that both have the start-up taint."""
    decided(scenario, f"the taint taken off {OWN}", change(OWN, untainted(scenario, OWN)), None)
    decided(scenario, f"the taint taken off {OTHER}", change(OTHER, untainted(scenario, OTHER)), NODE_REFUSED)
    decided(scenario, f"the taint taken off {OWN} by a token of no node", change(OWN, untainted(scenario, OWN)),
            NODE_REFUSED, token_of=None)
    other = {"spec": {"taints": [{"key": OTHER_TAINT, "effect": "NoSchedule"}]}}
    decided(scenario, f"another taint put on {OWN}", change(OWN, other), TAINT_REFUSED)
    label = {**untainted(scenario, OWN), "metadata": {"labels": {"e2e": "agent"}}}
    decided(scenario, f"a label put on {OWN} with it", change(OWN, label), CHANGE_REFUSED)


def decided(scenario, what, command, refusal, stdin=None, token_of=OWN):
    """What the API server says to an agent, without doing it: allowed, or refused in the words of a policy."""
    code, output, error = scenario.kubectl.attempt(*as_agent(token_of), *command, "--dry-run=server", stdin=stdin)
    if refusal is None:
        scenario.expect(f"{what}: allowed", code == 0, output + error)
    else:
        scenario.expect(f"{what}: refused", code != 0 and refusal in error, output + error)


def as_agent(token_of):
    """The service account of the agents, with a token of a pod on that node."""
    extra = [f"--as-user-extra=authentication.kubernetes.io/node-name={token_of}"] if token_of else []
    return [f"--as=system:serviceaccount:{NAMESPACE}:keelson-agent", *extra]


def node_state(name):
    return json.dumps({"apiVersion": "keelson.dev/v1alpha1", "kind": "NodeState", "metadata": {"name": name}})


def change(node, patch):
    return ["patch", "node", node, "--type=merge", "-p", json.dumps(patch)]


def untainted(scenario, node):
    spec = scenario.kubectl.json("get", "node", node)["spec"]
    return {"spec": {"taints": [taint for taint in spec.get("taints", []) if taint["key"] != START_UP_TAINT]}}


def events(scenario):
    """Of a namespace that is enrolled, by the agent that leads, and of its pod, by that of its node."""
    scenario.apply(apps.client(node=OWN), apps.client("on-node", node=OWN, hostNetwork=True))
    scenario.ready("pod/client", "pod/on-node")
    scenario.eventually("one of the agents leads", lambda: is_led(scenario), seconds_max=90)
    scenario.kubectl("label", "namespace", scenario.namespace, f"{LABEL}=enabled")
    for kind, name, reason in (("Namespace", scenario.namespace, "MeshEnabled"), ("Pod", "client", "MeshJoined")):
        scenario.eventually(f"an Event {reason} of the {kind} {name}",
                            lambda k=kind, n=name, r=reason: told(scenario, k, n, r), seconds_max=40)


def is_led(scenario):
    """By one that runs: the Lease of one that was replaced stays for half a minute, and nobody tells of namespaces."""
    lease = scenario.kubectl.json("-n", NAMESPACE, "get", "lease", "keelson-status")
    agents = scenario.pods("app.kubernetes.io/component=agent", NAMESPACE)
    renewed, started = lease["spec"].get("renewTime", ""), [pod["status"]["startTime"] for pod in agents]
    return renewed[:19] > max(started)[:19], (renewed, started)


def told(scenario, kind, name, reason):
    seen = [(event["involvedObject"]["kind"], event["involvedObject"]["name"], event["reason"]) for event in
            scenario.kubectl.json("-n", scenario.namespace, "get", "events")["items"]]
    return (kind, name, reason) in seen, seen
