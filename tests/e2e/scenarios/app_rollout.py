"""Ten pods of an application are replaced under 500 requests a second, and not one request fails."""
from harness import apps
from harness.load import Load
from harness.mesh import Mesh

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 300
REPLICAS, RATE = 10, 500


def run(scenario):
    mesh = Mesh(scenario).ensure()
    scenario.apply(apps.fast_web_deployment("web", REPLICAS), apps.service("web"))
    scenario.ready("deployment/web", seconds_max=90)
    mesh.enrol()
    with mesh.undisturbed():
        load = Load(scenario, "load", "web", "node1", rate=RATE, connections=64, is_new_each=True)
        scenario.kubectl("-n", scenario.namespace, "rollout", "restart", "deployment/web")
        scenario.ready("deployment/web", seconds_max=180)
        load.end_without_failure()
