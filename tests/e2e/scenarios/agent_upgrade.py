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
    before = {node.name: mesh.pod(part, node.name) for node in scenario.cluster.layout.nodes}
    with mesh.undisturbed():
        kept = Load(scenario, "kept", "web", "node1")
        fresh = Load(scenario, "fresh", "web", "node2", is_new_each=True)
        mesh.upgrade(f"{part}.podAnnotations.e2e-run={scenario.namespace}-{generation(scenario, part)}")
        mesh.part_ready(part, seconds_max=180)
        for node, pod in before.items():
            scenario.expect(f"{part} on {node} is another one", mesh.pod(part, node) != pod, pod)
        fresh.end_without_failure()
        kept.end_without_failure()
    states = mesh.states(scenario.namespace)
    scenario.expect("all pods are still in the mesh", set(states.values()) == {"ready"}, states)


def generation(scenario, part):
    """Of the DaemonSet: another one after each upgrade."""
    return scenario.kubectl.json("-n", NAMESPACE, "get", "daemonset", f"keelson-{part}")["metadata"]["generation"]
