"""A node of the mesh loses power and comes back: its pods are in the mesh again, from its disk and the API server."""
from harness.mesh import Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 300


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    scenario.cluster.restart_node(scenario.cluster.layout.node("node2"))
    scenario.tell("node2 is on again")
    scenario.eventually("the agent on node2 answers", lambda: answers(mesh), seconds_max=120)
    mesh.ready()
    mesh.wait_until(scenario.namespace, "ready")
    scenario.ready("daemonset/web")
    scenario.eventually("both servers answer", lambda: both_answer(scenario), seconds_max=60)


def answers(mesh):
    code, output = mesh.ctl("node2", "ready")
    return code == 0, output[-200:]


def both_answer(scenario):
    said = {scenario.curl("client", f"http://web.{scenario.namespace}")[1].strip()[-5:] for _ in range(10)}
    return said == {"node1", "node2"}, said
