"""What else runs in a meshed namespace: a Job with an init container, a StatefulSet by its names, a NodePort."""
from harness import apps
from harness.command import attempt
from harness.mesh import Mesh

STAGE = "mesh"
SECONDS_MAX = 240
NODE_PORT = 30081


def run(scenario):
    mesh = Mesh(scenario).ensure()
    scenario.kubectl("label", "namespace", scenario.namespace, "keelson.dev/mesh=enabled")
    scenario.apply(stateful_set(), apps.service("db", headless=True),
                   apps.service("db", "outside", node_port=NODE_PORT), apps.client(node="node1"))
    scenario.ready("statefulset/db", "pod/client", seconds_max=90)
    mesh.wait_until(scenario.namespace, "ready")
    for pod in ("db-0", "db-1"):
        url = f"http://{pod}.db.{scenario.namespace}.svc.cluster.local:{apps.PORT}"
        scenario.eventually(f"{pod} answers by its name", lambda u=url, p=pod: says(scenario.curl("client", u), p))
    for node in scenario.cluster.layout.nodes:
        scenario.eventually(f"NodePort of {node.name} into a meshed pod", lambda n=node: from_outside(scenario, n))
    scenario.apply(job(f"http://db-0.db.{scenario.namespace}.svc.cluster.local:{apps.PORT}"))
    scenario.kubectl("-n", scenario.namespace, "wait", "--for=condition=Complete", "job/once", "--timeout=60s",
                     seconds_max=65)
    output = scenario.kubectl("-n", scenario.namespace, "logs", "job/once")
    scenario.expect("the job and its init container called at once", "db-0" in output, output)
    scenario.eventually("all these calls went through the mesh", lambda: went_meshed(scenario, mesh))
    scenario.kubectl("-n", scenario.namespace, "delete", "pod", "db-1", "--timeout=60s")
    scenario.ready("statefulset/db")
    mesh.wait_until(scenario.namespace, "ready")


def went_meshed(scenario, mesh):
    """None of the client's and of the job's in plaintext; the job has called from both of its containers."""
    job = scenario.pods("job-name=once")[0]
    node = job["spec"]["nodeName"]
    paths = {caller: mesh.edge(where, f"{scenario.namespace}/{caller}")
             for where, caller in (("node1", "client"), (node, job["metadata"]["name"]))}
    return all(seen and seen <= {"direct", "mtls"} for seen in paths.values()), paths


def says(answer, word):
    code, output = answer
    return code == 0 and word in output, output


def stateful_set():
    made = apps.fast_web_deployment("db", 2)
    made["kind"] = "StatefulSet"
    made["spec"]["serviceName"] = "db"
    return made


def job(url):
    """Calls once in its init container and once in its container: a first call that fails is a failed job."""
    command = ["curl", "-sS", "-m", "5", "--fail", url]
    template = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                         "initContainers": [{"name": "first", "image": apps.IMAGE, "command": command}],
                         "containers": [{"name": "then", "image": apps.IMAGE, "command": command}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
            "spec": {"backoffLimit": 0, "template": template}}


def from_outside(scenario, node):
    outside = ["ip", "netns", "exec", scenario.cluster.layout.hub_netns]
    _, output, error = attempt(*outside, "curl", "-sS", "-m", "3", f"http://{node.ip}:{NODE_PORT}")
    return "db-" in output, output + error
