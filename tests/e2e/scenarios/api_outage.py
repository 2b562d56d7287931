"""The API server stands still for a while and comes back; pods go on answering meanwhile.

Needs no Keelson: what fails here is no fault of the mesh.
"""
from harness import apps
from harness.command import run as command

STAGE = "bare"
SECONDS_MAX = 360
FOLLOWED_SECONDS_MAX = 120  # who finds no API server looks again after a minute, at most


def run(scenario):
    scenario.apply(apps.web_deployment("web"), apps.service("web"))
    scenario.ready("deployment/web")
    pod = scenario.pods("app=web")[0]
    outside = ["ip", "netns", "exec", scenario.cluster.layout.hub_netns, "curl", "-sS", "-m", "3"]
    with scenario.cluster.without_api_server():
        code, _, _ = scenario.kubectl.attempt("get", "--raw", "/readyz", seconds_max=10)
        scenario.expect("the API server is gone", code != 0)
        said = command(*outside, f"http://{pod['status']['podIP']}:{apps.PORT}")
        scenario.expect("a pod answers without it", pod["metadata"]["name"] in said, said)
    scenario.kubectl("-n", scenario.namespace, "scale", "deployment/web", "--replicas=2")
    scenario.ready("deployment/web", seconds_max=FOLLOWED_SECONDS_MAX)
    scenario.api_served()
