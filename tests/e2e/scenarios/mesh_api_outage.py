"""The API server is gone for two minutes: the mesh serves on, and every agent follows when it is back.

That nothing is written for what has not changed is for api_outage_test.
"""
import time

from harness.load import Load
from harness.mesh import Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 420
OUTAGE_SECONDS = 120


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    kept = Load(scenario, "kept", "web", "node1")
    fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
    before = mesh.refusals()
    with scenario.cluster.without_api_server():
        scenario.tell(f"the API server is gone for {OUTAGE_SECONDS} s")
        scenario.expect("nobody answers for it", scenario.kubectl.attempt("get", "nodes", seconds_max=5)[0] != 0)
        time.sleep(OUTAGE_SECONDS)
    scenario.api_served()
    scenario.eventually("every agent follows it again", mesh.is_at_ease, seconds_max=60)
    fresh.end_without_failure()
    kept.end_without_failure()
    mesh.wait_until(scenario.namespace, "ready")
    scenario.expect("nothing was refused", mesh.refusals() == before, (before, mesh.refusals()))
