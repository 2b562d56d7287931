"""RBAC: every right of every component was used on this cluster, and nothing that it asks for is refused.

What is used seldom is brought about: lists need a server that does not stream them, an event that an earlier agent
told is counted, a start-up taint is taken off. The CA makes its roots when it is installed.
"""
from harness import apps, audit
from harness.mesh import NAMESPACE, START_UP_TAINT, Mesh

STAGE = "mesh"
SECONDS_MAX = 240
TAINTED = "node2"
AGENTS = "app.kubernetes.io/component=agent"
WITHOUT_STREAMS = "--feature-gates=WatchList=false"


def run(scenario):
    mesh, trail = Mesh(scenario).ensure(), audit.Trail(scenario.cluster)
    began = audit.now()
    scenario.apply(apps.web_daemon_set("web"), apps.service("web"), apps.route("web"))
    scenario.ready("daemonset/web")
    mesh.enrol()
    scenario.eventually("both nodes tell that their pod joined", lambda: has_joined(scenario))
    mesh.leave()
    nothing_refused(scenario, trail, began)
    try:
        restart_api(scenario, WITHOUT_STREAMS)
        began = audit.now()
        scenario.kubectl("taint", "--overwrite", "node", TAINTED, f"{START_UP_TAINT}:NoSchedule")
        restart_agents(scenario, mesh)
        mesh.enrol()
        scenario.eventually(f"{TAINTED} is without the start-up taint",
                            lambda: scenario.has_no_taint(TAINTED, START_UP_TAINT), seconds_max=60)
        every_right_is_used(scenario, trail)
        nothing_refused(scenario, trail, began)
    finally:
        restart_api(scenario)
        scenario.kubectl.attempt("taint", "node", TAINTED, f"{START_UP_TAINT}-")  # it is gone unless something failed
    scenario.eventually("every agent follows the API server again", mesh.is_at_ease, seconds_max=60)


def has_joined(scenario):
    told = scenario.kubectl.json("-n", scenario.namespace, "get", "events.events.k8s.io")["items"]
    nodes = {event["reportingInstance"] for event in told if event["reason"] == "MeshJoined"}
    return nodes == {node.name for node in scenario.cluster.layout.nodes}, nodes


def restart_api(scenario, *flags):
    """It is killed, to be back soon: the longer it is away, the longer kube-proxy and the agents wait to look again."""
    nodes, first = scenario.cluster.nodes, scenario.cluster.layout.control_plane
    nodes.kill_program(first, "kube-apiserver")
    nodes.start_program(first, "kube-apiserver", *flags)
    scenario.api_served()


def restart_agents(scenario, mesh):
    nodes = [node.name for node in scenario.cluster.layout.nodes]
    before = {node: mesh.pod("agent", node) for node in nodes}
    scenario.kubectl("-n", NAMESPACE, "delete", "pods", "-l", AGENTS)

    def are_others():
        ready = {pod["spec"].get("nodeName"): pod["metadata"]["name"] for pod in scenario.pods(AGENTS, NAMESPACE)
                 if "deletionTimestamp" not in pod["metadata"] and is_ready(pod)}
        return set(ready) == set(nodes) and not set(ready.values()) & set(before.values()), ready

    scenario.eventually("every node has another agent", are_others, seconds_max=60)


def is_ready(pod):
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in pod["status"].get("conditions", []))


def every_right_is_used(scenario, trail):
    rights = audit.granted(scenario.kubectl.json("get", audit.ROLE_KINDS, "-A")["items"], NAMESPACE)
    accounts = {right.account for right in rights}
    scenario.expect("the agent and the CA have rights, nobody else", accounts == {"keelson-agent", "keelson-ca"},
                    accounts)

    def are_used():
        missing = audit.unused(rights, audit.uses(trail.entries(), NAMESPACE))
        return not missing, f"nobody used {'; '.join(missing)}"

    scenario.eventually(f"all {len(rights)} rights are used", are_used, seconds_max=45)


def nothing_refused(scenario, trail, since):
    refusals = audit.refused(trail.entries(), NAMESPACE, since)
    scenario.expect("nothing that Keelson asked for was refused", not refusals, "; ".join(refusals))
