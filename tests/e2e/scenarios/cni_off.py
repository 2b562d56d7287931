"""helm upgrade and helm rollback to a release without CNI leave no configuration that asks a gate where nobody is."""
from harness import apps
from harness.mesh import NAMESPACE, RELEASE, Mesh

STAGE = "mesh"
SECONDS_MAX = 420
CONFLIST, PLUGIN = "/etc/cni/net.d/00-keelson.conflist", "/opt/cni/bin/keelson-cni"
ROLLOUT_SECONDS_MAX = 150


def run(scenario):
    mesh = Mesh(scenario).ensure()
    everywhere(scenario, True)
    try:
        mesh.upgrade("cni.enabled=false")
        rolled_out(scenario)
        everywhere(scenario, False)
        pods_start(scenario, "upgraded")
        off = revision(scenario)
        mesh.upgrade("cni.enabled=true")
        rolled_out(scenario)
        everywhere(scenario, True)
        scenario.cluster.helm("rollback", RELEASE, off, "-n", NAMESPACE)
        rolled_out(scenario)
        everywhere(scenario, False)
        pods_start(scenario, "rolled-back")
    finally:
        mesh.upgrade("cni.enabled=true")
        rolled_out(scenario)
    everywhere(scenario, True)


def rolled_out(scenario):
    scenario.ready("daemonset/keelson-agent", seconds_max=ROLLOUT_SECONDS_MAX, namespace=NAMESPACE)


def revision(scenario):
    """Of the release as it is now."""
    lines = scenario.cluster.helm("history", RELEASE, "-n", NAMESPACE, "--max", "1").strip().splitlines()
    return lines[-1].split()[0]


def everywhere(scenario, is_there):
    for node in scenario.cluster.layout.nodes:
        for path in (CONFLIST, PLUGIN):
            scenario.eventually(f"{path} is {'there' if is_there else 'gone'} on {node.name}",
                                lambda n=node, p=path: exists(scenario, n, p) == is_there, seconds_max=30)


def exists(scenario, node, path):
    return scenario.cluster.on_node(node, "test", "-e", path)[0] == 0


def pods_start(scenario, name):
    for node in scenario.cluster.layout.nodes:
        pod = f"{name}-{node.name}"
        scenario.apply(apps.client(pod, node=node.name))
        scenario.ready(f"pod/{pod}", seconds_max=40)
