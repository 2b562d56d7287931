"""AuthorizationPolicy: who is not allowed is refused, the reason is in `observe` and `why`, and lifting it heals."""
from harness import apps
from harness.mesh import Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 180
ALLOWED, DENIED = "good", "bad"


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    for name in (ALLOWED, DENIED):
        scenario.apply(apps.service_account(name), apps.client(name, node="node1", serviceAccountName=name))
    scenario.ready(f"pod/{ALLOWED}", f"pod/{DENIED}")
    mesh.enrol()
    for name in (ALLOWED, DENIED):
        scenario.eventually(f"{name} is answered without a policy", lambda n=name: is_answered(scenario, n))
    scenario.apply(policy(scenario, {"source": {"principals": [principal(scenario, ALLOWED)]}}))
    scenario.eventually(f"{DENIED} is refused", lambda: refused(scenario, DENIED))
    for node in ("node1", "node2"):
        on_node(scenario, mesh, node)
    scenario.kubectl("-n", scenario.namespace, "delete", "authorizationpolicy", "web")
    scenario.eventually(f"{DENIED} is answered again", lambda: is_answered(scenario, DENIED))


def on_node(scenario, mesh, node):
    """The server of one node, by its own address: the direct path of the same node, the tunnel of the other."""
    pod = next(pod for pod in scenario.pods("app=web") if pod["spec"]["nodeName"] == node)
    url = f"http://{pod['status']['podIP']}:{apps.PORT}"
    scenario.expect(f"{ALLOWED} reaches the server on {node}", *answer(scenario, ALLOWED, url))
    code, output = scenario.curl(DENIED, url)
    scenario.expect(f"{DENIED} does not reach the server on {node}", code != 0 or " on node" not in output, output)
    scenario.eventually(f"observe on {node} tells who was denied and why", lambda: observed(scenario, mesh, node))
    _, output = mesh.ctl("node1", "why", f"{scenario.namespace}/{DENIED}",
                         f"{scenario.namespace}/{pod['metadata']['name']}:{apps.PORT}")
    scenario.expect("why names the policy", f"{scenario.namespace}/web" in output, output)


def observed(scenario, mesh, node):
    _, output = mesh.ctl(node, "observe", "--last", "50", "--verdict", "denied", "-o", "json")
    return f"{scenario.namespace}/{DENIED}" in output and "policy" in output, output[-400:]


def answer(scenario, name, url):
    code, output = scenario.curl(name, url)
    return code == 0 and " on node" in output, output


def is_answered(scenario, name):
    return answer(scenario, name, f"http://web.{scenario.namespace}")


def refused(scenario, name):
    is_good, output = is_answered(scenario, name)
    return not is_good, output


def principal(scenario, account):
    return f"cluster.local/ns/{scenario.namespace}/sa/{account}"


def policy(scenario, source):
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "web", "namespace": scenario.namespace},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "action": "ALLOW", "rules": [{"from": [source]}]}}
