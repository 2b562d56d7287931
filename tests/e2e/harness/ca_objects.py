"""What a try of ca_tries is made of on a real cluster: nodes and pods as objects, tokens, certificate requests.

The nodes have no machine. They lack the label by which DaemonSets choose nodes, so nothing is put on them but the pods
made here, which stay as they are put: pending, finished or ending.
"""
import datetime
import pathlib
import ssl
import tempfile

from harness import apps
from harness.command import run
from harness.mesh import NAMESPACE

NODES = [f"e2e-nobody-{number}" for number in range(10)]
*ASKING, LIMITED, ELSEWHERE = NODES
AGENT, AUDIENCE = "keelson-agent", "keelson-ca"
GONE = "agent-that-is-gone"
# Service accounts with a pod on each asking node, and what is special about that pod.
ON_EACH = {"live": {}, "host": {"hostNetwork": True}, "done": {}, "ended": {}, "deleted": {}}


def pod_of(account, node):
    return f"{account}-{node}"


def pod(name, account, node=None, **spec):
    made = apps.client(name, node=node, serviceAccountName=account, **spec)
    made["spec"]["automountServiceAccountToken"] = False
    return made


def together(objects):
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def populate(scenario):
    kubectl, nodes = scenario.kubectl, [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
                                        for node in NODES]
    agents = [pod(pod_of(AGENT, node), AGENT, node) for node in NODES]
    accounts = [*ON_EACH, "without-pod", "elsewhere", "unscheduled"]
    scenario.apply(together(nodes))
    scenario.apply(together([*agents, pod(GONE, AGENT, NODES[0])]), namespace=NAMESPACE)
    scenario.apply(together(map(apps.service_account, accounts)))
    scenario.apply(together([
        *(pod(pod_of(account, node), account, node, **spec) for node in ASKING for account, spec in ON_EACH.items()),
        pod("elsewhere", "elsewhere", ELSEWHERE),
        pod("unscheduled", "unscheduled", nodeSelector={"e2e.keelson.dev/node": "none"})]))
    for node in ASKING:
        kubectl("-n", scenario.namespace, "patch", "pod", pod_of("done", node), "--subresource=status", "-p",
                '{"status": {"phase": "Succeeded"}}')
    remove_pods(scenario, scenario.namespace, (pod_of("deleted", node) for node in ASKING))
    kubectl("-n", scenario.namespace, "delete", "pod", "--grace-period=1", "--wait=false",
            *(pod_of("ended", node) for node in ASKING))
    scenario.eventually("the grace periods of ended pods are over", lambda: have_ended(scenario))


def have_ended(scenario):
    """Whether the end that each deletion announced has come; the nodes share this machine's clock."""
    pods = scenario.kubectl.json("-n", scenario.namespace, "get", "pods")["items"]
    ends = [pod["metadata"]["deletionTimestamp"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return len(ends) == len(ASKING) and max(ends) < now, (ends, now)


def depopulate(scenario):
    """There is no kubelet that would say that the pods have ended."""
    remove_pods(scenario, scenario.namespace, ["--all"])
    remove_pods(scenario, NAMESPACE, [GONE, *(pod_of(AGENT, node) for node in NODES)])
    scenario.kubectl("delete", "node", "--ignore-not-found", *NODES)


def remove_pods(scenario, namespace, names):
    scenario.kubectl("-n", namespace, "delete", "pod", "--ignore-not-found", "--force", "--grace-period=0", *names)


def tokens(scenario):
    """By node for agents that are as they should be, else by kind of ca_tries.TOKENS."""
    def create(name, account=AGENT, audience=AUDIENCE, namespace=NAMESPACE):
        bound = ["--bound-object-kind=Pod", f"--bound-object-name={name}"] if name else []
        return scenario.kubectl("-n", namespace, "create", "token", account, f"--audience={audience}", *bound).strip()

    first = NODES[0]
    made = {node: create(pod_of(AGENT, node)) for node in NODES}
    head, claims, signature = made[first].split(".")
    made.update({"of another audience": create(pod_of(AGENT, first), audience="keelson-other"),
                 "unbound": create(None), "of a pod that is gone": create(GONE), "none": "",
                 "of another account": create(pod_of("live", first), "live", namespace=scenario.namespace),
                 "forged": f"{head}.{claims}.{signature[::-1]}"})
    remove_pods(scenario, NAMESPACE, [GONE])
    return made


def requests():
    """PEM, by kind of ca_tries.REQUESTS."""
    with tempfile.TemporaryDirectory() as folder:
        def make(*options):
            return run("openssl", "req", "-new", "-nodes", "-subj", "/", "-keyout", pathlib.Path(folder, "key"),
                       *options)

        def of_curve(curve, *options):
            return make("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", *options)

        p256, somebody = of_curve("P-256"), "subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/somebody"
        return {"p256": p256, "rsa": make("-newkey", "rsa:2048"), "p384": of_curve("P-384"),
                "names somebody": of_curve("P-256", "-addext", somebody), "signed by nobody": changed(p256), "none": ""}


def changed(request):
    """With another signature: its last bytes are those of the whole."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(request.replace("CERTIFICATE REQUEST", "CERTIFICATE")))
    der[-1] ^= 1
    return ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
