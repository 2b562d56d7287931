"""The cluster by itself: pods reach each other across nodes, by Service, DNS name and NodePort, and run commands.

Needs no Keelson: what fails here is no fault of the mesh.
"""
from harness import apps
from harness.command import attempt

STAGE = "bare"
SECONDS_MAX = 150
NODE_PORT = 30080


def run(scenario):
    scenario.apply(apps.web_daemon_set("web"), apps.service("web"),
                   apps.service("web", "web-outside", node_port=NODE_PORT), apps.client(node="node1"))
    scenario.ready("daemonset/web", "pod/client")
    pods = {pod["spec"]["nodeName"]: pod for pod in scenario.pods("app=web")}
    scenario.expect("a web server on every node", set(pods) == {"node1", "node2"}, list(pods))
    for node, pod in sorted(pods.items()):
        says = f"{pod['metadata']['name']} on {node}"
        answers(scenario, f"pod to pod, node1 to {node}", f"http://{pod['status']['podIP']}:{apps.PORT}", says)
    # After an outage of the API server CoreDNS asks again with growing pauses: 14 s were seen.
    answers(scenario, "Service by name", f"http://web.{scenario.namespace}.svc.cluster.local", " on node",
            seconds_max=60)
    for node in scenario.cluster.layout.nodes:
        from_outside(scenario, node)
    code, output = scenario.kubectl.exec(scenario.namespace, "client", "cat", "/etc/resolv.conf")
    scenario.expect("kubectl exec", code == 0 and "10.96.0.10" in output, output)


def answers(scenario, what, url, says, seconds_max=20):
    def attempt_once():
        code, output = scenario.curl("client", url)
        return code == 0 and says in output, output

    scenario.eventually(what, attempt_once, seconds_max)


def from_outside(scenario, node):
    outside = ["ip", "netns", "exec", scenario.cluster.layout.hub_netns]

    def attempt_once():
        _, output, error = attempt(*outside, "curl", "-sS", "-m", "3", f"http://{node.ip}:{NODE_PORT}")
        return " on node" in output, output + error

    scenario.eventually(f"NodePort of {node.name} from outside the cluster", attempt_once)
