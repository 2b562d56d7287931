"""The API server is gone for a minute: the mesh serves on, and when it is back nothing is written anew."""
import time

from harness.load import Load
from harness.mesh import Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 300
OUTAGE_SECONDS = 60
SETTLE_SECONDS = 2


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    kept = Load(scenario, "kept", "web", "node1")
    fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
    before = scenario.eventually("nothing is written any more", lambda: settled(scenario, mesh))
    nodes, first = scenario.cluster.nodes, scenario.cluster.layout.control_plane
    nodes.stop_program(first, "kube-apiserver")
    try:
        scenario.tell(f"the API server is gone for {OUTAGE_SECONDS} s")
        scenario.expect("nobody answers for it", scenario.kubectl.attempt("get", "nodes", seconds_max=5)[0] != 0)
        time.sleep(OUTAGE_SECONDS)
    finally:
        nodes.start_program(first, "kube-apiserver")
    scenario.eventually("the API server is back", scenario.cluster.is_api_ready, seconds_max=60)
    scenario.eventually("every agent follows it again", lambda: follows(scenario, mesh), seconds_max=60)
    fresh.end_without_failure()
    kept.end_without_failure()
    after = writes(scenario, mesh)
    scenario.expect("no map was written for what had not changed", after == before, (before, after))


def settled(scenario, mesh):
    before = writes(scenario, mesh)
    time.sleep(SETTLE_SECONDS)
    return before if writes(scenario, mesh) == before else None


def writes(scenario, mesh):
    return {node.name: mesh.status(node.name)["rollout"]["map_writes"] for node in scenario.cluster.layout.nodes}


def follows(scenario, mesh):
    """No agent has anything to complain of."""
    findings = {node.name: [finding for finding in mesh.status(node.name)["findings"] if finding["severity"] != "info"]
                for node in scenario.cluster.layout.nodes}
    return not any(findings.values()), findings
