"""kube scale: an agent of a cluster of 5,000 nodes, 10,000 Services and 100,000 pods, by a stand-in API server.

The node's own part is small, as it is in a cluster: what is measured is what following everything else costs. Each
round starts an agent that knows nothing and whose maps are empty; changes go through the API and are seen in the
kernel's maps. Blocking.
"""
import random
import time

from ladder import exposition, kernel_rows, memory, sampler, stats
from ladder.kube_node import NODE, KubeNode
from ladder.mesh import MeshError

NAME = "kube-scale"
DESCRIPTION = "5,000 nodes, 10,000 Services and 100,000 pods at an API server: an agent's start, memory and changes"
SIZE = {"nodes": 5_000, "namespaces": 100, "services": 10_000, "pods": 100_000, "mesh": True}
ROUNDS = {"quick": 3, "full": 9}
CHANGES = 10  # of each kind in a round
PATIENCE = 120  # seconds for the agent to be ready
POLL = 0.005  # seconds between two questions whether it is
SETTLE = 3  # seconds of rest before memory counts as settled
PAUSE = (0.25, 0.4)  # seconds between two changes: in step with nothing, and after the copies on disk
CHANGE_PATIENCE = 10
SERVICE_BYTES, ADDRESS_BYTES = 16, 24  # ks_service, ks_address
KINDS = ("namespaces", "services", "serviceaccounts", "endpointslices.discovery.k8s.io", "nodestates.keelson.dev")


def seen_after(rows, key, act):
    """Milliseconds from the start of act() until the row is another one than before it."""
    before = rows.row(key)
    if before is None:
        raise MeshError(f"{key.hex()} is not in the kernel's map")
    began = time.monotonic()
    act()
    while rows.row(key) == before:
        if time.monotonic() - began > CHANGE_PATIENCE:
            raise MeshError(f"a change is not in the kernel's map after {CHANGE_PATIENCE} s")
    return (time.monotonic() - began) * 1e3


class Changes:
    """Single objects that change, and back, and how long each takes to the kernel."""

    def __init__(self, node, pins, choice):
        self.node = node
        self.services = kernel_rows.KernelMap(pins + "/ks_service", SERVICE_BYTES)
        self.addresses = kernel_rows.KernelMap(pins + "/ks_address", ADDRESS_BYTES)
        self.choice = choice

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.services.__exit__()
        self.addresses.__exit__()

    def endpoint(self):
        """An endpoint of one of many Services stops being ready."""
        number = self.choice.randrange(SIZE["services"])
        namespace = f"ns-{number % SIZE['namespaces']}"
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/svc-{number}-s0"
        spec = self.node.read(f"/api/v1/namespaces/{namespace}/services/svc-{number}")["spec"]
        piece = self.node.read(path)
        conditions = piece["endpoints"][0]["conditions"]
        conditions["ready"] = conditions["serving"] = not conditions["ready"]
        key = kernel_rows.service_key(spec["clusterIP"], spec["ports"][0]["port"])
        return seen_after(self.services, key, lambda: self.node.write(path, piece))

    def node_state(self):
        """A pod of another node begins to leave the mesh."""
        path = f"/apis/keelson.dev/v1alpha1/nodestates/node-{self.choice.randrange(1, SIZE['nodes'])}"
        state = self.node.read(path)
        pod = state["pods"][0]
        pod["state"] = "leaving" if pod["state"] == "ready" else "ready"
        key = kernel_rows.address_key(pod["addresses"][0])
        return seen_after(self.addresses, key, lambda: self.node.write(path, state))

    def several(self, kind):
        taken = []
        for _ in range(CHANGES):
            time.sleep(self.choice.uniform(*PAUSE))
            taken.append(kind())
        return taken


def cpu_seconds(pid):
    return sampler.run_ns(pid) / 1e9


def peak(pid):
    return memory.kib((memory.PROC / str(pid) / "status").read_text(), "VmHWM") / memory.KIB_PER_MIB


def start(node, name):
    """(pid, seconds until ready, CPU seconds until then) of an agent."""
    began = time.monotonic()
    pid = node.start_agent(name)
    node.wait_ready(PATIENCE, POLL)
    return pid, time.monotonic() - began, cpu_seconds(pid)


def resync(node, pid):
    """(CPU seconds, rows written) of hearing 410 Gone for every kind, of listing all again, of finding nothing new."""
    before = cpu_seconds(pid)
    written = node.status()["rollout"]["map_writes"]
    lists = relists(node)
    for kind in KINDS:
        node.steer("POST", "expire/" + kind)
    deadline = time.monotonic() + PATIENCE
    while relists(node) < lists + len(KINDS):
        if time.monotonic() > deadline:
            raise MeshError("the agent did not list everything again")
        time.sleep(0.1)
    time.sleep(1)  # what it would do then
    return cpu_seconds(pid) - before, node.status()["rollout"]["map_writes"] - written


def relists(node):
    """Lists after the first, as the agent counts them."""
    return exposition.total(node.text("/metrics"), "keelson_agent_source_relists_total")


def one_round(node, name, choice):
    """Every figure of a round, by metric."""
    pid, ready, cpu = start(node, name)
    found = {"ready_s": ready, "ready_cpu_s": cpu, "peak_mib": peak(pid)}
    time.sleep(SETTLE)
    found["settled_mib"] = memory.resident(pid)
    with Changes(node, node.pins(name), choice) as changes:
        for metric, kind in (("endpoint", changes.endpoint), ("node_state", changes.node_state)):
            began = cpu_seconds(pid)
            taken = sorted(changes.several(kind))
            found[f"{metric}_ms_p50"] = stats.quantile(taken, 0.5)
            found[f"{metric}_ms_max"] = taken[-1]
            found[f"{metric}_cpu_ms"] = (cpu_seconds(pid) - began) * 1e3 / CHANGES
    found["resync_cpu_s"], found["resync_writes"] = resync(node, pid)
    node.stop_agent()
    pid, found["restart_s"], _ = start(node, name)
    found["restart_writes"] = node.status()["rollout"]["map_writes"]
    found["peak_mib"] = max(found["peak_mib"], peak(pid))
    node.stop_agent()
    node.forget(name)
    return found


def unit_of(metric):
    if metric.endswith("_mib"):
        return "MiB"
    if metric.endswith("_s"):
        return "s"
    return "ms" if "_ms" in metric else ""


def to_lines(rounds):
    return [{"id": f"{NAME}/{metric}", "group": NAME, "variant": "keelson", "metric": metric, "unit": unit_of(metric),
             "samples": [each[metric] for each in rounds]} for metric in rounds[0]]


def run(bench):
    if not (bench.bin_dir / "kube-standin").exists():
        bench.miss(NAME, "kube-standin is not built: there is no Go toolchain")
        return []
    choice = random.Random(1)
    with KubeNode(bench.bin_dir, bench.folder / NAME) as node:
        made = node.steer("POST", "generate", SIZE)
        bench.note(f"{NAME}: {made['objects']} objects at the API server; the agent's node is {NODE}, it has no proxy")
        return to_lines([one_round(node, f"round{number}", choice) for number in range(ROUNDS[bench.mode.name])])
