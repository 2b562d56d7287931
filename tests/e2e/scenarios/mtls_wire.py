"""Between nodes, what meshed pods say is encrypted on the wire; before, the same capture reads it."""
import time

from harness import apps, mesh as keelson, wire
from harness.load import Load

STAGE = "mesh"
SECONDS_MAX = 180
MARKER = "plainly-readable-7ac1"


def run(scenario):
    mesh = keelson.Mesh(scenario).ensure()
    scenario.apply(apps.fast_web_deployment("web", 1, nodeName="node2"), apps.service("web"))
    scenario.ready("deployment/web")
    load = Load(scenario, "load", "web", "node1", rate=50, is_new_each=True, path=f"/{MARKER}")
    before = capture(scenario, load)
    scenario.expect("the capture reads what is sent in plain", before["marked"] > 0, before)
    mesh.enrol()
    time.sleep(keelson.GRACE_SECONDS + 1)  # until then the other node may send plaintext
    after = capture(scenario, load)
    scenario.expect("nothing of it can be read", after["marked"] == 0, after)
    scenario.expect("no packet with payload goes from pod to pod", after["between_pods"] == 0, after)
    scenario.expect("the tunnel carries it", after["tunnel"] > 0, after)
    load.end_without_failure()


def capture(scenario, load):
    """Counts of three seconds of the load's life."""
    with wire.watching(scenario.cluster.layout, MARKER) as counts:
        time.sleep(3)
    scenario.tell(f"{load.name}: {counts}")
    return counts
