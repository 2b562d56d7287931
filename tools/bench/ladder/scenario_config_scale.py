"""config scale: how long an agent takes to be ready with 1,000 Services and 10,000 pods, and what it then holds.

The node has one pod; the rest is of other nodes, which need not run. Each round starts an agent that has not seen
the configuration before (its last good objects and the kernel's rows are those of the empty mesh). Blocking.
"""
import http.client
import json
import socket
import time

from ladder import big_config, memory, objects
from ladder.mesh import Mesh, MeshError

NAME = "config-scale"
DESCRIPTION = "1,000 Services and 10,000 pods: ready, memory of agent and proxy"
PREFIX = "keelson-lab-config"
NODE = "node1"
ROUNDS = {"quick": 11, "full": 15}
PATIENCE = 60  # seconds for the agent to be ready
POLL = 0.002


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("agent", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(path, what):
    """The agent's answer as JSON; nothing when it does not answer, or not with success."""
    connection = UnixConnection(path)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        text = answer.read()
        return json.loads(text) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def is_ready(status):
    """Ready with the whole configuration in the kernel and at the proxy."""
    if not status or not status.get("ready"):
        return False
    applied = status["generation"]["applied"]
    return status["objects"]["services"] >= big_config.SERVICES and applied == status["generation"]["snapshot"] and \
        status["proxy"].get("acknowledged_generation", 0) >= applied > 0


class Files:
    """The big configuration in the folders of a lab, or not."""

    def __init__(self, mesh):
        self.texts = {mesh.root / "objects" / name: text for name, text in big_config.object_files().items()}
        self.texts |= {mesh.root / "nodestate" / name: text for name, text in big_config.node_state_files().items()}

    def put(self):
        for path, text in self.texts.items():
            path.write_text(text)

    def drop(self):
        for path in self.texts:
            path.unlink(missing_ok=True)


def start_agent(mesh):
    """Seconds from the start of the agent until it is ready."""
    began = time.monotonic()
    mesh.lab("start", "agent", NODE)
    path = mesh.root / NODE / "run" / "agent.sock"
    while not is_ready(ask(path, "/v1/status")):
        if time.monotonic() - began > PATIENCE:
            raise MeshError(f"the agent is not ready with the whole configuration after {PATIENCE} s")
        time.sleep(POLL)
    return time.monotonic() - began


def one_round(mesh, files):
    """(seconds to ready, MiB of the agent, MiB of the proxy) of a start with it; then it is gone again."""
    mesh.lab("kill", "--no-restart", "agent", NODE)
    files.put()
    seconds = start_agent(mesh)
    pids = mesh.pids()
    found = seconds, memory.resident(pids[f"agent@{NODE}"]), memory.resident(pids[f"proxy@{NODE}"])
    files.drop()
    mesh.wait(lambda: mesh.status(NODE).get("objects", {}).get("services") == 0, "the Services are still there")
    return found


def to_lines(rounds):
    metrics = (("ready_s", "s"), ("agent_mib", "MiB"), ("proxy_mib", "MiB"))
    return [{"id": f"{NAME}/{metric}", "group": NAME, "variant": "keelson", "metric": metric, "unit": unit,
             "samples": list(samples)} for (metric, unit), samples in zip(metrics, zip(*rounds))]


def run(bench):
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    (folder / "pods.yaml").write_text(objects.document(objects.namespace("local"), objects.pod("local", "web", NODE)))
    with Mesh(bench.bin_dir, PREFIX, nodes=(NODE,)) as mesh:
        mesh.up(folder)
        pids = mesh.pids()
        bench.note(f"{NAME}: with an empty mesh the agent has {memory.resident(pids[f'agent@{NODE}']):.1f} MiB, "
                   f"the proxy {memory.resident(pids[f'proxy@{NODE}']):.1f} MiB")
        files = Files(mesh)
        return to_lines([one_round(mesh, files) for _ in range(ROUNDS[bench.mode.name])])
