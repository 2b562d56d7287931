"""A labelled namespace is meshed and an unlabelled one is not, without a restart and without a failed request."""
import time

from harness import wire
from harness.load import Load
from harness.mesh import GRACE_SECONDS, Mesh, shop

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 240
WATCHED_SECONDS = 5


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    kept = Load(scenario, "kept", "web", "node1", connections=8)
    fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
    before, refused = containers(scenario), mesh.refusals()
    states = mesh.states(scenario.namespace)
    scenario.expect("nothing is meshed without the label", set(states.values()) == {"unmeshed"}, states)
    counts = watched(scenario)
    scenario.expect("without it connections are opened in plain between the nodes", counts["opened"] > 0, counts)
    mesh.enrol()
    scenario.expect("no container was restarted", containers(scenario) == before, containers(scenario))
    scenario.eventually("calls of the mesh are seen", lambda: seen(mesh, scenario), seconds_max=30)
    code, output = scenario.curl("client", f"http://web.{scenario.namespace}")
    scenario.expect("a service answers by name", code == 0 and " on node" in output, output)
    nothing_opened_in_plain(scenario)
    mesh.leave()
    scenario.expect("no container was restarted", containers(scenario) == before, containers(scenario))
    report = kept.end_without_failure()
    scenario.expect("connections that were open stayed open", report["connections_opened"] == 8,
                    report["connections_opened"])
    fresh.end_without_failure()
    scenario.expect("nothing was refused", mesh.refusals() == refused, (refused, mesh.refusals()))


def nothing_opened_in_plain(scenario):
    """Connections that were open before the label stay as they are; those that are opened after the grace do not."""
    time.sleep(GRACE_SECONDS + 1)
    counts = watched(scenario)
    scenario.expect("the capture saw the tunnels", counts["tunnel"] > 0 and not counts["lost"], counts)
    scenario.expect("no connection was opened in plain between the nodes", counts["opened"] == 0, counts)


def watched(scenario):
    with wire.watching(scenario.cluster.layout, "-") as counts:
        time.sleep(WATCHED_SECONDS)
    return counts


def containers(scenario):
    """{pod UID: start times of its containers}."""
    pods = scenario.kubectl.json("-n", scenario.namespace, "get", "pods")["items"]
    return {pod["metadata"]["uid"]: [(status["restartCount"], status["state"]["running"]["startedAt"])
                                     for status in pod["status"]["containerStatuses"]] for pod in pods}


def seen(mesh, scenario):
    code, output = mesh.ctl("node2", "observe", "--last", "20")
    return code == 0 and f"{scenario.namespace}/fresh" in output, output[-300:]
