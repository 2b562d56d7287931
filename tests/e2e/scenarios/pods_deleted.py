"""Agent, hold and proxy of a node are deleted under load, one after another, and not one request fails."""
from harness.load import Load
from harness.mesh import NAMESPACE, Mesh, shop
from harness.trouble import Trouble

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 300


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    for part in ("agent", "hold", "l7"):
        delete(scenario, mesh, part)
    code, output = scenario.curl("client", f"http://web.{scenario.namespace}")
    scenario.expect("the service answers", code == 0 and " on node" in output, output)


def delete(scenario, mesh, part):
    pod = mesh.pod(part, "node2")
    with mesh.undisturbed():
        kept = Load(scenario, f"kept-{part}", "web", "node1")
        fresh = Load(scenario, f"fresh-{part}", "web", "node2", is_new_each=True)
        scenario.kubectl("-n", NAMESPACE, "delete", "pod", pod, "--timeout=60s", seconds_max=65)
        scenario.eventually(f"{part} is on node2 again", lambda: is_replaced(mesh, part, pod))
        mesh.part_ready(part)
        fresh.end_without_failure()
        kept.end_without_failure()


def is_replaced(mesh, part, pod):
    try:
        return mesh.pod(part, "node2") != pod, pod
    except Trouble as none:
        return False, str(none)
