"""helm upgrade replaces every agent under load, and not one request fails, on kept connections or new ones."""
from harness.load import Load
from harness.mesh import NAMESPACE, Mesh, shop

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 300


def run(scenario):
    upgrade(scenario, "agent")


def upgrade(scenario, part):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    refused = mesh.refusals()
    kept = Load(scenario, "kept", "web", "node1")
    fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
    before = {node.name: mesh.pod(part, node.name) for node in scenario.cluster.layout.nodes}
    mesh.upgrade(f"{part}.podAnnotations.e2e-run={scenario.name}-{pods_made(scenario, part)}")
    scenario.ready(f"daemonset/keelson-{part}", seconds_max=180, namespace=NAMESPACE)
    for node, pod in before.items():
        scenario.expect(f"{part} on {node} is another one", mesh.pod(part, node) != pod, pod)
    fresh.end_without_failure()
    kept.end_without_failure()
    scenario.expect("nothing was refused", mesh.refusals() == refused, (refused, mesh.refusals()))
    scenario.expect("all pods are still in the mesh", set(mesh.states(scenario.namespace).values()) == {"ready"},
                    mesh.states(scenario.namespace))


def pods_made(scenario, part):
    """Another value at each upgrade: the generation of the DaemonSet."""
    return scenario.kubectl.json("-n", NAMESPACE, "get", "daemonset", f"keelson-{part}")["metadata"]["generation"]
