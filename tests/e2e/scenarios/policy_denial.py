"""AuthorizationPolicy: who is not allowed is refused, the reason is in `observe` and `why`, and lifting it heals."""
import json

from harness import apps
from harness.mesh import Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 180
ALLOWED, DENIED = "good", "bad"
CURL_REFUSED = (7, 52, 56)  # could not connect, no answer, reset


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
    scenario.eventually(f"{DENIED} is refused", lambda: refused(scenario, DENIED, service(scenario)))
    for node in ("node1", "node2"):
        on_node(scenario, mesh, node)
    scenario.kubectl("-n", scenario.namespace, "delete", "authorizationpolicy", "web")
    scenario.eventually(f"{DENIED} is answered again", lambda: is_answered(scenario, DENIED))


def on_node(scenario, mesh, node):
    """The server of one node, by its own address: the direct path of the same node, the tunnel of the other."""
    pod = next(pod for pod in scenario.pods("app=web") if pod["spec"]["nodeName"] == node)
    url = f"http://{pod['status']['podIP']}:{apps.PORT}"
    scenario.eventually(f"{ALLOWED} reaches the server on {node}", lambda: answer(scenario, ALLOWED, url))
    scenario.eventually(f"{DENIED} does not reach the server on {node}", lambda: refused(scenario, DENIED, url))
    scenario.eventually(f"observe on {node} tells who was denied and why", lambda: observed(scenario, mesh, node))
    scenario.eventually(f"why on the caller's node names the policy for the server on {node}",
                        lambda: explained(scenario, mesh, pod["metadata"]["name"]))


def observed(scenario, mesh, node):
    _, output = mesh.ctl(node, "observe", "--last", "50", "--verdict", "denied", "-o", "json")
    flows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [flow for flow in flows if flow["from"] == f"{scenario.namespace}/{DENIED}"
            and flow["reason"] == "not_allowed" and f"{scenario.namespace}/web" in flow["policy"]], flows


def explained(scenario, mesh, server):
    why = mesh.ctl_json("node1", "why", f"{scenario.namespace}/{DENIED}", f"{scenario.namespace}/{server}:{apps.PORT}")
    details = [link["detail"] for link in why["links"] if link["name"] == "policy"]
    return why["broken"] == "policy" and f"({scenario.namespace}/web (no ALLOW matches)" in details[0], why


def answer(scenario, name, url):
    code, output = scenario.curl(name, url)
    return code == 0 and " on node" in output, output


def is_answered(scenario, name):
    return answer(scenario, name, service(scenario))


def service(scenario):
    return f"http://web.{scenario.namespace}"


def refused(scenario, name, url):
    code, output = scenario.curl(name, url)
    return code in CURL_REFUSED, output


def principal(scenario, account):
    return f"cluster.local/ns/{scenario.namespace}/sa/{account}"


def policy(scenario, source):
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "web", "namespace": scenario.namespace},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "action": "ALLOW", "rules": [{"from": [source]}]}}
