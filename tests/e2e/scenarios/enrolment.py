"""A labelled namespace is meshed and an unlabelled one is not, without a restart and without a failed request."""
from harness.load import Load
from harness.mesh import Mesh, shop

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 240


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    kept = Load(scenario, "kept", "web", "node1", connections=8)
    fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
    before, refused = containers(scenario), mesh.refusals()
    states = mesh.states(scenario.namespace)
    scenario.expect("nothing is meshed without the label", set(states.values()) == {"unmeshed"}, states)
    mesh.enrol()
    scenario.expect("no container was restarted", containers(scenario) == before, containers(scenario))
    scenario.eventually("calls of the mesh are seen", lambda: seen(mesh, scenario), seconds_max=30)
    code, output = scenario.curl("client", f"http://web.{scenario.namespace}")
    scenario.expect("a service answers by name", code == 0 and " on node" in output, output)
    mesh.leave()
    scenario.expect("no container was restarted", containers(scenario) == before, containers(scenario))
    report = kept.end_without_failure()
    scenario.expect("connections that were open stayed open", report["connections_opened"] == 8,
                    report["connections_opened"])
    fresh.end_without_failure()
    scenario.expect("nothing was refused", mesh.refusals() == refused, (refused, mesh.refusals()))


def containers(scenario):
    """{pod UID: start times of its containers}."""
    pods = scenario.kubectl.json("-n", scenario.namespace, "get", "pods")["items"]
    return {pod["metadata"]["uid"]: [(status["restartCount"], status["state"]["running"]["startedAt"])
                                     for status in pod["status"]["containerStatuses"]] for pod in pods}


def seen(mesh, scenario):
    code, output = mesh.ctl("node2", "observe", "--last", "20")
    return code == 0 and f"{scenario.namespace}/fresh" in output, output[-300:]
