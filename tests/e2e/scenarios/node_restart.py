"""A node that loses power comes back with its pods, from its disk alone.

Needs no Keelson: what fails here is no fault of the mesh.
"""
from harness import apps

STAGE = "bare"
SECONDS_MAX = 150


def run(scenario):
    scenario.apply(apps.web_daemon_set("web"), apps.service("web"), apps.client(node="node1"))
    scenario.ready("daemonset/web", "pod/client")
    node = scenario.cluster.layout.node("node2")
    before = pod_of(scenario, node)
    scenario.cluster.restart_node(node)
    scenario.tell("node2 is on again")
    after = scenario.eventually("its pod runs again", lambda: restarted(scenario, node, before), seconds_max=90)
    scenario.expect("it is the same pod", after["metadata"]["uid"] == before["metadata"]["uid"])
    scenario.eventually("it answers the pod of the other node", lambda: answers(scenario, pod_of(scenario, node)))


def pod_of(scenario, node):
    return next(pod for pod in scenario.pods("app=web") if pod["spec"]["nodeName"] == node.name)


def restarted(scenario, node, before):
    pod = pod_of(scenario, node)
    state = pod["status"]["containerStatuses"][0]
    fresh = state.get("containerID") != before["status"]["containerStatuses"][0]["containerID"]
    return (pod if fresh and state["ready"] else None), f"{state['restartCount']} restarts, ready {state['ready']}"


def answers(scenario, pod):
    code, output = scenario.curl("client", f"http://{pod['status']['podIP']}:{apps.PORT}")
    return code == 0 and " on node2" in output, output
