"""From a cluster to a meshed namespace by three commands, and the first calls are seen within three minutes."""
import time

from harness.mesh import Mesh, shop
from harness.trouble import Trouble

STAGE = "install"
SECONDS_MAX = 300
FIRST_SEEN_SECONDS_MAX = 180


def run(scenario):
    shop_image(scenario)
    began = time.monotonic()
    mesh = Mesh(scenario)
    mesh.install()
    mesh.enrol(seconds_max=FIRST_SEEN_SECONDS_MAX)
    scenario.curl("client", f"http://web.{scenario.namespace}")
    scenario.eventually("the first call is seen", lambda: seen(scenario, mesh), FIRST_SEEN_SECONDS_MAX)
    seconds = time.monotonic() - began
    scenario.expect(f"all of it took {seconds:.0f} s", seconds < FIRST_SEEN_SECONDS_MAX)
    mesh.ready()
    scenario.eventually("on a node calls go the direct path, between nodes by mTLS",
                        lambda: seen(scenario, mesh, {"direct", "mtls"}))
    code, output = mesh.outside("status", "--node", "node1")
    scenario.expect("kubectl keelson status tells it outside of the cluster", "direct" in output and code < 2, output)
    code, output = mesh.ctl("node1", "check")
    scenario.expect("keelsonctl check finds nothing wrong", code == 0, output)
    scenario.tell(scenario.cluster.helm("test", "keelson", "-n", "keelson-system", "--logs"))


def seen(scenario, mesh, wanted=frozenset()):
    """Whether the client was seen to call by all these paths, by any if none is named."""
    scenario.curl("client", f"http://web.{scenario.namespace}")
    try:
        paths = mesh.edge("node1", f"{scenario.namespace}/client")
    except Trouble as trouble:  # the agent is starting
        return False, trouble
    return wanted <= paths if wanted else paths & {"direct", "mtls", "proxy"}, paths


def shop_image(scenario):
    """The applications are there before the mesh."""
    Mesh(scenario).import_images()
    shop(scenario)
