"""A container that restarts stays meshed under STRICT, a pod opts out by its label, and a lost CNI file comes back."""
from harness import apps
from harness.mesh import LABEL, Mesh, shop
from scenarios.cni_off import CONFLIST, exists

STAGE = "mesh"
SECONDS_MAX = 180
OUT = "out"


def run(scenario):
    mesh = Mesh(scenario).ensure()
    node = scenario.cluster.layout.node("node2")
    code, _, error = scenario.cluster.on_node(node, "rm", CONFLIST)
    scenario.expect(f"{CONFLIST} was there", code == 0, error)
    scenario.eventually(f"the agent puts {CONFLIST} back", lambda: exists(scenario, node, CONFLIST), seconds_max=10)
    shop(scenario)
    mesh.enrol()
    scenario.apply(opted_out(), strict())
    scenario.ready(f"pod/{OUT}")
    server = next(pod for pod in scenario.pods("app=web") if pod["spec"]["nodeName"] == node.name)
    url = f"http://{server['status']['podIP']}:{apps.PORT}"
    scenario.eventually("the pod that opted out is refused under STRICT", lambda: is_refused(scenario, url))
    states = mesh.states(scenario.namespace)
    scenario.expect("and is not meshed", states.get(f"node1 {scenario.namespace}/{OUT}") == "unmeshed", states)
    scenario.expect("a meshed pod is answered", *is_answered(scenario, url))
    name = server["metadata"]["name"]
    scenario.kubectl.exec(scenario.namespace, name, "sh", "-c", "kill 1")
    scenario.eventually("its container is another one", lambda: is_restarted(scenario, server), seconds_max=60)
    scenario.eventually("a meshed pod is answered after the restart", lambda: is_answered(scenario, url))
    states = mesh.states(scenario.namespace)
    scenario.expect("the server is still meshed", states.get(f"{node.name} {scenario.namespace}/{name}") == "ready",
                    states)
    scenario.expect("the pod that opted out is still refused", *is_refused(scenario, url))


def opted_out():
    pod = apps.client(OUT, node="node1")
    pod["metadata"]["labels"][LABEL] = "disabled"
    return pod


def strict():
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "default"},
            "spec": {"mtls": {"mode": "STRICT"}}}


def is_refused(scenario, url):
    code, output = scenario.curl(OUT, url)
    return code != 0 and " on node" not in output, output


def is_answered(scenario, url):
    code, output = scenario.curl("client", url)
    return code == 0 and " on node2" in output, output


def is_restarted(scenario, before):
    pod = scenario.kubectl.json("-n", scenario.namespace, "get", "pod", before["metadata"]["name"])
    old, new = (each["status"]["containerStatuses"][0] for each in (before, pod))
    return new["restartCount"] > old["restartCount"] and new["ready"], new
